"""Install into .venv what a command of the Makefile needs, from the lock.

    python3.11 deploy/laptop/install.py laptop

It needs nothing but Python's standard library. Each step says what it does, and how many seconds it took.
"""

import argparse
import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
LOCK: Final = ROOT / "requirements.lock"

REQUIREMENTS: Final = {
    "laptop": ["--editable", ".[laptop]"],
    "serving": ["--editable", ".[serving]"],
    # The group is the jar of the GCS connector.
    "dev": ["--editable", ".[dev]", "--group", "gcs-connector"],
}
"""Extra -> what uv is asked for."""

_COMPILE: Final = """
from importlib import import_module
from ctr_assets.jobs import PYTORCH_JOBS, SPARK_JOBS
for job in SPARK_JOBS + PYTORCH_JOBS:
    import_module(f"ctr_assets.jobs.{job}")
for command in ("ctr_assets.quickstart", "ctr_assets.definitions", "dagster_dg_cli.cli", "dagster_webserver.cli"):
    import_module(command)
"""

AFTERWARDS: Final[dict[str, dict[str, list[str]]]] = {
    "laptop": {
        "Java": ["-m", "ctr_assets.launch.java"],
        # Only what is loaded: all of the packages would take half a minute of CPU.
        "Bytecode of what the demo loads": ["-c", _COMPILE],
    },
    "serving": {},
    "dev": {
        "Java": ["-m", "ctr_assets.launch.java"],
        # It takes 55 s of CPU and saves each JVM 4: the tests start dozens, the demo two.
        "Spark's classes, for JVMs that start sooner": ["-m", "ctr_assets.launch.class_archive"],
        "Programs that only the system's packages have": ["-m", "ctr_assets_tests.system_packages"],
    },
}
"""Extra -> what follows its packages: the step's name, and Python's arguments."""

UV_NAMES: Final = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
"""Setting of pip -> the variable by which uv takes the same."""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="deploy/laptop/install.py", description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="the environment (default .venv)")
    parser.add_argument("extra", nargs="?", choices=REQUIREMENTS, help="without one, an environment with uv alone")
    args = parser.parse_args(argv)
    venv = args.venv.absolute()
    try:
        if args.extra is None:
            make_environment(venv)
        else:
            install(venv, args.extra)
    except subprocess.CalledProcessError as e:
        print(f"{e.stderr or ''}Failed with exit status {e.returncode}: {' '.join(map(str, e.cmd))}", file=sys.stderr)
        return 1
    return 0


def make_environment(venv: Path) -> None:
    """An environment with the uv of the lock. pip fetches it, so uv needs no way of its own to get here."""
    with step(f"Virtual environment of Python {sys.version.split()[0]}, with uv"):
        run(sys.executable, "-m", "venv", venv)
        wanted = venv / "uv.txt"
        wanted.write_text(locked("uv", LOCK.read_text()))
        # Quiet about all but errors: a machine's own settings are no matter of this step.
        run(venv / "bin" / "python", "-m", "pip", "install", "-qq", "--require-hashes", "-r", wanted)


def install(venv: Path, extra: str) -> None:
    """Install the extra and all that it requires, and do what follows."""
    with step(f"Packages of [{extra}]"):
        install_packages(venv, extra)
    for name, arguments in AFTERWARDS[extra].items():
        with step(name):
            run(venv / "bin" / "python", *arguments)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    began = time.monotonic()
    print(f"{name} ...", flush=True)
    yield
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


def locked(package: str, lock: str) -> str:
    """The lines of one package: its version, and the hashes of its files."""
    found = re.search(rf"^{re.escape(package)}==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    assert found is not None, f"{package} is not in {LOCK.name}: make lock"
    return found[0]


def install_packages(venv: Path, extra: str) -> None:
    """Install with uv. A file whose hash is not in the lock is refused."""
    # Of several indexes the lock's hashes say what is taken, not the order they are asked in.
    options = ["--constraints", LOCK.name, "--build-constraints", LOCK.name, "--index-strategy", "unsafe-best-match"]
    command = [str(venv / "bin" / "uv"), "pip", "install", "--python", str(venv), *options, *REQUIREMENTS[extra]]
    environment = {**pip_settings(venv), **os.environ}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as uv:
        assert uv.stderr is not None
        for line in uv.stderr:
            # Not the list of all that was installed, some hundred lines.
            if not line.startswith((" + ", " - ", " ~ ")):
                print(f"  {line.strip()}", flush=True)
    if uv.returncode:
        raise subprocess.CalledProcessError(uv.returncode, command)


def pip_settings(venv: Path) -> dict[str, str]:
    """pip's indexes and folders of wheels on this machine as uv's variables: uv reads no settings of pip."""
    command = [str(venv / "bin" / "python"), "-m", "pip", "config", "list"]
    stated = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    settings = {}
    # Those of the environment are listed first, and override the others.
    for line in reversed(stated.splitlines()):
        name, _, value = line.partition("=")
        if variable := UV_NAMES.get(name.rpartition(".")[2]):
            separator = "," if variable == "UV_FIND_LINKS" else " "
            settings[variable] = separator.join(ast.literal_eval(value).split())
    return settings


def run(*command: str | Path) -> None:
    """Run a command of the set-up; what it says on the standard error is shown only if it fails.

    Its bytecode is kept: packages are installed once and started often.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
