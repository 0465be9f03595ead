"""A run's page is read as it was written, and the README's lines are of the newest run that has them."""

import re

import pytest

from ctr_assets_tests.benchmarks.page import Line, Page
from ctr_assets_tests.docs import bench

LINE = Line("training", "ours", {"rows": 1_000_000, "seconds": 12.5, "peak_bytes": 2**30}, "1.00 x")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "PAGES", tmp_path)
    return tmp_path


def write(folder, *lines):
    page = Page.new(folder, sections=["training"], repeats=3, threads=2)
    for line in lines:
        page.add(line)
    return page


def test_a_page_is_read_as_it_was_written(folder):
    page = write(folder, LINE)
    (run,) = bench.runs()
    assert run.name == page.path.stem
    assert run.facts == page.facts
    assert run.facts["sections"] == "training"
    assert re.search(r"\d+ cores", run.facts["processor"])
    assert run.lines == [
        {
            **{"what": "training", "contender": "ours", "rows": "1,000,000", "seconds": "12", "rows/s": "80,000"},
            **{"peak memory": "1.0 GiB", "beside": "1.00 x"},
        }
    ]


def test_a_run_that_measured_nothing_leaves_no_page(folder):
    write(folder)
    assert bench.runs() == []


def test_a_second_run_of_a_day_has_a_page_of_its_own_and_is_the_newer(folder):
    names = [write(folder, LINE).path.stem for _ in range(11)]
    assert names[1:3] == [f"{names[0]}-2", f"{names[0]}-3"]
    assert [run.name for run in bench.runs()] == names[::-1]


def test_a_line_is_of_the_newest_run_that_has_it(folder, monkeypatch):
    monkeypatch.setattr(bench, "TOLD", (("training", "ours"),))
    write(folder, LINE)
    newest = write(folder, Line("training", "ours, again", {"rows": 10, "seconds": 1.0}))
    write(folder, Line("tables", "ours", {"rows": 10, "seconds": 1.0}))
    assert f"| training | ours, again | 10 | 1.00 | 10 |  | [{newest.path.stem}]" in bench.bench()


def test_a_line_that_no_run_has_is_an_error(folder):
    with pytest.raises(LookupError, match="run make bench"):
        bench.bench()
