"""What runs in a container: a real process, or a script that ends after a while."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import Protocol

from ctr_assets_tests.kubernetes.logs import ContainerLog

SIGNALLED = 128
LAST_OUTPUT_SECONDS = 2.0


class Workload(Protocol):
    """The run of a container. Can be started again for a restart."""

    def start(self, log: ContainerLog) -> None: ...

    def wait(self) -> tuple[int, str]:
        """Until it has ended: the exit code and the reason that the container's state gives."""
        ...

    def terminate(self, grace_seconds: float) -> None:
        """SIGTERM, and SIGKILL after the grace. Returns at once."""
        ...

    def kill(self, reason: str = "Error") -> None: ...


class ProcessWorkload:
    """A child process in a session of its own; what it prints is the container's log."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self._command, self._env = list(command), env
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._killer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._has_ended = False
        self._reason: str | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self, log: ContainerLog) -> None:
        self._has_ended, self._killer, self._reason = False, None, None
        try:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as e:
            # As a container whose command is not there: exit code 128 with the runtime's words in the log.
            log.write(f"{e}\n".encode())
            return
        self._reader = threading.Thread(target=self._copy_output, args=(log,), name=f"log-of-{self._process.pid}")
        self._reader.start()

    def wait(self) -> tuple[int, str]:
        if self._process is None:
            return 128, "StartError"
        code = self._process.wait()
        # A grandchild that outlives the container goes with it.
        self._signal(signal.SIGKILL)
        with self._lock:
            self._has_ended = True
        if self._killer is not None:
            self._killer.cancel()
            self._killer.join()
        if self._reader is not None:
            self._reader.join(LAST_OUTPUT_SECONDS)
        exit_code = SIGNALLED - code if code < 0 else code
        return exit_code, self._reason or ("Completed" if exit_code == 0 else "Error")

    def terminate(self, grace_seconds: float) -> None:
        self._signal(signal.SIGTERM)
        with self._lock:
            if self._killer is None and not self._has_ended:
                self._killer = threading.Timer(grace_seconds, self._signal, (signal.SIGKILL,))
                self._killer.start()

    def kill(self, reason: str = "Error") -> None:
        self._reason = reason
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock, contextlib.suppress(ProcessLookupError):
            # The number of a process that has been waited for may be another's.
            if self._process is not None and not self._has_ended:
                os.killpg(self._process.pid, number)

    def _copy_output(self, log: ContainerLog) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                log.write(line)


class ScriptedWorkload:
    """Prints its lines and ends with an exit code after a while; SIGTERM ends it sooner, with 143 by default."""

    def __init__(
        self, seconds: float | None, exit_code: int = 0, lines: Sequence[str] = (), exit_code_on_term: int = 143
    ) -> None:
        """`seconds` None: runs until it is ended."""
        self._seconds, self._exit_code, self._lines = seconds, exit_code, lines
        self._on_term = exit_code_on_term
        self._ended = threading.Event()
        self._outcome: tuple[int, str] | None = None

    def start(self, log: ContainerLog) -> None:
        for line in self._lines:
            log.write(f"{line}\n".encode())

    def wait(self) -> tuple[int, str]:
        self._ended.wait(self._seconds)
        return self._outcome or (self._exit_code, "Completed" if self._exit_code == 0 else "Error")

    def terminate(self, grace_seconds: float) -> None:
        self._end(self._on_term, "Completed" if self._on_term == 0 else "Error")

    def kill(self, reason: str = "Error") -> None:
        self._end(SIGNALLED + signal.SIGKILL, reason)

    def _end(self, exit_code: int, reason: str) -> None:
        if self._outcome is None:
            self._outcome = (exit_code, reason)
        self._ended.set()
