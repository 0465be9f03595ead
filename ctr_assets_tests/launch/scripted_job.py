"""A job that behaves as its parameters say: the misbehaviour that the launchers must see through.

Imports nothing of the tests: this file alone goes into an image for a real cluster.
"""

import json
import os
import signal
import sys
import time
import uuid
from dataclasses import dataclass

import fsspec
from dagster_pipes import open_dagster_pipes

from ctr_assets.jobs.__main__ import die_with_launcher, message_writer
from ctr_assets.jobs.ranks import take_rank


@dataclass(frozen=True)
class Notes:
    """What a job and its test tell each other: small files under a URL that both reach, a folder or ``gs://``."""

    url: str

    def note_run(self, rank: int) -> None:
        """One file a process, with its number in it."""
        self._write(f"runs/{rank}-{uuid.uuid4().hex}", str(os.getpid()))

    def runs(self) -> list[int]:
        """The rank of every process that ever started, ascending."""
        return sorted(int(path.rpartition("/")[2].partition("-")[0]) for path in self._ls("runs"))

    def process_ids(self) -> list[int]:
        fs, _ = fsspec.url_to_fs(self.url)
        return [int(text) for path in self._ls("runs") if (text := fs.cat_file(path))]

    def note_failure(self, rank: int) -> None:
        self._write(f"failures/{rank}", "failed")

    def failures(self) -> list[int]:
        """The ranks that said so."""
        return [int(path.rpartition("/")[2]) for path in self._ls("failures")]

    def open_gate(self) -> None:
        """Let the jobs that wait go on."""
        self._write("gate", "open")

    def gate_is_open(self) -> bool:
        return bool(self._ls("gate"))

    def _write(self, name: str, text: str) -> None:
        with fsspec.open(f"{self.url}/{name}", "w") as file:
            file.write(text)

    def _ls(self, name: str) -> list[str]:
        fs, path = fsspec.url_to_fs(self.url)
        fs.invalidate_cache()
        try:
            return list(fs.ls(f"{path}/{name}", detail=False))
        except FileNotFoundError:
            return []


def main() -> None:
    params = json.loads(sys.argv[-1])
    die_with_launcher(poll_seconds=0.1)
    take_rank(os.environ)
    rank = int(os.environ.get("RANK", "0"))
    notes = Notes(params["notes_url"]) if "notes_url" in params else None
    if notes:
        notes.note_run(rank)
    if params.get("crash_before_opening"):
        sys.exit(3)
    if rank == 0:
        report(params, notes)
    else:
        wait_at_gate(params, notes)
        fail_as_a_rank(rank, params, notes)


def report(params: dict, notes: Notes | None) -> None:
    """What rank 0 does: it alone opens Pipes."""
    pipes = open_dagster_pipes(message_writer=message_writer())
    for partition in params["reports"]:
        pipes.log.info(f"working on {partition}")
        pipes.report_custom_message({"partition": partition, "metadata": {"rows": len(partition), "name": partition}})
        say(f"output of {partition}")
    wait_at_gate(params, notes)
    try:
        lose_connection(params, notes)
    except ConnectionResetError as e:
        pipes.report_custom_message({"failed": str(e)})
        pipes.close()
        if notes:
            notes.note_failure(0)
        time.sleep(1)
        sys.exit(1)
    if params.get("fails"):
        pipes.report_custom_message({"failed": params["fails"]})
        pipes.close()
        sys.exit(1)
    if params.get("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if params.get("ends_without_closing"):
        os._exit(0)
    for number in range(params.get("lines", 0)):
        say(f"line {number} written at {time.time():.6f}")
        time.sleep(params["seconds_a_line"])
    time.sleep(params.get("seconds", 0))
    pipes.close()


def fail_as_a_rank(rank: int, params: dict, notes: Notes | None) -> None:
    """``failing_rank`` ends with an error of its own; rank 0 loses its connection to it, says so and ends later."""
    if notes and rank == params.get("failing_rank"):
        say(f"RuntimeError: rank {rank} has no memory left")
        notes.note_failure(rank)
        while 0 not in notes.failures():
            time.sleep(0.02)
        sys.exit(5)


def lose_connection(params: dict, notes: Notes | None) -> None:
    """What rank 0 sees of another rank's end."""
    while notes and "failing_rank" in params:
        if notes.failures():
            say("RuntimeError: connection reset by peer")
            raise ConnectionResetError("connection reset by peer")
        time.sleep(0.02)


def wait_at_gate(params: dict, notes: Notes | None) -> None:
    while notes and params.get("waits_at_gate") and not notes.gate_is_open():
        time.sleep(0.1)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
