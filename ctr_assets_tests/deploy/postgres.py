"""A real PostgreSQL on loopback, in a folder of its own, for as long as a test needs it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psycopg2  # type: ignore[import-untyped]

from ctr_assets_tests.deploy.ports import free_port
from ctr_assets_tests.system_packages import find_program

READY_SECONDS = 30.0


def server_folder() -> Path | None:
    """Where initdb and postgres are; None where no PostgreSQL is installed."""
    program = find_program("postgresql")
    return program.parent if program else None


class PostgresServer:
    """A context manager: a server with one role and its database, stopped and removed at the exit."""

    host = "127.0.0.1"

    def __init__(self, programs: Path, role: str, database: str, password: str) -> None:
        self._programs, self.role, self.database, self.password = programs, role, database, password
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="postgres-")
        root = Path(self._folder.name)
        (root / "password").write_text(self.password)
        for path in (root, root / "password"):
            shutil.chown(path, **_unprivileged("user", "group"))
        try:
            secret = ["--username", self.role, "--pwfile", str(root / "password"), "--auth", "scram-sha-256"]
            self._start("initdb", "--pgdata", str(root / "data"), "--no-sync", *secret).wait(READY_SECONDS)
            # Nothing of it has to survive a crash.
            options = ["-c", "unix_socket_directories=", "-c", f"listen_addresses={self.host}", "-c", "fsync=off"]
            self._process = self._start("postgres", "-D", str(root / "data"), "-p", str(self.port), *options)
            self._wait_until_ready()
            self.execute(f"CREATE DATABASE {self.database}", database="postgres")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            # Fast shutdown: open connections are ended, not waited for.
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
        self._folder.cleanup()

    def execute(self, statement: str, *values: Any, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run a statement by itself; the rows it gives."""
        connection = psycopg2.connect(
            host=self.host, port=self.port, user=self.role, password=self.password, dbname=database or self.database
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (Path(self._folder.name) / f"{program}.log").open("wb") as log:
            return subprocess.Popen(
                [str(self._programs / program), *arguments],
                cwd=self._folder.name,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **_unprivileged("user", "group", "extra_groups"),
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.execute("SELECT 1", database="postgres")
            except psycopg2.OperationalError as e:
                if time.monotonic() > deadline or (self._process and self._process.poll() is not None):
                    logs = [path.read_text() for path in sorted(Path(self._folder.name).glob("*.log"))]
                    raise TimeoutError("\n".join(["PostgreSQL does not start", *logs])) from e
                time.sleep(0.05)
            else:
                return


def _unprivileged(*names: str) -> dict[str, Any]:
    """As whom to start a process, or whose a file is to be, where this process is root's: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {name: {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}[name] for name in names}
