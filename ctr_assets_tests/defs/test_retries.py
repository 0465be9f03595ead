"""Which failed runs are taken for forgotten by Dagster, on a real instance that retries runs."""

import time

import dagster as dg
import pytest

from ctr_assets.defs.retries import FORGOTTEN_SECONDS, NEWEST_SECONDS, ask_again, forgotten_retries
from ctr_assets.private_dagster import AUTO_RETRY_RUN_ID_TAG, PARENT_RUN_ID_TAG, ROOT_RUN_ID_TAG

LATER = FORGOTTEN_SECONDS + 1


@dg.job
def any_job() -> None:
    pass


@pytest.fixture
def instance():
    with dg.instance_for_test(overrides={"run_retries": {"enabled": True, "max_retries": 1}}) as instance:
        yield instance


@pytest.fixture
def failed(instance):
    """A run whose worker was lost."""
    run = instance.create_run_for_job(any_job, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, "taken for dead")
    return run


def failures(instance, run):
    return len(instance.all_logs(run.run_id, dg.DagsterEventType.RUN_FAILURE))


def test_a_run_that_was_to_be_retried_is_asked_for_once(instance, failed):
    assert [*ask_again(instance, time.time() + LATER)] == [failed.run_id]
    assert failures(instance, failed) == 2
    # Told in vain it is left alone: nobody knows why.
    assert [*ask_again(instance, time.time() + 2 * LATER)] == []


def test_its_retry_may_be_forgotten_as_well(instance, failed):
    instance.add_run_tags(failed.run_id, {"dagster/max_retries": "5"})
    assert [*ask_again(instance, time.time() + LATER)] == [failed.run_id]
    taken_over = instance.get_run_by_id(failed.run_id).tags
    tags = {**taken_over, PARENT_RUN_ID_TAG: failed.run_id, ROOT_RUN_ID_TAG: failed.run_id}
    retry = instance.create_run_for_job(any_job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.report_run_failed(retry, "taken for dead")
    assert [*ask_again(instance, time.time() + LATER)] == [retry.run_id]


@pytest.mark.parametrize("tag", [AUTO_RETRY_RUN_ID_TAG, None], ids=["by Dagster", "by hand"])
def test_a_run_that_is_retried_is_not_forgotten(instance, failed, tag):
    if tag is not None:
        instance.add_run_tags(failed.run_id, {tag: "any"})
    else:
        instance.create_run_for_job(any_job, tags={PARENT_RUN_ID_TAG: failed.run_id})
    assert [*ask_again(instance, time.time() + LATER)] == []


@pytest.mark.parametrize("seconds", [FORGOTTEN_SECONDS - 5, NEWEST_SECONDS + LATER])
def test_neither_is_one_that_failed_just_now_or_long_ago(instance, failed, seconds):
    assert [*ask_again(instance, time.time() + seconds)] == []


def test_nor_one_that_is_not_to_be_retried(instance):
    run = instance.create_run_for_job(any_job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/max_retries": "0"})
    instance.report_run_failed(run, "taken for dead")
    assert [*ask_again(instance, time.time() + LATER)] == []


def test_the_sensor_says_what_it_did(instance, failed):
    said = forgotten_retries(dg.build_sensor_context(instance))
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message == "No retry was forgotten"
