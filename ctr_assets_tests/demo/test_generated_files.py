"""What the generated files look like: reproducible bytes, row format, volumes, frequencies, new values, truth."""

import csv
import gzip
from collections import Counter
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from ctr_assets.demo import DemoSummary, generate
from ctr_assets.demo.calendar import Drift
from ctr_assets.demo.published import published
from ctr_assets.demo.rows import COLUMNS

ROWS = 40_000


class Generated(NamedTuple):
    """One run in memory: summary, day -> rows as read by `csv`, day -> id -> click probability."""

    summary: DemoSummary
    rows: dict[str, list[dict[str, str]]]
    truth: dict[str, dict[str, float]]

    @property
    def all_rows(self) -> list[dict[str, str]]:
        return [row for rows in self.rows.values() for row in rows]


def read_run(summary: DemoSummary, landing: Path, truth: Path) -> Generated:
    rows, probabilities = {}, {}
    for path in sorted(landing.glob("day=*/impressions.csv")):
        day = path.parent.name.removeprefix("day=")
        with open(path, newline="") as file:
            rows[day] = list(csv.DictReader(file))
        table = pq.read_table(truth / f"day={day}.parquet", partitioning=None)
        probabilities[day] = dict(zip(table["id"].to_pylist(), table["click_probability"].to_pylist(), strict=True))
    return Generated(summary, rows, probabilities)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Generated:
    folder = tmp_path_factory.mktemp("demo")
    summary = generate(ROWS, folder / "landing", folder / "truth", workers=1)
    return read_run(summary, folder / "landing", folder / "truth")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_seed_is_byte_identical_whatever_the_workers(tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        folder = tmp_path / name
        generate(3_000, folder / "landing", folder / "truth", days=2, gzip=True, workers=workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    generate(3_000, tmp_path / "other" / "landing", tmp_path / "other" / "truth", days=2, gzip=True, seed=1, workers=1)
    path = "landing/day=2014-10-21/impressions.csv.gz"
    assert contents(tmp_path / "other")[path] != contents(tmp_path / "one")[path]


def test_compressed_file_holds_the_same_rows(tmp_path):
    for name, compressed in (("plain", False), ("packed", True)):
        generate(500, tmp_path / name, tmp_path / f"{name}-truth", days=1, gzip=compressed, workers=1)
    packed = (tmp_path / "packed" / "day=2014-10-21" / "impressions.csv.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "plain" / "day=2014-10-21" / "impressions.csv").read_bytes()


def test_header_and_rows_have_the_published_format(run):
    for day, rows in run.rows.items():
        assert tuple(rows[0]) == COLUMNS
        digits = day[2:].replace("-", "")
        for row in rows[::97]:
            assert row["id"].isdigit()
            assert len(row["id"]) <= 20
            assert not row["id"].startswith("0")
            assert row["click"] in ("0", "1")
            assert row["hour"][:6] == digits
            assert 0 <= int(row["hour"][6:]) <= 23
            for column in (
                "site_id",
                "site_domain",
                "app_id",
                "app_category",
                "device_id",
                "device_ip",
                "device_model",
            ):
                assert len(row[column]) == 8
                int(row[column], 16)
            for column in ("C1", "banner_pos", "device_type", "C14", "C15", "C16", "C17", "C18", "C19", "C20", "C21"):
                int(row[column])


def test_rows_are_in_order_of_the_hour(run):
    for rows in run.rows.values():
        hours = [row["hour"] for row in rows]
        assert hours == sorted(hours)


def test_ids_are_unique_over_all_days(run):
    assert len({row["id"] for row in run.all_rows}) == ROWS == run.summary.rows


def test_short_columns_hold_published_values_only(run):
    for column, table in published().short.items():
        if column != "C19":  # Eight of its 68 values are not published.
            assert {row[column] for row in run.all_rows} <= set(table), column


def test_volumes_of_days_and_hours_are_the_published_shares(run):
    figures = published()
    for rows, expected in zip(run.rows.values(), figures.daily_rows / figures.rows, strict=True):
        assert abs(len(rows) - expected * ROWS) < 1
    first_day = run.rows["2014-10-21"]
    by_hour = Counter(int(row["hour"][6:]) for row in first_day)
    shares = figures.hourly_rows_first_day / figures.hourly_rows_first_day.sum()
    assert all(abs(by_hour[hour] - share * len(first_day)) < 1 for hour, share in enumerate(shares))


def test_click_rates_are_near_the_published_ones(run):
    figures = published()
    assert run.summary.clicks / ROWS == pytest.approx(figures.click_rate, abs=0.008)
    for day, rate in zip(run.rows, figures.daily_click_rate, strict=True):
        assert np.mean(list(run.truth[day].values())) == pytest.approx(rate, abs=0.012), day


@pytest.mark.parametrize(
    "column", ["site_id", "site_domain", "app_id", "app_domain", "device_id", "C14", "C17", "device_model"]
)
def test_head_values_have_their_published_shares(run, column):
    counts = Counter(row[column] for row in run.all_rows)
    for value, rows in list(published().head[column].items())[:5]:
        share = rows / published().rows
        # Four standard deviations of a share, and 1.5 % of it for values that come on later days only.
        assert counts[value] / ROWS == pytest.approx(share, abs=4 * (share / ROWS) ** 0.5 + 0.015 * share + 1e-4), value


@pytest.mark.parametrize("column", ["C1", "device_type", "device_conn_type", "site_category", "C18", "C16", "C21"])
def test_short_values_have_their_published_shares(run, column):
    counts = Counter(row[column] for row in run.all_rows)
    for value, rows in published().short_counts(column).items():
        assert counts[value] / ROWS == pytest.approx(rows / published().rows, abs=0.015), value


def test_rows_are_site_traffic_or_app_traffic(run):
    for row in run.all_rows:
        is_app, is_site = row["site_id"] == "85f751fd", row["app_id"] == "ecad2386"
        assert is_app != is_site
        if is_app:
            assert (row["site_domain"], row["site_category"]) == ("c4e18dd6", "50e219e0")
        else:
            assert (row["app_domain"], row["app_category"]) == ("7801e8d9", "07d7df22")


@pytest.mark.parametrize(
    ("child", "parent"),
    [("site_id", "site_category"), ("app_id", "app_domain"), ("app_id", "app_category"), ("C14", "C17"),
     ("C17", "C16"), ("C17", "C18"), ("C17", "C19"), ("C17", "C21"), ("device_type", "C1")],
)  # fmt: skip
def test_hierarchies_hold(run, child, parent):
    parents: dict[str, set[str]] = {}
    for row in run.all_rows:
        parents.setdefault(row[child], set()).add(row[parent])
    if child == "device_type":  # Phones have five C1 values.
        parents.pop("1"), parents.pop("2", None)
    assert all(len(values) == 1 for values in parents.values())


def test_addresses_are_heavy_tailed(run):
    counts = Counter(row["device_ip"] for row in run.all_rows)
    seen_once = sum(count == 1 for count in counts.values())
    assert counts["6b9769f2"] == max(counts.values())
    # The real sample of 23,262 rows holds 19,903 distinct addresses: 0.86 per row.
    assert 0.75 < len(counts) / ROWS < 0.95
    assert seen_once > 0.8 * len(counts)


@pytest.mark.parametrize("column", ["site_id", "app_id", "device_id", "device_ip", "device_model", "C14"])
def test_later_days_bring_new_values(run, column):
    days = list(run.rows)
    seen = {row[column] for day in days[:-1] for row in run.rows[day]}
    assert {row[column] for row in run.rows[days[-1]]} - seen


def test_truth_is_calibrated(run):
    clicks = np.array([row["click"] == "1" for row in run.all_rows])
    p = np.array([run.truth[day][row["id"]] for day, rows in run.rows.items() for row in rows])
    assert set(run.truth["2014-10-25"]) == {row["id"] for row in run.rows["2014-10-25"]}
    for part in np.array_split(np.argsort(p), 10):
        error = (p[part] * (1 - p[part])).sum() ** 0.5
        assert abs(clicks[part].sum() - p[part].sum()) < 4 * error


def test_summary_equals_figures_from_the_files(run):
    clicks = np.array([row["click"] == "1" for row in run.all_rows])
    p = np.array([run.truth[day][row["id"]] for day, rows in run.rows.items() for row in rows])
    assert run.summary.clicks == clicks.sum()
    loss = -np.where(clicks, np.log(p), np.log1p(-p)).mean()
    assert run.summary.best_logloss == pytest.approx(loss, abs=1e-9)
    ranks = np.empty(ROWS)
    ranks[np.argsort(p)] = np.arange(1, ROWS + 1)
    positives = clicks.sum()
    auc = (ranks[clicks].sum() - positives * (positives + 1) / 2) / (positives * (ROWS - positives))
    assert run.summary.best_auc == pytest.approx(auc, abs=1e-4)
    assert 0.76 < run.summary.expected_auc < 0.80
    assert run.summary.best_auc == pytest.approx(run.summary.expected_auc, abs=0.01)
    assert run.summary.best_logloss == pytest.approx(run.summary.expected_logloss, abs=0.01)


def test_days_after_the_published_ones_repeat_them_and_bring_new_creatives(tmp_path):
    summary = generate(12_000, tmp_path / "l", tmp_path / "t", first_day=date(2014, 10, 30), days=12, workers=1)
    later = read_run(summary, tmp_path / "l", tmp_path / "t")
    assert list(later.rows)[-1] == "2014-11-10"
    assert sum(len(rows) for rows in later.rows.values()) == 12_000
    sizes = {day: len(rows) for day, rows in later.rows.items()}
    assert sizes["2014-10-30"] == pytest.approx(sizes["2014-11-09"], abs=1)
    first_half = {row["C14"] for rows in list(later.rows.values())[:6] for row in rows}
    assert {row["C14"] for row in later.rows["2014-11-10"]} - first_half


def test_effects_that_turn_leave_the_first_day_as_it_was_and_change_the_later_ones(tmp_path):
    runs = {}
    for drift in Drift:
        folders = tmp_path / drift / "l", tmp_path / drift / "t"
        runs[drift] = read_run(generate(9_000, *folders, days=3, workers=1, drift=drift), *folders)
    first, _, last = runs[Drift.PUBLISHED].truth
    assert runs[Drift.FAST].rows[first] == runs[Drift.PUBLISHED].rows[first]
    assert runs[Drift.FAST].truth[first] == runs[Drift.PUBLISHED].truth[first]
    turned, kept = (np.array(list(runs[drift].truth[last].values())) for drift in (Drift.FAST, Drift.PUBLISHED))
    logits = [np.log(p / (1 - p)) for p in (turned, kept)]
    assert 0.05 < np.abs(logits[0] - logits[1]).mean() < 0.5
    assert turned.mean() == pytest.approx(kept.mean(), abs=0.01)  # The click rate stays the published one.


def test_without_drift_no_value_is_new(tmp_path):
    summary = generate(60_000, tmp_path / "l", tmp_path / "t", days=2, workers=1, drift=Drift.NONE)
    days = read_run(summary, tmp_path / "l", tmp_path / "t")
    first, second = days.rows
    assert abs(len(days.rows[first]) - len(days.rows[second])) <= 1
    known = {row["C17"] for row in days.rows[first]}
    new = sum(row["C17"] not in known for row in days.rows[second]) / len(days.rows[second])
    assert new < 0.003
    rates = [np.mean(list(truth.values())) for truth in days.truth.values()]
    assert rates[0] == pytest.approx(rates[1], abs=0.01)
