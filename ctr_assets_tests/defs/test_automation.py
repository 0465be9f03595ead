"""The deployed sensors, schedules and jobs, each asked on a real instance what it would run."""

import os
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from pydantic import ValidationError

from ctr_assets.automation.rules import WaitFor
from ctr_assets.definitions import defs
from ctr_assets.defs import asset_jobs, automation
from ctr_assets.defs.automation import LandingWatch, PredictionPolicy, RetrainingPolicy
from ctr_assets.defs.check_results import failed_check
from ctr_assets.defs.checks import BLOCKING_BEFORE_TRAINING
from ctr_assets.defs.partitions import daily
from ctr_assets.defs.places import Places
from ctr_assets.defs.schedules import daily_catch_up
from ctr_assets.defs.sensors import landing_sensor, prediction_sensor, retraining_sensor, stale_features_sensor
from ctr_assets.landing.errors import LandingZoneError
from ctr_assets.settings import read_settings
from ctr_assets.storage import Store
from ctr_assets_tests.automation.tables import DAYS, Tables
from ctr_assets_tests.automation.watching import write
from ctr_assets_tests.deploy.files import DEPLOY

REPOSITORY = defs.get_repository_def()
NEEDED = ("raw_impressions", "feature_vocabulary", "encoded_features")


class Automation:
    """The sensors on one instance, landing zone and store; a sensor's cursor lives from tick to tick."""

    def __init__(self, root, instance):
        self.instance = instance
        self.landing = root / "landing"
        self.landing.mkdir()
        self.tables = Tables(root / "store")
        self.places = Places(landing_url=str(self.landing), store_url=str(root / "store"))
        self.watch = LandingWatch(settle_seconds=0)
        self.policy = RetrainingPolicy()
        self.predicting = PredictionPolicy()
        self.cursor = None

    def tick(self, sensor):
        """One tick: the run requests, or the reason why there are none."""
        resources = {
            "places": self.places,
            "landing_watch": self.watch,
            "retraining_policy": self.policy,
            "prediction_policy": self.predicting,
        }
        with dg.build_sensor_context(
            self.instance,
            cursor=self.cursor,
            repository_def=REPOSITORY,
            sensor_name=sensor.name,
            resources={key: resources[key] for key in sensor.required_resource_keys},
        ) as context:
            data = sensor.evaluate_tick(context)
        if sensor is landing_sensor:
            self.cursor = data.cursor
        return data.run_requests or data.skip_message

    def catch_up(self, at="2014-11-01T06:00"):
        with dg.build_schedule_context(
            self.instance,
            scheduled_execution_time=datetime.fromisoformat(at),
            repository_def=REPOSITORY,
            resources={"places": self.places, "landing_watch": self.watch},
        ) as context:
            data = daily_catch_up.evaluate_tick(context)
        return data.run_requests or data.skip_message

    def day(self, day, content="rows", **encoded):
        """A day that the job new_day made: tables and materializations, its checks passed."""
        self.tables.day(day, content, **encoded)
        for name in NEEDED:
            self.instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=day))
        for key in BLOCKING_BEFORE_TRAINING:
            self.check(key, day)

    def check(self, key, day, passed=True, **evaluation):
        event = dg.AssetCheckEvaluation(
            asset_key=key.asset_key, check_name=key.name, passed=passed, partition=day, **evaluation
        )
        # By a run each: without one, an instance takes a single evaluation of a check and day.
        reported = dg.DagsterEvent(
            dg.DagsterEventType.ASSET_CHECK_EVALUATION.value, "checks", event_specific_data=event
        )
        self.instance.report_dagster_event(reported, run_id=str(uuid.uuid4()))

    def run(self, job, status, **options):
        return self.instance.add_run(dg.DagsterRun(job, run_id=str(uuid.uuid4()), status=status, **options))


@pytest.fixture
def deployed(tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Automation(tmp_path, instance)


@pytest.fixture
def scheduled(tmp_path):
    """The same on disk: a schedule's context opens the instance anew."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield Automation(tmp_path, instance)


def days_of(requests):
    assert not isinstance(requests, str), requests
    return [request.partition_key for request in requests]


# ------------------------------------------------------------------------------------------------ jobs


@pytest.mark.parametrize("job", asset_jobs.ASSETS_OF_JOB)
def test_a_job_is_of_days_and_materializes_what_it_says(job):
    definition = REPOSITORY.get_job(job)
    keys = definition.asset_layer.executable_asset_keys
    assert {key.to_user_string() for key in keys} == set(asset_jobs.ASSETS_OF_JOB[job])
    assert definition.partitions_def == daily
    assert definition.description


def test_the_whole_graph_is_all_assets():
    keys = REPOSITORY.asset_graph.get_all_asset_keys()
    assert {key.to_user_string() for key in keys} == set(asset_jobs.ASSETS_OF_JOB["whole_graph"])


@pytest.mark.parametrize("file", ["laptop/dagster.yaml", "kubernetes/dagster.yaml"])
def test_instances_let_one_run_write_the_feature_tables_and_one_use_the_gpu(file):
    concurrency = yaml.safe_load((DEPLOY / file).read_text())["concurrency"]
    (tag,) = asset_jobs.IN_ORDER
    assert {"key": tag, "limit": 1} in concurrency["runs"]["tag_concurrency_limits"]
    assert concurrency["pools"] == {"default_limit": 1, "granularity": "run"}
    in_order = {job for job in asset_jobs.ASSETS_OF_JOB if tag in REPOSITORY.get_job(job).run_tags}
    assert in_order == {"features", "new_day", "whole_graph"}
    assert defs.resolve_asset_graph().get(dg.AssetKey("wide_deep_model")).pools == {"gpu"}


def test_nothing_runs_by_itself_unless_the_environment_says_so():
    script = (
        "from ctr_assets.definitions import defs; r = defs.get_repository_def()\n"
        "print(*(s.default_status.value for s in (*r.sensor_defs, *r.schedule_defs)))"
    )
    for setting, expected in (("off", "STOPPED"), ("on", "RUNNING")):
        environment = {**os.environ, "CTR_AUTOMATION": setting}
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script], env=environment, capture_output=True, text=True
        )
        assert set(run.stdout.split()) == {expected}, run.stderr


# ------------------------------------------------------------------------------------------------ landing


def test_a_settled_day_is_requested_once_with_its_reason(deployed):
    write(deployed.landing, f"day={DAYS[0]}/a.csv")
    assert deployed.tick(landing_sensor) == f"0 days known, 1 still growing (day={DAYS[0]}, 1 file, 1 B)"
    (request,) = deployed.tick(landing_sensor)
    assert request.partition_key == DAYS[0]
    assert request.run_key.startswith(f"{DAYS[0]}:")
    assert request.tags["ctr/why"] == "new delivery (1 file, 1 B)"
    assert request.tags["dagster/partition"] == DAYS[0]
    assert deployed.tick(landing_sensor) == "1 day known"


def test_archives_are_one_range_run(deployed):
    write(deployed.landing, "train.gz")
    deployed.tick(landing_sensor)
    (request,) = deployed.tick(landing_sensor)
    assert request.partition_key is None
    assert request.tags["dagster/asset_partition_range_start"] == "2014-10-21"
    assert request.tags["dagster/asset_partition_range_end"] == "2014-10-31"


def test_a_folder_that_is_called_almost_like_a_day_is_said_at_each_tick(deployed):
    write(deployed.landing, "day=20141021/a.csv")
    write(deployed.landing, "day=2014-10-22 /a.csv")
    for _ in range(2):
        said = deployed.tick(landing_sensor)
        assert "day=2014-10-22 / (call it day=2014-10-22), day=20141021/ (call it day=2014-10-21)" in said


def test_an_unreachable_landing_zone_fails_the_tick(deployed):
    deployed.landing.rmdir()
    with pytest.raises(LandingZoneError, match="does not exist"):
        deployed.tick(landing_sensor)


def test_the_watch_takes_its_settings_from_the_environment(monkeypatch):
    monkeypatch.setenv("CTR_SETTLE_SECONDS", "300")
    monkeypatch.setenv("CTR_WAIT_FOR", "success_marker")
    rules = automation.landing_watch(read_settings()).rules()
    assert (rules.settle_seconds, rules.wait_for, rules.days[0]) == (300, WaitFor.SUCCESS_MARKER, "2014-10-21")


# ------------------------------------------------------------------------------------------------ stale features


def test_days_after_a_changed_one_are_requested_as_one_range(deployed):
    for day in DAYS:
        deployed.day(day)
    assert deployed.tick(stale_features_sensor) == "The feature tables of all 4 days continue one another"
    deployed.day(DAYS[1], "others")
    (request,) = deployed.tick(stale_features_sensor)
    assert request.tags["dagster/asset_partition_range_start"] == DAYS[2]
    assert request.tags["dagster/asset_partition_range_end"] == DAYS[3]
    assert f"does not continue feature_vocabulary[{DAYS[1]}]" in request.tags["ctr/why"]


def test_one_stale_day_is_one_partition(deployed):
    for day in DAYS[:2]:
        deployed.day(day)
    deployed.day(DAYS[0], "others")
    assert days_of(deployed.tick(stale_features_sensor)) == [DAYS[1]]


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
@pytest.mark.parametrize("sensor", [stale_features_sensor, retraining_sensor])
def test_a_run_that_writes_feature_tables_is_waited_for(deployed, sensor, status):
    deployed.day(DAYS[0])
    run = deployed.run("new_day", status)
    assert deployed.tick(sensor) == f"waits for run {run.run_id[:8]} of new_day ({status.value.lower()})"


def test_a_run_launched_on_the_assets_is_waited_for_too(deployed):
    deployed.day(DAYS[0])
    selected = frozenset([dg.AssetKey("encoded_features")])
    deployed.run("whole_graph", dg.DagsterRunStatus.STARTED, asset_selection=selected)
    assert "waits for run" in deployed.tick(stale_features_sensor)


def test_a_request_that_failed_is_told_and_not_repeated(deployed):
    for day in DAYS[:2]:
        deployed.day(day)
    deployed.day(DAYS[0], "others")
    (request,) = deployed.tick(stale_features_sensor)
    tags = {"dagster/sensor_name": "stale_features_sensor", "dagster/run_key": request.run_key}
    run = deployed.run("features", dg.DagsterRunStatus.FAILURE, tags=tags)
    assert deployed.tick(stale_features_sensor).endswith(
        f"run {run.run_id[:8]} was requested for it and is failure; re-execute it when the cause is gone"
    )


# ------------------------------------------------------------------------------------------------ retraining


def test_the_newest_day_is_trained_once_its_checks_passed(deployed):
    deployed.tables.day(DAYS[0])
    reason = deployed.tick(retraining_sensor)
    first = BLOCKING_BEFORE_TRAINING[0]
    named = f"check {first.name} of {first.asset_key.to_user_string()}[{DAYS[0]}]"
    assert reason == f"{DAYS[0]} is not trained: {named} was not evaluated: run it"
    deployed.day(DAYS[0])
    (request,) = deployed.tick(retraining_sensor)
    assert (request.partition_key, request.tags["ctr/why"]) == (DAYS[0], "there is no model yet")


def test_a_champion_that_does_badly_is_followed_by_a_model_from_scratch(deployed):
    for day in DAYS[:2]:
        deployed.day(day)
    deployed.tables.model(DAYS[0])
    (request,) = deployed.tick(retraining_sensor)
    assert request.run_config["ops"]["wide_deep_model"]["config"] == {}
    figures = {"normalized_entropy": 0.8, "calibration_ratio": 1.3}
    deployed.tables.validation(DAYS[1], figures)
    (request,) = deployed.tick(retraining_sensor)
    assert request.run_config["ops"]["wide_deep_model"]["config"] == {"start": "scratch"}
    assert request.tags["ctr/why"].startswith(f"on {DAYS[1]} the champion of {DAYS[0]} predicts 1.300 times")


def test_nothing_is_trained_while_feature_tables_are_stale(deployed):
    for day in DAYS[:2]:
        deployed.day(day)
    deployed.day(DAYS[0], "others")
    assert deployed.tick(retraining_sensor).startswith("Waits until the feature tables are current: feature_voc")


def test_nothing_is_trained_while_feature_tables_cannot_be_put_right(deployed):
    deployed.day(DAYS[1])
    reason = deployed.tick(retraining_sensor)
    assert reason.startswith("Waits until the feature tables are current")
    assert reason.endswith(f"raw_impressions of {DAYS[0]} must be materialized first")


def test_a_day_that_is_being_trained_is_waited_for(deployed):
    deployed.day(DAYS[0])
    run = deployed.run("models", dg.DagsterRunStatus.STARTED, tags={"dagster/partition": DAYS[0]})
    assert deployed.tick(retraining_sensor) == (
        f"{DAYS[0]} is due (there is no model yet), but waits for run {run.run_id[:8]} of models (started); "
        "Nothing else is due"
    )
    deployed.day(DAYS[1])
    assert days_of(deployed.tick(retraining_sensor)) == [DAYS[1]]


def test_every_model_of_a_changed_day_is_trained_again(deployed):
    for day in DAYS[:3]:
        deployed.day(day)
        deployed.tables.model(day)
    assert deployed.tick(retraining_sensor) == f"The newest labelled day, {DAYS[2]}, has a model"
    deployed.day(DAYS[2], "others")
    assert days_of(deployed.tick(retraining_sensor)) == [DAYS[2]]


# ------------------------------------------------------------------------------------------------ predictions


def test_a_day_is_predicted_once_its_checks_passed(deployed):
    deployed.tables.day(DAYS[0])
    deployed.tables.champion(DAYS[0])
    assert "was not evaluated: run it" in deployed.tick(prediction_sensor)
    deployed.day(DAYS[0])
    (request,) = deployed.tick(prediction_sensor)
    assert (request.partition_key, request.tags["ctr/why"]) == (DAYS[0], f"{DAYS[0]} has no predictions")


def test_a_promotion_predicts_as_many_days_as_are_asked_for(deployed):
    for day in DAYS[:3]:
        deployed.day(day)
    deployed.tables.champion(DAYS[0])
    deployed.predicting = PredictionPolicy(newest_days=2)
    assert days_of(deployed.tick(prediction_sensor)) == DAYS[1:3]
    for day in DAYS[1:3]:
        deployed.tables.predictions(day)
    assert deployed.tick(prediction_sensor) == f"The champion of {DAYS[0]} has predicted what there is"
    deployed.tables.champion(DAYS[1])
    assert days_of(deployed.tick(prediction_sensor)) == DAYS[1:3]


def test_a_day_that_is_being_predicted_is_waited_for(deployed):
    deployed.day(DAYS[0])
    deployed.tables.champion(DAYS[0])
    run = deployed.run("predictions", dg.DagsterRunStatus.STARTED, tags={"dagster/partition": DAYS[0]})
    assert deployed.tick(prediction_sensor).startswith(
        f"{DAYS[0]} has no predictions, but waits for run {run.run_id[:8]} of predictions (started); "
    )


def test_a_damaged_champion_is_told(deployed):
    deployed.day(DAYS[0])
    deployed.tables.champion(DAYS[0])
    Path(deployed.tables.store.path("champion_model", "current", "manifest.json")).write_text("{")
    assert deployed.tick(prediction_sensor).startswith("champion_model/current/manifest.json under ")


def test_the_policy_is_taken_from_the_environment(monkeypatch):
    monkeypatch.setenv("CTR_PREDICT_NEWEST_DAYS", "3")
    assert automation.prediction_policy(read_settings()).newest_days == 3
    monkeypatch.setenv("CTR_TRAIN_AFTER_DAYS", "7")
    assert automation.retraining_policy(read_settings()).policy().train_after_days == 7


KEY = BLOCKING_BEFORE_TRAINING[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: None, None),
        (lambda d: d.check(KEY, DAYS[0], passed=False, description="too few rows"), "failed: too few rows"),
        (lambda d: d.check(KEY, DAYS[0], passed=False), "failed: it gives no reason"),
        (lambda d: d.check(KEY, DAYS[0], passed=False, severity=dg.AssetCheckSeverity.WARN), None),
        (lambda d: d.check(KEY, DAYS[1], passed=False), None),
        (
            lambda d: d.instance.report_runless_asset_event(dg.AssetMaterialization(KEY.asset_key, partition=DAYS[0])),
            "is older than the day's newest materialization: run it again",
        ),
    ],
)
def test_what_a_days_checks_object_to(deployed, change, said):
    deployed.day(DAYS[0])
    time.sleep(0.01)
    change(deployed)
    found = failed_check(deployed.instance, DAYS[0])
    assert found == (said and f"check {KEY.name} of {KEY.asset_key.to_user_string()}[{DAYS[0]}] {said}")


# ------------------------------------------------------------------------------------------------ schedules


def test_a_lost_day_is_caught_up_once_a_tick(scheduled):
    for day in DAYS[:2]:
        write(scheduled.landing, f"day={day}/a.csv")
    scheduled.day(DAYS[0])
    (request,) = scheduled.catch_up()
    assert (request.partition_key, request.run_key) == (DAYS[1], f"{DAYS[1]}:2014-11-01T06:00")
    scheduled.day(DAYS[1])
    assert scheduled.catch_up() == "Every delivered day is materialized, or on its way"


def test_a_day_on_its_way_is_not_caught_up(scheduled):
    write(scheduled.landing, f"day={DAYS[0]}/a.csv")
    scheduled.run("new_day", dg.DagsterRunStatus.NOT_STARTED, tags={"dagster/partition": DAYS[0]})
    assert scheduled.catch_up() == "Every delivered day is materialized, or on its way"


def vacuumed(deployed, monkeypatch, **config):
    monkeypatch.setattr("ctr_assets.defs.vacuum.datetime", _FifteenDaysLater)
    result = defs.resolve_job_def("vacuum").execute_in_process(
        instance=deployed.instance,
        resources={"places": deployed.places},
        run_config={"ops": {"delete_unreadable": {"config": config}}},
    )
    (event,) = (e for e in result.all_events if e.is_successful_output)
    return {key: value.value for key, value in event.step_output_data.metadata.items()}


class _FifteenDaysLater(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(UTC) + timedelta(days=15)


def test_the_vacuum_reports_and_deletes_what_nothing_names(deployed, monkeypatch):
    store = Store(deployed.places.store_url)
    versions = [deployed.tables.raw(DAYS[0], content) for content in ("a", "b")]
    for version in versions:
        store.fs.pipe_file(store.path("raw_impressions", DAYS[0], version.version, "x"), b"12345")
    told = vacuumed(deployed, monkeypatch, dry_run=True)
    assert (told["deleted"], told["bytes"]) == (0, 5)
    assert store.fs.exists(store.path("raw_impressions", DAYS[0], versions[0].version))
    told = vacuumed(deployed, monkeypatch)
    assert (told["deleted"], told["bytes"]) == (1, 5)
    assert "| raw_impressions | 1 | 5 |" in told["tables"]
    assert not store.fs.exists(store.path("raw_impressions", DAYS[0], versions[0].version))
    assert store.fs.exists(store.path("raw_impressions", DAYS[0], versions[1].version, "x"))


def test_the_vacuum_keeps_at_least_a_day(deployed, monkeypatch):
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        vacuumed(deployed, monkeypatch, keep_days=0)
