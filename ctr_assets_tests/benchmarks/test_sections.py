"""The sections that a change of the package breaks most easily run to their ends, on few rows."""

from pathlib import Path

import pytest

from ctr_assets_tests.benchmarks.__main__ import main

SECTIONS = {
    "tables": "tables: CSV to encoded_features",
    "new_day": "one more day",
    "loading": "loading: Parquet to shuffled batches",
    "training": "training",
    "scoring": "scoring",
    "ranks": "data-parallel training",
}


@pytest.mark.minutes
def test_sections_run_to_their_ends_on_few_rows(tmp_path: Path) -> None:
    places = ["--folder", str(tmp_path / "data"), "--pages", str(tmp_path / "pages")]
    sizes = ["--rows", "20000", "--original-rows", "2000", "--repeats", "1"]
    assert main([*SECTIONS, *places, *sizes]) == 0
    (page,) = (tmp_path / "pages").glob("*.md")
    lines = [line.split(" | ") for line in page.read_text().splitlines()]
    seconds = {
        section: [float(cells[3].replace(",", "")) for cells in lines if cells[0] == f"| {section}"]
        for section in SECTIONS.values()
    }
    assert all(of_section and min(of_section) > 0 for of_section in seconds.values()), seconds
