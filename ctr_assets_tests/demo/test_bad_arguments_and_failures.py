"""Arguments that cannot be met, folders that cannot be written, and writers that die half-way."""

import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from ctr_assets.demo import day_writer, generate
from ctr_assets.demo.__main__ import main
from ctr_assets.demo.files import complete_file


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"rows": 0}, "rows is 0"), ({"rows": -5}, "rows is -5"), ({"days": 0}, "days is 0"), ({"days": 1_001}, "at most"),
     ({"seed": -1}, "seed is -1"), ({"workers": 0}, "workers is 0")],
)  # fmt: skip
def test_impossible_arguments_are_refused_before_anything_is_written(tmp_path, changed, words):
    arguments = {"rows": 10, "landing": tmp_path / "l", "truth": tmp_path / "t"} | changed
    with pytest.raises(ValueError, match=words):
        generate(**arguments)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "l").write_text("")
    with pytest.raises(OSError, match="cannot make the folder"):
        generate(10, tmp_path / "l", tmp_path / "t")


def test_fewer_rows_than_days_leave_days_with_a_header_only(tmp_path):
    summary = generate(3, tmp_path / "l", tmp_path / "t", days=4, workers=1)
    lines = [path.read_bytes().count(b"\n") for path in (tmp_path / "l").rglob("impressions.csv")]
    assert len(lines) == 4
    assert sum(lines) - 4 == 3 == summary.rows


def test_an_error_while_writing_leaves_no_file(tmp_path):
    def write_half() -> None:
        with complete_file(tmp_path / "day" / "a.csv") as partial:
            partial.write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk"):
        write_half()
    assert not list((tmp_path / "day").iterdir())


def test_an_error_in_a_later_chunk_leaves_neither_csv_nor_truth(tmp_path, monkeypatch):
    def fail_on_second(rows: int, chunks: list[int] = []) -> None:  # noqa: B006 - counts the calls
        chunks.append(rows)
        if len(chunks) == 2:
            raise OSError("no space left")

    monkeypatch.setattr(day_writer, "CHUNK_ROWS", 100)
    with pytest.raises(OSError, match="no space"):
        generate(300, tmp_path / "l", tmp_path / "t", days=1, workers=1, progress=fail_on_second)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_error_in_a_worker_process_reaches_the_caller(tmp_path):
    (tmp_path / "l" / "day=2014-10-22").mkdir(parents=True)
    (tmp_path / "l" / "day=2014-10-22" / "impressions.csv").mkdir()  # A folder where the file should go.
    with pytest.raises(OSError, match=r"impressions\.csv"):
        generate(100, tmp_path / "l", tmp_path / "t", days=2, workers=2)


def test_a_killed_generator_leaves_no_half_file_under_its_final_name(tmp_path):
    command = [sys.executable, "-m", "ctr_assets.demo", "--rows", "30000000", "--days", "1", "--workers", "1"]
    command += ["--landing", str(tmp_path / "l"), "--truth", str(tmp_path / "t")]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        deadline = time.monotonic() + 30
        while not any(path.stat().st_size > 100_000 for path in (tmp_path / "l").rglob(".impressions.csv.partial")):
            assert process.poll() is None
            assert time.monotonic() < deadline, "the generator wrote nothing"
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert not list(tmp_path.rglob("impressions.csv"))
    assert not list(tmp_path.rglob("day=*.parquet"))


def test_command_line_writes_files_and_tells_the_best_figures(tmp_path, capsys):
    arguments = ["--rows", "2000", "--landing", str(tmp_path / "l"), "--truth", str(tmp_path / "t")]
    assert main([*arguments, "--first-day", "2014-10-29", "--days", "1", "--seed", "7", "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert "2,000 impressions" in printed
    assert "best reachable: AUC 0." in printed
    assert (tmp_path / "l" / f"day={date(2014, 10, 29)}" / "impressions.csv").is_file()
    assert (tmp_path / "t" / "day=2014-10-29.parquet").is_file()


def test_command_line_reports_bad_arguments_without_a_traceback(tmp_path, capsys):
    assert main(["--rows", "0", "--landing", str(tmp_path / "l"), "--truth", str(tmp_path / "t")]) == 2
    assert "rows is 0" in capsys.readouterr().err
