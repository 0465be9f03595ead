"""What happens to a custom resource and its run when either of them is lost, cancelled or refused.

The run is a real process; the operators are the scripted ones, held to recordings. ``pytest -s`` prints each error.
"""

import sys
import threading

import pytest

from ctr_assets.launch.kubernetes.handle import handles
from ctr_assets_tests.launch.scripted import failure_of, materialize, materialized
from ctr_assets_tests.launch.test_process_launcher import wait_until


def show(result):
    """The error as a person reads it."""
    told = failure_of(result)
    sys.stdout.write(f"\n{told}\n")
    return told


def test_the_handle_is_in_the_event_log_right_after_create(fake, kind, launcher, instance):
    result = materialize(launcher, instance)
    assert result.success
    (handle,) = handles(instance, instance.get_run_by_id(result.run_id))
    (resource,) = fake.resources(kind)
    assert (handle.name, handle.uid) == (resource["metadata"]["name"], resource["metadata"]["uid"])
    assert handle.message_prefix == f"pipes/{handle.name}"


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [({"fails": "bad data"}, "bad data"), ({"ends_without_closing": True}, "ended without closing its report")],
    ids=["fails", "ends without closing"],
)
def test_a_job_that_is_not_good_leaves_nothing_that_a_retry_would_adopt(
    fake, kind, launcher, instance, behaviour, told
):
    result = materialize(launcher, instance, **behaviour)
    assert told in show(result)
    assert fake.resources(kind) == []
    assert fake.messages() == []
    assert handles(instance, instance.get_run_by_id(result.run_id))[-1].outcome == "failed"


@pytest.mark.parametrize(
    ("kind", "scenario", "told"),
    [
        ("spark", "oom", ["ExitCode: 137, Reason: OOMKilled", "Pod "]),
        ("spark", "evicted", ["ExitCode: 143"]),
        ("spark", "force_deleted", ["driver pod not found", "Its main pod is gone, and its log with it"]),
        ("spark", "submission_failed:failed to submit spark application: no right", ["failed to submit spark"]),
        ("pytorch", "ranks_run_on", ["replica(s) failed"]),
        ("pytorch", "deleted", ["replica(s) failed"]),
        ("trainjob", "ranks_run_on", ["specified backoff limit", "ended with exit code 1"]),
        ("trainjob", "deleted", ["Failed: ", "Its pods were lost 1 times."]),
    ],
)
def test_each_way_to_fail_gives_an_error_that_says_so(fake, kind, operator, instance, scenario, told):
    operator.scenario = scenario
    result = materialize(fake.launcher(kind, cluster={"lost_attempts": 0}), instance, seconds=60)
    assert not result.success
    text = show(result)
    assert all(part in text for part in told)
    assert materialized(instance) == set()
    assert fake.resources(kind) == []


def test_a_resource_deleted_by_someone_else_is_told(fake, kind, launcher, instance):
    def delete_it():
        wait_until(lambda: fake.notes.runs() == [0])
        metadata = fake.resources(kind)[0]["metadata"]
        launcher.client().delete(metadata["name"], metadata["uid"])

    deleter = threading.Thread(target=delete_it)
    deleter.start()
    result = materialize(launcher, instance, notes_url=fake.notes.url, waits_at_gate=True)
    deleter.join()
    assert "was deleted by someone else" in show(result)
