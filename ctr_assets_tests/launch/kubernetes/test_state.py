"""What a recorded status means: every state that a real operator was seen in, and a loud error for any other."""

import json
import os
from pathlib import Path

import pytest

from ctr_assets.launch.kubernetes.state import Phase, UnknownStateError, observe_pytorch_job, observe_spark_application

RECORDINGS = Path(os.environ.get("CTR_K8S_RECORDINGS", Path(__file__).parents[4] / "shared/k8s")) / "transcripts"


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


def test_an_unknown_state_is_an_error():
    with pytest.raises(UnknownStateError, match="'DREAMING'"):
        observe_spark_application(spark("DREAMING"))
    with pytest.raises(UnknownStateError, match="Dreaming"):
        observe_pytorch_job(pytorch(("Dreaming", "True")))


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
}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="recordings of real operators: set CTR_K8S_RECORDINGS")
@pytest.mark.parametrize("name", ENDINGS)
def test_a_recorded_stream_ends_as_it_did(name):
    frames = [json.loads(line) for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines()]
    resources = [f["object"] for f in frames if f["type"] in ("ADDED", "MODIFIED")]
    observe = observe_spark_application if resources[0]["kind"] == "SparkApplication" else observe_pytorch_job
    phases = [observe(resource).phase for resource in resources]
    assert phases[-1] is ENDINGS[name]
    first_end = next((i for i, phase in enumerate(phases) if phase.is_terminal), len(phases))
    assert all(phase.is_terminal for phase in phases[first_end:])
