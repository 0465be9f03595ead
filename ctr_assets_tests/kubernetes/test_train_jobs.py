"""A TrainJob goes through what was recorded: its own states, its JobSet's, its Job's, its pods' ends, its events."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ctr_assets_tests.kubernetes.recordings import read_side_stream
from ctr_assets_tests.kubernetes.resources import EVENTS, JOB_SETS, JOBS, PODS, TRAIN_JOBS, Json, Resource
from ctr_assets_tests.kubernetes.train_job_runs import (
    GHOSTS,
    Run,
    agree,
    pod_ends,
    recorded_frames,
    run_names,
    stories,
    told_events,
)

# Most of a run is waiting.
AT_A_TIME = 8
SIDES: dict[str, tuple[str, Resource]] = {
    "TrainJob": ("", TRAIN_JOBS),
    "JobSet": ("jobsets", JOB_SETS),
    "Job": ("jobs", JOBS),
    "Pod": ("pods", PODS),
    "Event": ("events", EVENTS),
}
# What the fake's controllers do not play, because no runtime of ours asks for it.
NOT_PLAYED = {
    "tj-evict-ignore": "a Job's podFailurePolicy",
    "tj-evict-official": "restarts of one rank under a back-off limit of 6, with the official runtime",
    "tj-evict-restart": "a JobSet's failurePolicy",
    "tj-evict-rule": "a JobSet's failurePolicy",
    "tj-fail-official": "the crash back-off of a container that restarts in place, with the official runtime",
    "tj-fail-restarts": "a JobSet's failurePolicy",
    "tj-nosecret": "a node that cannot mount a volume",
    "tj-ttl-fail": "a JobSet's ttlSecondsAfterFinished",
    "tj-ttl-ok": "a JobSet's ttlSecondsAfterFinished",
    "tj-unsched-half": "a scheduler that counts CPUs",
}
# Where the recording is one outcome of a race, and the fake has the worst one.
OTHER_SIDE_OF_A_RACE = {"tj-again-done": "the second ran; as tj-stale it is Complete without having run"}
PARTLY = {
    "tj-again-bg": ({"TrainJob"}, "how many JobSets are made and collected between the two"),
    "tj-again-fail": ({"TrainJob", "JobSet", "Job", "Pod"}, "whether the old Job is still in the new one's way"),
    "tj-del-pending": ({"TrainJob"}, "how much Trainer has made when it is collected"),
}
REFUSED = "tj-n64"
WHOLE = sorted(set(run_names()) - set(NOT_PLAYED) - set(OTHER_SIDE_OF_A_RACE) - set(GHOSTS) - {REFUSED})


@pytest.fixture(scope="module")
def played() -> Iterator[Mapping[str, "Future[Run]"]]:
    """All runs, each on a cluster of its own."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {name: pool.submit(Run(name).play) for name in (*WHOLE, *GHOSTS)}


def test_every_recorded_run_is_held_to_or_has_a_reason() -> None:
    assert len(run_names()) == 84
    assert len(WHOLE) == 68
    assert set(PARTLY) < set(WHOLE)


@pytest.mark.parametrize("name", WHOLE)
def test_it_goes_through_what_was_recorded(played: "Mapping[str, Future[Run]]", name: str) -> None:
    run = played[name].result()
    compared, _ = PARTLY.get(name, (set(SIDES), ""))
    for kind in sorted(compared & {"TrainJob", "JobSet", "Job"}):
        side, resource = SIDES[kind]
        recorded = recorded_frames(name, side)
        assert not recorded or stories(run.frames(resource)) == stories(recorded), kind
    pods = pod_ends(recorded_frames(name, "pods"))
    if "Pod" in compared and pods:
        seen = pod_ends(run.frames(PODS))
        assert agree(pods, seen), (pods, seen)
    if "Event" in compared:
        assert told_events(run.frames(EVENTS)) == told_events(recorded_frames(name, "events"))


@pytest.mark.parametrize("name", GHOSTS)
def test_deleted_in_the_foreground_it_runs_again(played: "Mapping[str, Future[Run]]", name: str) -> None:
    run = played[name].result()
    for pods in (pod_ends(recorded_frames(name, "pods")), pod_ends(run.frames(PODS))):
        assert len(pods["0"]) >= 2
    for job_sets in (recorded_frames(name, "jobsets"), run.frames(JOB_SETS)):
        assert len(stories(job_sets)) >= 2


@pytest.mark.parametrize(
    ("name", "codes"),
    [("tj-dup", [409]), ("tj-again-fg", [409]), ("tj-ctrl-down", [500, 500]), ("tj-rtgone", [403, 403])],
)
def test_what_was_refused_is_refused(played: "Mapping[str, Future[Run]]", name: str, codes: list[int]) -> None:
    assert played[name].result().refusals == codes


def containers(pod: Json) -> list[Json]:
    keys = ("name", "image", "command", "args", "env", "resources", "ports", "securityContext")
    spec = pod["spec"]
    found = [*spec["containers"], *spec.get("initContainers", [])]
    return [{key: one[key] for key in keys if one.get(key)} for one in found]


def mounts(pod: Json) -> list[Json]:
    return [mount for one in pod["spec"]["containers"] for mount in one.get("volumeMounts", [])]


OF_A_RUN = ("batch.kubernetes.io/controller-uid", "controller-uid", "jobset.sigs.k8s.io/jobset-uid")
HASHED = "jobset.sigs.k8s.io/job-key"


def own_labels(labels: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key not in (*OF_A_RUN, HASHED)}


@pytest.mark.parametrize("name", ["tj-labels", "tj-official", "tj-ok2", "tj-onlyref", "tj-plain", "tj-spec"])
def test_a_pod_is_what_runtime_patches_and_trainer_make_of_it(played: "Mapping[str, Future[Run]]", name: str) -> None:
    recorded = read_side_stream(name, "pods")[0]["object"]
    (made, *_) = [obj for _, obj in played[name].result().frames(PODS)]
    fast = {"command": None}
    assert [one | fast for one in containers(made)] == [one | fast for one in containers(recorded)]
    assert mounts(made) == mounts(recorded)
    assert own_labels(made["metadata"]["labels"]) == own_labels(recorded["metadata"]["labels"])
    assert made["metadata"]["labels"].keys() == recorded["metadata"]["labels"].keys()
    for key in ("hostname", "subdomain", "nodeSelector", "tolerations", "imagePullSecrets", "restartPolicy"):
        assert made["spec"].get(key) == recorded["spec"].get(key), key
    assert own_labels(made["metadata"]["annotations"]) == own_labels(recorded["metadata"]["annotations"])
