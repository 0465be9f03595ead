"""Runs one entry point and kills itself with SIGKILL at a given point: what a lost node does to a job.

Usage: python -m ctr_assets_tests.jobs.killed_job POINT NAME PARAMS_JSON
POINT: ``before-manifest:K`` when the K-th manifest is about to be replaced; ``after-part:K`` when K data files are
whole; ``after-seconds:S`` S seconds after the start of the job.
"""

import os
import signal
import sys
import threading

from ctr_assets.jobs.__main__ import run_job
from ctr_assets.jobs.report import TerminalReport
from ctr_assets.storage import objects, parts, store


def kill() -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)


def kill_on_call(owner: object, name: str, count: int) -> None:
    """Let ``owner.name`` work ``count`` times, then kill in its place."""
    original, calls = getattr(owner, name), []

    def counted(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) > count:
            kill()
        return original(*args, **kwargs)

    setattr(owner, name, counted)


def main() -> None:
    point, name, params = sys.argv[1:]
    kind, _, number = point.partition(":")
    if kind == "before-manifest":
        kill_on_call(objects, "replace_object", int(number))
        store.replace_object = objects.replace_object  # type: ignore[attr-defined]
    elif kind == "after-part":
        kill_on_call(parts.ParquetPart, "close", int(number))
    elif kind == "after-seconds":
        threading.Timer(float(number), kill).start()
    run_job(name, params, TerminalReport())
    # A fast machine may be done before the timer: the process dies all the same.
    kill()


if __name__ == "__main__":
    main()
