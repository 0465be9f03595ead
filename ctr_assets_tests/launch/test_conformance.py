"""What every launcher must do: green means done, every partition has its own report, an error says what went wrong."""

import re
import threading
from functools import partial

import dagster as dg
import pytest

from ctr_assets.launch.kubernetes.launcher import KubernetesLauncher
from ctr_assets_tests.launch.scripted import DAYS, KEY, failure_of, materialize, materialized
from ctr_assets_tests.launch.test_process_launcher import wait_until
from ctr_assets_tests.launch.troubles import TROUBLES


def test_each_partition_of_a_range_gets_its_own_metadata(launcher, instance):
    assert materialize(launcher, instance).success
    records = instance.fetch_materializations(KEY, limit=5).records
    found = {r.partition_key: r.asset_materialization.metadata["name"].value for r in records}
    assert found == {day: day for day in DAYS}
    cost = [dict(record.asset_materialization.metadata) for record in records]
    assert all(each["core_seconds"].value > 0 and each["gpu_seconds"].value == 0 for each in cost)
    is_outside = isinstance(launcher, KubernetesLauncher)
    assert all(("external_job" in each) is is_outside for each in cost)


def test_what_the_job_says_reaches_the_event_log_and_its_output_the_compute_log(launcher, instance, capfd):
    result = materialize(launcher, instance)
    assert "working on 2014-10-21" in [record.user_message for record in instance.all_logs(result.run_id)]
    assert "output of 2014-10-21\n" in capfd.readouterr().out


FAILURES: dict[str, tuple[dict, str]] = {
    "failure": ({"fails": "LandingError: train.gz is truncated"}, "failed: LandingError: train.gz is truncated"),
    "killed": ({"killed": True}, r"failed: .*(exit code -9|ExitCode: 137|exit code 137|replica)"),
    "no closing message": ({"ends_without_closing": True}, "ended without closing its report"),
    "crash before the first message": ({"crash_before_opening": True}, r"failed: .*(exit code 3|ExitCode: 3|replica)"),
    "a partition is missing": ({"reports": [DAYS[0]]}, "reported nothing for '2014-10-22'"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_nothing_is_materialized_unless_the_job_reported_it_and_closed(launcher, instance, case):
    behaviour, error = FAILURES[case]
    result = materialize(launcher, instance, **behaviour)
    assert not result.success
    assert materialized(instance) == set()
    assert re.search(error, failure_of(result), re.DOTALL)


def test_a_second_run_after_a_failure_starts_afresh(launcher, instance):
    assert not materialize(launcher, instance, fails="it does").success
    assert materialize(launcher, instance).success
    assert materialized(instance) == set(DAYS)


def test_a_job_that_fails_by_itself_is_launched_once(launcher, instance, capfd):
    assert not materialize(launcher, instance, fails="bad data").success
    assert capfd.readouterr().out.count(f"output of {DAYS[0]}\n") == 1


@pytest.mark.long
@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_trouble_of_the_cluster_changes_what_is_materialized(launcher, place, instance, trouble):
    when, act = TROUBLES[trouble]
    with when(partial(act, place), place.notes):
        result = materialize(launcher, instance, notes_url=place.notes.url, seconds=2)
    assert result.success
    assert materialized(instance) == set(DAYS)
    assert len(instance.fetch_materializations(KEY, limit=10).records) == len(DAYS)


@pytest.mark.leaves_resources
def test_a_run_that_somebody_else_ended_materializes_nothing(launcher, instance):
    def fail_it():
        wait_until(lambda: "working on" in str([e.user_message for e in all_entries(instance)]), seconds=240)
        (record,) = instance.get_run_records()
        instance.report_run_failed(record.dagster_run, "taken for dead")

    somebody = threading.Thread(target=fail_it)
    somebody.start()
    assert not materialize(launcher, instance, seconds=8).success
    somebody.join()
    assert materialized(instance) == set()
    (record,) = instance.get_run_records()
    assert record.dagster_run.status is dg.DagsterRunStatus.FAILURE


def all_entries(instance):
    return [entry for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
