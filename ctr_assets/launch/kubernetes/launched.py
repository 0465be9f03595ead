"""A resource that a run launched or adopted: followed to its end, and given up when nothing can come of it any more."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import dagster as dg
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from ctr_assets.launch.job import Outcome
from ctr_assets.launch.kubernetes.attempts import Relaunch
from ctr_assets.launch.kubernetes.client import DeletionTimeoutError, ResourceClient, brief
from ctr_assets.launch.kubernetes.failure import explain_loss
from ctr_assets.launch.kubernetes.follow import Ending, follow
from ctr_assets.launch.kubernetes.handle import LaunchHandle, State, record
from ctr_assets.launch.kubernetes.logs import LogFollower
from ctr_assets.launch.kubernetes.settings import ClusterSettings
from ctr_assets.launch.launcher import JobFailedError
from ctr_assets.launch.run_state import RunOfThisWorker, uninterrupted

DELETION_SECONDS = 90.0


@dataclass(frozen=True)
class Launched:
    """The resource of a handle, as the worker of its run has it in hand."""

    context: dg.AssetExecutionContext
    run: RunOfThisWorker
    client: ResourceClient
    handle: LaunchHandle
    settings: ClusterSettings

    def follow(self, job: str, how: str) -> Ending:
        """Record ``how`` it came, pass its log on, and wait for its end. Raises JobFailedError where that cannot be.

        A cancelled run takes its job with it; a worker that only lost its pod leaves it for the run's retry.
        """
        logs = LogFollower(self.client, self.handle.name, sys.stdout)
        logs.start()
        try:
            record(self.context, self.handle, how)
            ending = self._wait()
            if not logs.stop():
                self.context.log.warning(f"The last lines of the log of {self.handle.name} could not be read")
            return ending
        except Exception as e:
            logs.stop(timeout_seconds=0)
            self.give_up("failed", "the run cannot follow it any more")
            raise JobFailedError(description=f"{job} failed: {explain_loss(self.client, self.handle.name, e)}") from e
        except BaseException:
            logs.stop(timeout_seconds=0)
            if self.run.is_cancelled():
                self.give_up("failed", "the run was cancelled")
            raise

    def _wait(self) -> Ending:
        limit, warn = self.settings.pending_limit_seconds, self.context.log.warning
        return follow(self.client, self.handle.name, self.handle.uid, limit, warn, self.run.interrupt_unless_own)

    def conclude(self, ending: Ending, launches: Sequence[LaunchHandle]) -> Outcome:
        """What its end means, and what is to be done with it. ``launches``: all that was launched of the job so far."""
        lost_before = [before for before in launches if before.outcome == "lost"]
        if ending.failure is None:
            return Outcome(seconds=(ending.seconds or 0.0) + sum(before.seconds for before in lost_before))
        if ending.is_over_quota:
            self.give_up("refused", "there is no room for its pods")
            return Relaunch(ending.failure, for_want_of_room=True)
        if ending.lost and len(lost_before) < self.settings.lost_attempts:
            return self._make_good(ending, len(lost_before) + 1)
        why = (
            f"its pods were lost {len(lost_before) + 1} times" if ending.lost else "it failed by itself, which is final"
        )
        self.give_up("failed", why)
        return Outcome(f"{ending.failure}\n{why[0].upper()}{why[1:]}.", leads=ending.leads)

    def _make_good(self, ending: Ending, loss: int) -> Outcome:
        """Its pods are lost, and it is to be launched again once it is gone.

        That is waited for longer than elsewhere: what may still run on a silent node must not run beside its successor.
        """
        allowed, what = self.settings.lost_attempts, "; ".join(ending.lost)
        why = f"the cluster took its pods away ({what}), loss {loss} of {allowed} that are made good"
        if self.give_up("lost", why, ending.seconds or 0.0, float(self.settings.pending_limit_seconds)):
            return Relaunch(ending.failure)
        return Outcome(f"{ending.failure}\n{why}, but it is not gone yet")

    def give_up(
        self, outcome: State, why: str, seconds: float = 0.0, patience_seconds: float = DELETION_SECONDS
    ) -> bool:
        """Delete it whatever it does now: its other ranks or executors may run on, and cost. Is it gone?

        The run has a failure of its own to tell, so one to delete is only logged. A resource that nobody could be asked
        to delete stays on record: a retry adopts it, and after the last retry the sweeper takes it. That of a run which
        somebody else has ended is its retry's.
        """
        what = f"{self.handle.kind} {self.handle.name}"
        with uninterrupted():
            if not self.run.is_own():
                self.context.log.warning(
                    f"{what} is left alone: the run was ended by somebody else, its retry may follow it"
                )
                return False
            is_gone = True
            try:
                self._patient().delete(self.handle.name, self.handle.uid, patience_seconds)
            except DeletionTimeoutError as e:
                self.context.log.error(str(e))
                is_gone = False
            except (ApiException, HTTPError) as e:
                self.context.log.error(
                    f"{what} could not be deleted ({brief(e)}): it is left to a retry or to the sweeper"
                )
                return False
            ended = self.handle.ended(outcome, seconds)
            record(self.context, ended, f"Deleted {what}: {why}; the next attempt gets a fresh one")
            return is_gone

    def _patient(self) -> ResourceClient:
        """A client that a cancelled run asks to the end. One that somebody else ended leaves its job to its retry."""

        def told(problem: str) -> None:
            self.context.log.warning(problem)
            if not self.run.is_own():
                raise dg.DagsterExecutionInterruptedError

        return replace(self.client, on_retry=told)
