"""The commands of a page and the output that it promises, and a copy of the project to type them in."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

from ctr_assets_tests.docs.blocks import ROOT

IN_THE_BACKGROUND: Final = "<!-- in the background -->"
"""Before a block of commands that do not end by themselves."""
LEFT_OUT: Final = "…"
"""In an output: anything, to the end of its word or over lines where it stands alone."""
_BLOCK: Final = re.compile(rf"({IN_THE_BACKGROUND}\n+)?```(sh|text)\n(.*?)```", re.DOTALL)
_STAGES: Final = (".laptop", ".serving", ".dev")
"""What the Makefile leaves behind when it has installed."""
_OF_MAKE: Final = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
"""How a make hands its arguments on to those that it starts."""
_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Typed:
    """One block of commands, and the lines that it prints; no lines where the page shows none."""

    commands: str
    output: str = ""
    stays: bool = False


def typed_on(page: str) -> list[Typed]:
    """The commands of a page in order. A block of ``text`` is the output of the commands before it."""
    found: list[Typed] = []
    for background, kind, content in _BLOCK.findall(page):
        if kind == "sh":
            found.append(Typed(content, stays=bool(background)))
        else:
            found[-1] = Typed(found[-1].commands, content, found[-1].stays)
    return found


def missing_line(promised: str, printed: str) -> str | None:
    """The first promised line that is not printed after those before it; None when all are."""
    rest = iter(printed.splitlines())
    for line in promised.splitlines():
        pattern = re.compile(".*".join(map(re.escape, line.strip().split(LEFT_OUT))))
        if line.strip() != LEFT_OUT and not any(pattern.fullmatch(each.strip()) for each in rest):
            return line
    return None


def copy_of_the_project(folder: Path) -> Path:
    """The tracked files as they are now, and this environment as ``.venv``, installed as far as make can tell.

    The set-up is not what is tried: the files are dated long ago, so that nothing is newer than what was installed.
    """
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
            os.utime(folder / name, (0, 0))
    environment = folder / ".venv"
    environment.mkdir()
    for each in Path(sys.prefix).iterdir():
        (environment / each.name).symlink_to(each)
    for stage in _STAGES:
        (environment / stage).unlink(missing_ok=True)
        (environment / stage).touch()
    return folder


class Terminal:
    """Types blocks in a folder. What stays in the background ends with the terminal."""

    def __init__(self, folder: Path, environment: Mapping[str, str], background: ExitStack) -> None:
        self._folder, self._environment, self._background = folder, environment, background

    def type(self, block: Typed) -> str:
        """What a block prints. Raises AssertionError when a command fails, or does not print what is promised."""
        if block.stays:
            return self._background.enter_context(self._staying(block))
        with tempfile.TemporaryFile("w+") as log:
            ended = self._start(block, log).wait()
            printed = _read(log)
        assert ended == 0, f"{block.commands}ended with {ended}:\n{printed[-4000:]}"
        line = missing_line(block.output, printed)
        assert line is None, f"{block.commands}did not print {line!r}, but:\n{printed[-4000:]}"
        return printed

    def _start(self, block: Typed, log: IO[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block.commands],
            cwd=self._folder,
            env=dict(self._environment),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # What a shell runs in the background ignores Ctrl-C, and hands that on; a terminal heeds it.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )

    @contextmanager
    def _staying(self, block: Typed) -> Iterator[str]:
        with tempfile.TemporaryFile("w+") as log:
            process = self._start(block, log)
            try:
                yield _await_output(block, process, log)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=_STOP_SECONDS)
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def terminal(folder: Path, environment: Mapping[str, str]) -> Iterator[Terminal]:
    """A terminal in ``folder``; on leaving, what it started has ended. No make has started it."""
    own = {name: value for name, value in environment.items() if name not in _OF_MAKE}
    with ExitStack() as background:
        yield Terminal(folder, own, background)


def _await_output(block: Typed, process: subprocess.Popen[str], log: IO[str]) -> str:
    until = time.monotonic() + _START_SECONDS
    while (line := missing_line(block.output, printed := _read(log))) is not None:
        assert process.poll() is None, f"{block.commands}ended with {process.returncode}:\n{printed[-4000:]}"
        assert time.monotonic() < until, f"{block.commands}did not print {line!r}, but:\n{printed[-4000:]}"
        time.sleep(0.5)
    return printed


def _read(log: IO[str]) -> str:
    """All so far. The file's position is the writer's too: it stays where it is."""
    return os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0).decode(errors="replace")
