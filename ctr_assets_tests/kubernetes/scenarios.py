"""What is to happen to a custom resource: the scenarios by name, each as it was recorded."""

from dataclasses import dataclass, replace
from enum import Enum

# The exit code of the recorded application error.
RECORDED_EXIT_CODE = 7
UNHEARD_OF = "Dreaming"
NO_ROOM = (
    'Error creating: pods "{pod}" is forbidden: exceeded quota: q, requested: requests.cpu=4, used: requests.cpu=0, '
    "limited: requests.cpu=1"
)
UNSCHEDULABLE = (
    "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/1 nodes are "
    "available: 1 Preemption is not helpful for scheduling."
)
NO_ACCOUNT = 'error looking up service account ml/missing: serviceaccount "missing" not found'
SUBMISSION_ERROR = (
    "failed to submit spark application: failed to run spark-submit: failed to run spark-submit: "
    'Exception in thread "main" io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: POST at: '
    'https://127.0.0.1:6443/api/v1/namespaces/ml/pods. Message: Forbidden! pods "{driver}" is forbidden: exceeded quota'
)


class Interruption(Enum):
    """What hits the driver (or the master) while it runs."""

    OOM = "oom"
    EVICT = "evicted"
    DELETE = "deleted"
    FORCE_DELETE = "force_deleted"


@dataclass(frozen=True)
class Scenario:
    """`starts_process`: the container's command really runs. Otherwise a script of `seconds` ends with `exit_code`.

    `after_seconds`, `seconds`, `submission_seconds`, `unheard_of_seconds` and `no_room_seconds` are real seconds: they
    are not scaled. The last but one is how long the resource says first what no recorded operator says, `UNHEARD_OF`;
    the last is how long the pods of a PyTorchJob or TrainJob are over a quota. `pods_refused`: why a TrainJob's never
    come to be.
    """

    starts_process: bool = False
    seconds: float | None = 0.1
    exit_code: int = 0
    exit_code_on_term: int = 143
    failing_workers: bool = False
    workers_run_on: bool = False
    submission_seconds: float | None = None
    unheard_of_seconds: float | None = None
    no_room_seconds: float | None = None
    interruption: Interruption | None = None
    after_seconds: float = 0.3
    pods_refused: str | None = None
    cannot_pull: bool = False
    cannot_schedule: bool = False
    submission_error: str | None = None
    transcript: str | None = None


RUN = Scenario(starts_process=True)

# The names that `ScriptedOperator.scenario` takes; an argument goes after a colon.
SCENARIOS: dict[str, Scenario] = {
    "run": RUN,
    "ok": Scenario(),
    "fail": Scenario(exit_code=RECORDED_EXIT_CODE),
    "hang": Scenario(seconds=None),
    "oom": replace(RUN, interruption=Interruption.OOM),
    "evicted": replace(RUN, interruption=Interruption.EVICT),
    "deleted": replace(RUN, interruption=Interruption.DELETE),
    "force_deleted": replace(RUN, interruption=Interruption.FORCE_DELETE),
    "image_cannot_be_pulled": Scenario(cannot_pull=True),
    "unschedulable": Scenario(cannot_schedule=True),
    "pods_refused": Scenario(pods_refused=NO_ACCOUNT),
    "submission_failed": Scenario(submission_error=SUBMISSION_ERROR),
    "slow_start": replace(RUN, submission_seconds=1.0),
    "unheard_of": replace(RUN, unheard_of_seconds=1e6),
    "worker_fails": Scenario(seconds=None, exit_code=1, failing_workers=True),
    "ranks_run_on": Scenario(exit_code=1, workers_run_on=True),
}
# Which field of a scenario its argument sets.
NUMERIC_ARGUMENTS = {
    "ok": "seconds",
    "fail": "exit_code",
    "oom": "after_seconds",
    "evicted": "after_seconds",
    "deleted": "after_seconds",
    "force_deleted": "after_seconds",
    "slow_start": "submission_seconds",
    "unheard_of": "unheard_of_seconds",
    "ranks_run_on": "exit_code",
}


def named_scenario(text: str) -> Scenario:
    """`run`, `fail:3`, `evicted:1.5`, `submission_failed:no quota`, `replay:sp-oom`, ... Raises ValueError."""
    name, _, argument = text.partition(":")
    if name == "replay":
        return Scenario(transcript=argument)
    if name not in SCENARIOS:
        raise ValueError(f"no scenario {name!r}: take one of {', '.join([*SCENARIOS, 'replay:<transcript>'])}")
    scenario = SCENARIOS[name]
    if not argument:
        return scenario
    if name == "submission_failed":
        return replace(scenario, submission_error=argument)
    if name not in NUMERIC_ARGUMENTS:
        raise ValueError(f"the scenario {name!r} takes no argument")
    field = NUMERIC_ARGUMENTS[name]
    number: float = int(argument) if field == "exit_code" else float(argument)
    return replace(scenario, **{field: number})  # type: ignore[arg-type]
