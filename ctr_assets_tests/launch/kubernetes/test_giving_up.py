"""A run that gives up on a resource, for whatever reason, says why and leaves nothing of it in the cluster.

The other ways are the resource's own (``test_launcher``) and the run's own end (``test_run_worker``).
"""

from dataclasses import replace
from typing import Any

import pytest

from ctr_assets.launch.kubernetes.handle import handles
from ctr_assets_tests.launch.kubernetes.cluster import KINDS
from ctr_assets_tests.launch.kubernetes.test_faults import once_it_runs
from ctr_assets_tests.launch.kubernetes.test_launcher import show
from ctr_assets_tests.launch.scripted import DAYS, materialize, materialized
from ctr_assets_tests.launch.test_process_launcher import wait_until

UNHEARD_OF = "says what this code does not know: Dreaming"


@pytest.fixture
def impatient(fake, kind):
    """A launcher that waits for an API server in trouble for a second, not for minutes."""

    base: Any = KINDS[kind]

    class Impatient(base):
        def client(self, log=None):
            return replace(super().client(log), patience_seconds=1.0)

    return Impatient(**fake.connection(), code_folder=fake.code_folder)


def logged(instance, result):
    return [entry.user_message for entry in instance.all_logs(result.run_id)]


def assert_given_up(fake, kind, instance, result):
    """Nothing is left, nothing was materialized, and a retry would take a fresh name."""
    assert not result.success
    assert materialized(instance) == set()
    assert fake.resources(kind) == []
    assert fake.messages() == []
    assert handles(instance, instance.get_run_by_id(result.run_id))[-1].outcome == "failed"


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        ("image_cannot_be_pulled", ["pending limit", "ImagePull", "Events:"]),
        ("unschedulable", ["pending limit", "FailedScheduling"]),
        ("unheard_of", ["still Dreaming (not known to this code) after the pending limit of 3 s"]),
    ],
)
def test_what_does_not_run_within_the_pending_limit(fake, kind, operator, instance, scenario, told):
    operator.scenario = scenario
    result = materialize(fake.launcher(kind, cluster={"pending_limit_seconds": 3}), instance)
    text = show(result)
    assert all(part in text for part in told)
    assert_given_up(fake, kind, instance, result)


@pytest.mark.long
def test_a_state_that_is_not_known_and_passes_is_no_failure(fake, kind, operator, instance, launcher):
    operator.scenario = "unheard_of:4"
    result = materialize(launcher, instance)
    assert result.success
    assert materialized(instance) == set(DAYS)
    assert sum(UNHEARD_OF in text for text in logged(instance, result)) == 1


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (
            lambda server, plural: server.fail_next(10**6, status=503, method="GET", path_contains=f"{plural}/"),
            "any more (HTTP 503",
        ),
        (lambda server, plural: server.forbid("get", plural), "cannot get resource"),
    ],
    ids=["away for too long", "right revoked"],
)
def test_what_cannot_be_followed_any_more(fake, api_server, kind, impatient, instance, trouble, told):
    with once_it_runs(fake, lambda: trouble(api_server, impatient.kind.plural)):
        result = materialize(impatient, instance, notes_url=fake.notes.url, waits_at_gate=True)
    api_server.clear_faults()
    assert told in show(result)
    # That it is gone could not be waited for either.
    wait_until(lambda: fake.resources(kind) == [])
    assert_given_up(fake, kind, instance, result)


@pytest.mark.long
def test_a_failure_whose_circumstances_cannot_be_read(fake, api_server, kind, impatient, instance):
    def lose_the_node():
        api_server.fail_next(10**6, status=502, path_contains="/log")

    with once_it_runs(fake, lose_the_node):
        result = materialize(impatient, instance, notes_url=fake.notes.url, killed=True, seconds=1)
    text = show(result)
    said = {
        "spark": "ExitCode: 137",
        "pytorch": "1 Master replica(s) failed",
        "trainjob": "reached the specified backoff limit",
    }
    assert said[kind] in text
    assert "ended with exit code 137" in text
    assert "No more can be read of it: HTTP 502" in text
    assert_given_up(fake, kind, instance, result)


@pytest.mark.leaves_resources
def test_a_resource_that_cannot_be_deleted_hides_no_failure_and_stays_on_record(
    fake, api_server, kind, impatient, instance
):
    api_server.fail_next(10**6, status=503, method="DELETE", path_contains=f"{impatient.kind.plural}/")
    result = materialize(impatient, instance, fails="bad data")
    api_server.clear_faults()
    assert "bad data" in show(result)
    assert any("could not be deleted (HTTP 503)" in text for text in logged(instance, result))
    (resource,) = fake.resources(kind)
    (handle,) = handles(instance, instance.get_run_by_id(result.run_id))
    assert (handle.uid, handle.outcome) == (resource["metadata"]["uid"], "launched")
