"""What a recorded status means: every state that a real operator was seen in, and UNKNOWN by name for any other."""

import pytest

from ctr_assets.launch.kubernetes.state import (
    Phase,
    observe_pytorch_job,
    observe_spark_application,
    observe_train_job,
)
from ctr_assets_tests.kubernetes.recordings import read_transcript


def spark(state=None, message=""):
    status = {} if state is None else {"status": {"applicationState": {"state": state, "errorMessage": message}}}
    return {"metadata": {"name": "x"}, **status}


def pytorch(*conditions):
    return {
        "metadata": {"name": "x"},
        "status": {"conditions": [{"type": t, "status": s, "message": f"{t} said"} for t, s in conditions]},
    }


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        (None, Phase.PENDING),
        ("", Phase.PENDING),
        ("SUBMITTED", Phase.PENDING),
        ("SUSPENDED", Phase.PENDING),
        ("RUNNING", Phase.RUNNING),
        ("SUCCEEDING", Phase.RUNNING),
        ("FAILING", Phase.RUNNING),
        ("COMPLETED", Phase.SUCCEEDED),
        ("FAILED", Phase.FAILED),
    ],
)
def test_spark_states(state, phase):
    assert observe_spark_application(spark(state)).phase is phase


def test_what_the_operator_says_is_kept():
    told = "driver container failed with ExitCode: 137, Reason: OOMKilled"
    assert observe_spark_application(spark("FAILED", told)).message == told


@pytest.mark.parametrize(
    ("conditions", "phase"),
    [
        ([], Phase.PENDING),
        ([("Created", "True")], Phase.PENDING),
        ([("Created", "True"), ("Running", "True")], Phase.RUNNING),
        ([("Created", "True"), ("Running", "False"), ("Succeeded", "True")], Phase.SUCCEEDED),
        ([("Created", "True"), ("Succeeded", "True")], Phase.SUCCEEDED),
        ([("Created", "True"), ("Running", "False"), ("Failed", "True")], Phase.FAILED),
        ([("Created", "True"), ("Suspended", "False"), ("Running", "True")], Phase.RUNNING),
        ([("Created", "True"), ("Running", "False"), ("Suspended", "True")], Phase.PENDING),
    ],
)
def test_pytorch_conditions_count_when_true_in_any_order(conditions, phase):
    assert observe_pytorch_job(pytorch(*conditions)).phase is phase
    assert observe_pytorch_job(pytorch(*reversed(conditions))).phase is phase


@pytest.mark.parametrize("state", ["DREAMING", "completed", "UNKNOWN"])
def test_a_spark_state_that_is_not_known_is_unknown_by_its_name(state):
    seen = observe_spark_application(spark(state, "a said cause"))
    assert (seen.phase, seen.state, seen.unknown, seen.message) == (Phase.UNKNOWN, state, state, "a said cause")
    assert not seen.phase.is_terminal


@pytest.mark.parametrize(
    "status",
    [
        *(None, {}, {"applicationState": None}, {"applicationState": {}}, {"applicationState": {"state": None}}),
        *({"conditions": None}, {"conditions": []}),
    ],
    ids=str,
)
def test_a_status_with_nothing_in_it_is_pending(status):
    for observe in (observe_spark_application, observe_pytorch_job):
        seen = observe({"metadata": {"name": "x"}, "status": status})
        assert (seen.phase, seen.state, seen.unknown) == (Phase.PENDING, "no status yet", "")


@pytest.mark.parametrize(
    ("conditions", "phase", "unknown"),
    [
        ([("Dreaming", "True")], Phase.UNKNOWN, "Dreaming"),
        ([("Created", "True"), ("Dreaming", "True"), ("Asleep", "True")], Phase.UNKNOWN, "Asleep, Dreaming"),
        ([("Created", "True"), ("Dreaming", "False")], Phase.PENDING, ""),
        ([("Created", "True"), ("Running", "Unknown")], Phase.UNKNOWN, "Running=Unknown"),
        ([("Created", "True"), ("Succeeded", "Unknown")], Phase.UNKNOWN, "Succeeded=Unknown"),
        ([("Created", "True"), ("Dreaming", "True"), ("Failed", "Unknown")], Phase.UNKNOWN, "Dreaming, Failed=Unknown"),
        ([("Created", "True"), ("Running", None)], Phase.UNKNOWN, "Running=None"),
        ([("Running", "True"), ("Dreaming", "True")], Phase.RUNNING, "Dreaming"),
        ([("Succeeded", "True"), ("Dreaming", "True")], Phase.SUCCEEDED, "Dreaming"),
        ([("Failed", "True"), ("Dreaming", "True"), ("Running", "Unknown")], Phase.FAILED, "Dreaming, Running=Unknown"),
    ],
)
def test_pytorch_conditions_that_are_not_known_count_only_where_no_known_one_decides(conditions, phase, unknown):
    for order in (conditions, conditions[::-1]):
        seen = observe_pytorch_job(pytorch(*order))
        assert (seen.phase, seen.unknown) == (phase, unknown)


ENDINGS = {
    "rec-ok": Phase.SUCCEEDED,
    "rec-fail": Phase.FAILED,
    "rec-retry": Phase.FAILED,
    "rec-subfail": Phase.FAILED,
    "sp-oom": Phase.FAILED,
    "sp-drv-del": Phase.FAILED,
    "sp-drv-force": Phase.FAILED,
    "sp-exec-kill": Phase.SUCCEEDED,
    "sp-noimg": Phase.PENDING,
    "sp-unsched": Phase.PENDING,
    "rec-pt-ok": Phase.SUCCEEDED,
    "rec-pt-fail": Phase.FAILED,
    "pt-never": Phase.FAILED,
    "pt-master-del": Phase.FAILED,
    "pt-deadline": Phase.FAILED,
    "pt-noimg": Phase.PENDING,
    "pt-gpu": Phase.PENDING,
    "tj-ok2": Phase.SUCCEEDED,
    "tj-fail-r1": Phase.FAILED,
    "tj-deadline": Phase.FAILED,
    "tj-suspend-create": Phase.SUCCEEDED,
    "tj-noimg": Phase.PENDING,
    "tj-unsched": Phase.PENDING,
    "tj-n49": Phase.PENDING,
}
OBSERVERS = {
    "SparkApplication": observe_spark_application,
    "PyTorchJob": observe_pytorch_job,
    "TrainJob": observe_train_job,
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_recorded_stream_ends_as_it_did(name):
    resources = [f["object"] for f in read_transcript(name) if f["type"] in ("ADDED", "MODIFIED")]
    observe = OBSERVERS[resources[0]["kind"]]
    phases = [observe(resource).phase for resource in resources]
    assert phases[-1] is ENDINGS[name]
    first_end = next((i for i, phase in enumerate(phases) if phase.is_terminal), len(phases))
    assert all(phase.is_terminal for phase in phases[first_end:])


def test_a_train_job_fails_when_its_job_says_so_long_before_itself():
    """The survivors' grace lies between the two: 9 s where that is 5 s."""
    resources = {frame["t"]: frame["object"] for frame in read_transcript("tj-fail-r1")}
    early = next(frame for frame in read_transcript("tj-fail-r1-jobs") if "FailureTarget" in str(frame["object"]))
    late = next(at for at, resource in resources.items() if observe_train_job(resource).phase is Phase.FAILED)
    assert late - early["t"] > 5
    then = [resource for at, resource in resources.items() if at <= early["t"]][-1]
    assert observe_train_job(then).phase is Phase.PENDING
    seen = observe_train_job(then, early["object"])
    assert (seen.phase, seen.message) == (Phase.FAILED, "Job has reached the specified backoff limit")


def test_a_suspended_train_job_waits_whatever_its_pods_still_do():
    suspended = {"status": {"conditions": [{"type": "Suspended", "status": "True"}], "jobsStatus": [{"ready": 1}]}}
    assert observe_train_job(suspended).phase is Phase.PENDING
