"""The fake API server answers the recorded requests as the real one did."""

import re
from typing import Any

import pytest

from ctr_assets_tests.kubernetes import watching
from ctr_assets_tests.kubernetes.client_view import view
from ctr_assets_tests.kubernetes.exchanging import WATCH_SPEED, Exchanger, Seen
from ctr_assets_tests.kubernetes.recordings import RECORDED, exchange_files, read_exchanges
from ctr_assets_tests.kubernetes.resources import Json
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.kubernetes.stage_directions import Stage

# Files that share a line go on from each other's state.
SEQUENCES = {
    ("discovery",): 13,
    ("errors", "errors2"): 83,
    ("jobs", "jobs_delete"): 39,
    ("pods_logs", "pods_logs2"): 62,
    ("pytorchjobs",): 32,
    ("sparkapplications",): 32,
    ("trainjobs",): 97,
    ("watches",): 14,
    ("watches_restart",): 22,
}
# What the fake serves is a part of what the real server serves.
PARTIAL = ("discovery",)
# Exchanges about TrainJobs that are not sent again: by the beginning of their step, and why.
RUNS = "what runs, and its pods and logs: test_train_jobs.py plays it"
NOT_SENT = {
    "discovery of": "the fake serves a part of the groups",
    "dry run of a create: runtimePatches: image in a container": "the schema below a patch's containers",
    "dry run of a create: apiVersion of another version": "the fake reads no apiVersion",
    "get a ClusterTrainingRuntime": "the fake keeps it under a namespace without a name",
    "a v1 PyTorchJob where only": "the fake has the training-operator too",
    "create while JobSet's controller is down": RUNS,
    **dict.fromkeys(
        ("log", "find the", "get while", "follow", "patch spec.runtimePatches while running", "watch of", "get when"),
        RUNS,
    ),
    **dict.fromkeys(
        ("the JobSet", "the Jobs", "the snapshot", "events of", "delete Background when", "the log", "get: no"), RUNS
    ),
    "get after it is back": RUNS,
}
# Groups of operators that were not installed when that was recorded.
INSTALLED_LATER = ("trainer.kubeflow.org", "jobset.x-k8s.io")


def as_compared(seen: Seen, file_name: str) -> Json:
    result: Json = {"status": seen.status, "content type": seen.content_type, "warnings": seen.warnings}
    result |= {"retry after": seen.retry_after, "is broken": seen.is_broken, "rest": seen.rest}
    result["body"] = None if file_name in PARTIAL and isinstance(seen.body, dict) else view(seen.body)
    if file_name == "trainjobs":
        result["body"] = without_controllers(result["body"])
    if seen.frames is not None:
        result["frames"] = [
            {"type": one["type"], "object": None if one["type"] == "BOOKMARK" else view(one["object"])}
            if isinstance(one, dict)
            else one
            for one in seen.frames
        ]
    return result


def without_controllers(seen: Any) -> Any:
    """Without a TrainJob's status, which is its controllers', and without the moment of a patch."""
    if isinstance(seen, dict):
        is_train_job = seen.get("kind") == "TrainJob"
        return {key: without_controllers(seen[key]) for key in seen if not (is_train_job and key == "status")}
    if isinstance(seen, list):
        return [without_controllers(one) for one in seen]
    return re.sub(r"2026-\d\d-\d\dT[\d:]+Z", "TIME", seen) if isinstance(seen, str) else seen


def part_of(body: Json) -> set[tuple[str, ...]]:
    """What a discovery answer lists, to compare the part that the fake has."""
    if "resources" in body:
        return {(one["name"], one["kind"], str(one["namespaced"])) for one in body["resources"]}
    if "groups" in body:
        groups = [one for one in body["groups"] if one["name"] not in INSTALLED_LATER]
        return {(one["name"], one["preferredVersion"]["groupVersion"]) for one in groups}
    return {
        (key, str(body[key])) for key in body if key in ("kind", "versions", "gitVersion", "major", "minor", "code")
    }


@pytest.mark.parametrize("files", SEQUENCES, ids="+".join)
def test_the_fake_answers_as_recorded(files: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 60.0 / WATCH_SPEED)
    monkeypatch.setattr(watching, "LAST_BOOKMARKS_SECONDS", (2.0 / WATCH_SPEED, 1.0 / WATCH_SPEED))
    differences, count = [], 0
    with FakeApiServer() as server:
        exchanger = Exchanger(server)
        stage = Stage(server, exchanger)
        for file_name in files:
            file = read_exchanges(file_name)
            for exchange in file:
                step = exchange["step"]
                if file_name == "trainjobs" and step.startswith(tuple(NOT_SENT)):
                    continue
                count += 1
                stage.before(file_name, step, file)
                seen = exchanger.send(exchange, stage.during(file_name, step, file))
                stage.after()
                expected = exchanger.expected(exchange)
                if file_name in PARTIAL and isinstance(seen.body, dict):
                    assert part_of(seen.body)
                    assert part_of(seen.body) <= part_of(expected.body), step
                if as_compared(seen, file_name) != as_compared(expected, file_name):
                    differences.append(
                        (file_name, step, as_compared(seen, file_name), as_compared(expected, file_name))
                    )
    assert differences == []
    assert count == SEQUENCES[files]


def test_every_recorded_file_is_replayed() -> None:
    assert exchange_files() == {name for files in SEQUENCES for name in files}


def test_every_recording_that_the_notes_name_is_there() -> None:
    named = re.findall(r"(?:http|transcripts)/[\w-]+\.jsonl?", (RECORDED / "BEHAVIOUR.md").read_text())
    assert len(named) > 50
    assert [name for name in named if not (RECORDED / name).exists()] == []


def test_every_recorded_train_job_that_the_notes_name_is_there() -> None:
    named = re.findall(r"T/(tj-[\w-]+\.jsonl)", (RECORDED / "BEHAVIOUR-TRAINJOB.md").read_text())
    assert len(named) > 50
    assert [name for name in named if not (RECORDED / "transcripts" / name).exists()] == []
