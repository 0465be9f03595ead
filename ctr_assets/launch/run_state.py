"""Whether a run is still its worker's own: the database says so, whatever the cluster does not say."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg
from dagster import DagsterExecutionInterruptedError, DagsterRunStatus
from sqlalchemy.exc import SQLAlchemyError

from ctr_assets.private_dagster import capture_interrupts, check_captured_interrupt

LOOK_SECONDS: Final = 5.0
CANCELLED: Final = (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED)


class RunOfThisWorker:
    """The run of a context, as seen by the worker that executes it."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._looked_at = 0.0

    def status(self) -> DagsterRunStatus | None:
        """As it is now; None where the database does not answer, which says nothing."""
        try:
            run = self._context.instance.get_run_by_id(self._context.run_id)
        except SQLAlchemyError as e:
            self._context.log.warning(f"The run's state could not be read ({type(e).__name__}); the run goes on")
            return None
        return run.status if run is not None else None

    def is_cancelled(self) -> bool:
        return self.status() in CANCELLED

    def is_own(self) -> bool:
        """False once somebody else has ended it: its retry may run, and has its jobs."""
        return self.status() not in (DagsterRunStatus.FAILURE, DagsterRunStatus.SUCCESS)

    def interrupt_unless_own(self, at_once: bool = False) -> None:
        """Raise what a SIGTERM raises when the run is cancelled or over: the cluster may be unable to send one.

        Looks into the database once in five seconds, or ``at_once``.
        """
        if not at_once and time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        if self.is_cancelled() or not self.is_own():
            raise DagsterExecutionInterruptedError


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a SIGTERM wait for the end of the block, and have its effect there."""
    with capture_interrupts():
        yield
        was_interrupted = check_captured_interrupt()
    if was_interrupted:
        raise DagsterExecutionInterruptedError
