"""A setting that cannot be is an error that names it, its value and what it may be; all of them in one."""

import os
import subprocess
import sys
import warnings
from typing import Any

import dagster as dg
import pytest

from ctr_assets.automation.rules import WaitFor
from ctr_assets.defs import asset_jobs
from ctr_assets.defs.deployments import DEPLOYMENTS
from ctr_assets.defs.places import Places
from ctr_assets.launch.kubernetes.engines import SparkLauncher
from ctr_assets.launchpads import LAUNCHPADS, RESOURCES
from ctr_assets.problems import SettingsError
from ctr_assets.settings import OTHERS, VARIABLES, Settings, expected_of, read_settings
from ctr_assets_tests.deploy.files import ROOT

A_DAY = "expected a day of the calendar, written YYYY-MM-DD, from 2000-01-01 to 2099-12-31"
A_PLACE = "expected a folder or gs://bucket/prefix"
A_BUCKET = "expected gs://bucket/prefix"
ASSETS = ", ".join(LAUNCHPADS)
JSON = "expected a JSON object of assets and their fields, but "

WRONG = [
    *(("CTR_FIRST_DAY", value, A_DAY) for value in ("2014-10-1", "20141021", "2014-W43-2", "2014-02-30", "", "open")),
    *(("CTR_FIRST_DAY", value, A_DAY) for value in ("1999-12-31", "9999-12-31", "2014-10-21 ", "2014-10-21T00:00")),
    *(("CTR_LAST_DAY", value, f"{A_DAY}, or open") for value in ("2014-10-1", "Open", "", "2014-11-31")),
    ("CTR_LAST_DAY", "2014-10-20", "expected a day not before CTR_FIRST_DAY, which is 2014-10-21, or open"),
    *(("CTR_AUTOMATION", value, "expected off or on") for value in ("yes", "true", "1", "ON", "on ", "")),
    *(("CTR_DEPLOYMENT", value, "expected laptop or kubernetes") for value in ("mainframe", "Laptop", "")),
    *(("CTR_WAIT_FOR", value, "expected settled or success_marker") for value in ("_SUCCESS", "SETTLED", "")),
    *(("CTR_SETTLE_SECONDS", v, "expected a number from 0 to 86400") for v in ("-1", "nan", "inf", "1e9", "30s", "")),
    *(("CTR_SENSOR_SECONDS", v, "expected a whole number from 1 to 86400") for v in ("0", "-30", "1.5", "x", "")),
    *(("CTR_TRAIN_AFTER_DAYS", v, "expected a whole number from 1 to 365") for v in ("0", "-1", "366", "one", "nan")),
    *(("CTR_TRAINING_PROCESSES", v, "expected a whole number from 1 to 64") for v in ("0", "x", "-1", "65", "2.5")),
    *(("CTR_LANDING_URL", v, A_PLACE) for v in ("", " ", "s3://bucket/x", "gs://", "gs:/b/x", "gs:b", "gs://Bucket/x")),
    *(("CTR_STORE_URL", v, A_PLACE) for v in ("", "hdfs://n/x", "file:///x", "gs://b ucket/x", "gs://bucket/x\n")),
    *(("CTR_MESSAGES_URL", v, "expected gs://bucket/prefix") for v in ("", "/tmp/messages", "https://bucket", "gs://")),
    ("CTR_KUBERNETES_SETTINGS", "", "expected a file"),
    ("CTR_KUBECONFIG", "", "expected a file"),
    ("CTR_TRAINING_LAUNCHPAD", "", f"{JSON}Expecting value: line 1 column 1 (char 0)"),
    ("CTR_TRAINING_LAUNCHPAD", "[]", f"{JSON}it is no object"),
    ("CTR_TRAINING_LAUNCHPAD", '{"gbt_baseline": {"step_size": NaN}}', f"{JSON}NaN is no number"),
    ("CTR_TRAINING_LAUNCHPAD", '{"gbt_baseline": {}, "gbt_baseline": {}}', f"{JSON}gbt_baseline is given twice"),
    ("CTR_TRAINING_LAUNCHPAD", '{"gbt": {}}', f"gbt: no asset that a training makes; those are {ASSETS}"),
    ("CTR_TRAINING_LAUNCHPAD", '{"gbt_baseline": 3}', "gbt_baseline: expected an object of fields and their values"),
    (
        "CTR_TRAINING_LAUNCHPAD",
        '{"evaluation_report": {"pages": 3}}',
        "evaluation_report.pages: no such field; there are resources",
    ),
    (
        "CTR_TRAINING_LAUNCHPAD",
        '{"gbt_baseline": {"max_iter": "2"}, "wide_deep_model": {"hidden": [8, 0]}}',
        "gbt_baseline.max_iter: Input should be a valid integer (got '2'); "
        "wide_deep_model.hidden.1: Input should be greater than or equal to 1 (got 0)",
    ),
    (
        "CTR_TRAINING_LAUNCHPAD",
        '{"wide_deep_model": {"resources": {"workers": -1}}}',
        "wide_deep_model.resources.workers: Input should be greater than or equal to 0 (got -1)",
    ),
    ("CTR_TRAINING_LAUNCHPAD", '{"champion_model": {"candidate_day": "2014-10-1"}}', f"candidate_day: {A_DAY} (got '"),
    ("CTR_AUTOMATON", "on", "CTR_AUTOMATON is no setting: CTR_AUTOMATION is meant?"),
    ("ctr_automation", "on", "ctr_automation is no setting: CTR_AUTOMATION is meant?"),
    ("CTR_LASTDAY", "open", "CTR_LASTDAY is no setting: CTR_LAST_DAY is meant?"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _an_environment_without_settings(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_a_wrong_value_is_named_with_what_it_may_be(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        read_settings()
    (line,) = str(error.value).splitlines()[1:-1]
    assert said in line
    assert line.startswith(f"  {name} is {'no setting' if 'meant?' in said else repr(value)}")


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("CTR_FIRST_DAY", "2014-10-31", "2014-10-31"),
        ("CTR_LAST_DAY", "open", "open"),
        ("CTR_LAST_DAY", "2014-10-21", "2014-10-21"),
        ("CTR_AUTOMATION", "on", "on"),
        ("CTR_WAIT_FOR", "success_marker", WaitFor.SUCCESS_MARKER),
        ("CTR_SETTLE_SECONDS", "0.5", 0.5),
        ("CTR_SENSOR_SECONDS", "1", 1),
        ("CTR_TRAINING_PROCESSES", "64", 64),
        ("CTR_LANDING_URL", "data/with: colon", "data/with: colon"),
        ("CTR_STORE_URL", "gs://my-bucket_1.example/a b", "gs://my-bucket_1.example/a b"),
        ("CTR_MESSAGES_URL", "gs://bucket", "gs://bucket"),
        (
            "CTR_TRAINING_LAUNCHPAD",
            '{"wide_deep_model": {"preset": "original", "epochs": 3, "resources": {"gpus": 2, "workers": 1}}}',
            {"wide_deep_model": {"preset": "original", "epochs": 3, "resources": {"gpus": 2, "workers": 1}}},
        ),
    ],
)
def test_a_value_that_may_be_is_taken(monkeypatch, name, value, read):
    monkeypatch.setenv(name, value)
    assert getattr(read_settings(), name.removeprefix("CTR_").lower()) == read


def test_without_any_variable_there_are_the_defaults():
    settings = read_settings()
    assert (settings.first_day, settings.last_day, settings.automation) == ("2014-10-21", "2014-10-31", "off")
    assert (settings.training_launchpad, settings.landing_url) == ({}, None)


def test_a_first_day_after_the_default_last_day_asks_for_a_last_day(monkeypatch):
    monkeypatch.setenv("CTR_FIRST_DAY", "2026-01-01")
    with pytest.raises(SettingsError, match="CTR_LAST_DAY is '2014-10-31', expected a day not before CTR_FIRST_DAY"):
        read_settings()


def test_every_setting_says_what_it_is_and_may_be():
    assert all(field.description and expected_of(field) for field in VARIABLES.values())


def test_a_long_value_is_shortened(monkeypatch):
    monkeypatch.setenv("CTR_LANDING_URL", "s3://" + "x" * 10_000)
    with pytest.raises(SettingsError) as error:
        read_settings()
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    "service", [*(name.lower().replace("_", "-") for name in Settings.model_fields), "store", "messages"]
)
def test_what_kubernetes_tells_a_pod_of_a_service_is_no_misspelt_setting(monkeypatch, service):
    for end in ("PORT", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_80_TCP", "PORT_80_TCP_ADDR"):
        monkeypatch.setenv(f"CTR_{service.upper().replace('-', '_')}_{end}", "x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_settings()


def test_an_unlike_variable_is_warned_of(monkeypatch):
    monkeypatch.setenv("CTR_COLOUR", "blue")
    with pytest.warns(UserWarning, match="CTR_COLOUR is set but is no setting"):
        read_settings()


def test_every_variable_of_the_repository_is_known():
    places = ["deploy", "docker", "docs", "Makefile", "README.md"]
    listed = subprocess.run(
        ["git", "grep", "-ohE", r"\bCTR_[A-Z0-9_]*[A-Z0-9]\b", "--", *places],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert {"CTR_DEPLOYMENT", "CTR_KUBERNETES_SETTINGS", "CTR_TEST_NAMESPACE"} <= set(listed)
    assert [name for name in listed if name not in VARIABLES and not OTHERS.fullmatch(name)] == []


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_loading_definitions_lists_all_that_is_wrong_in_one_short_error(deployment):
    wrong = {
        "CTR_FIRST_DAY": "2014-10-1",
        "CTR_AUTOMATION": "yes",
        "CTR_SETTLE_SECONDS": "-3",
        "CTR_TRAINING_PROCESSES": "0",
        "CTR_TRAINING_LAUNCHPAD": '{"wide_deep_model": {"epoch": 3}}',
        "CTR_STORE_URL": "s3://bucket",
        "CTR_SENSOR_SECOND": "5",
    }
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import ctr_assets.definitions"],
        env={**os.environ, **wrong, "CTR_DEPLOYMENT": deployment},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    told = [line for line in run.stderr.splitlines() if line.startswith("  CTR_")]
    assert sorted(line.split()[0] for line in told) == sorted(wrong)
    assert len(run.stderr.splitlines()) < 25
    assert run.stderr.count("Traceback") == 1


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (Places(landing_url="", store_url="x"), f"CTR_LANDING_URL is not set, {A_PLACE}: set it where"),
        (Places(landing_url="x", store_url=""), f"CTR_STORE_URL is not set, {A_PLACE}: set it where"),
        (SparkLauncher(settings_file="", messages_url="gs://b"), "CTR_KUBERNETES_SETTINGS is not set, expected a file"),
        (SparkLauncher(settings_file="x", messages_url=""), f"CTR_MESSAGES_URL is not set, {A_BUCKET}: set it where"),
    ],
)
def test_what_a_run_needs_and_nobody_set_is_asked_for(resource, said):
    @dg.asset(required_resource_keys={"needed"})
    def used() -> None: ...

    with pytest.raises(dg.DagsterError) as error:
        dg.materialize([used], resources={"needed": resource})
    assert said in str(error.value.__cause__)


def test_launchpads_are_those_of_the_assets_that_a_training_makes():
    from ctr_assets.definitions import defs

    assert tuple(LAUNCHPADS) == asset_jobs.ASSETS_OF_JOB["models"]
    for name, model in LAUNCHPADS.items():
        config: Any = defs.resolve_assets_def(name).op.config_schema.config_type
        assert set(config.fields) == {*model.model_fields, RESOURCES}


def test_the_deployments_are_those_that_can_be_named():
    assert expected_of(Settings.model_fields["deployment"]) == " or ".join(DEPLOYMENTS)
