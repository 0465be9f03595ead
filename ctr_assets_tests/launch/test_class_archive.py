"""What setup kept of Spark's classes is used, and nothing breaks where there is none."""

from pathlib import Path

import pytest

from ctr_assets.launch import class_archive, java


def test_sessions_of_these_tests_map_it(spark):
    process = spark._jvm.java.lang.ProcessHandle.current().pid()
    mapped = {line.split(maxsplit=5)[-1] for line in Path(f"/proc/{process}/maps").read_text().splitlines()}
    assert str(java.CLASS_ARCHIVE) in mapped


def test_where_there_is_none_java_is_told_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "CLASS_ARCHIVE", tmp_path / "spark-classes.jsa")
    assert java.class_archive_option() == ""


def test_a_java_that_makes_none_is_named_and_the_previous_one_stays(tmp_path, monkeypatch):
    archive = tmp_path / "spark-classes.jsa"
    archive.write_bytes(b"previous")
    monkeypatch.setattr(class_archive, "CLASS_ARCHIVE", archive)
    monkeypatch.setattr(class_archive, "_run_jobs", lambda home, options: None)
    with pytest.raises(RuntimeError, match=r"made no archive.*Spark works without"):
        class_archive.make_archive()
    assert archive.read_bytes() == b"previous"
    assert list(tmp_path.iterdir()) == [archive]
