"""Every finding on a day that is as it should be, and on one that was made to break it."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ctr_assets.evaluation.comparison import Comparison
from ctr_assets.features import FEATURES
from ctr_assets.quality import distribution, ids, model, serving, volume
from ctr_assets.storage import DataFile, Store, UnreadableError, write_parquet
from ctr_assets.storage.vocabulary import write_vocabulary
from ctr_assets.tables import (
    CHAMPION_MODEL,
    CLICK_PREDICTIONS,
    CURRENT,
    ENCODED_FEATURES,
    ENCODED_SCHEMA,
    EVALUATION_METRICS,
    EVALUATION_REPORT,
    FEATURE_VOCABULARY,
    IMPRESSION_PROFILE,
    PROFILE_SCHEMA,
    QUARANTINE,
    RAW_IMPRESSIONS,
    SERVING_MODEL,
    WIDE_DEEP_MODEL,
    columns_of,
)
from ctr_assets_tests.encoded_days import VALUES, write_days

DAYS = ["2014-10-21", "2014-10-22", "2014-10-23"]
LAST = DAYS[-1]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    store = Store(str(tmp_path_factory.mktemp("days")))
    write_days(store, DAYS)
    return store


@pytest.fixture
def store(written, tmp_path):
    """A copy that the test may break."""
    return Store(str(shutil.copytree(written.root, tmp_path / "store")))


def rewrite(store, table, day, change, **properties):
    """Commit another version of a day's table: ``change`` is applied to each of its files."""
    before = store.manifest(table, day)
    version = store.begin(table, day)
    files = []
    for file in before.files:
        with store.parquet(before, file) as parquet:
            files.append(write_parquet(store, version.folder, file.name, change(parquet.read())))
    inputs = [store.manifest(*reference.split("/")) for reference in before.inputs]
    return version.commit(files, before.columns, inputs=inputs, properties={**before.properties, **properties})


def with_properties(store, table, day, **properties):
    return rewrite(store, table, day, lambda rows: rows, **properties)


def raw_rows(store, day, rows):
    """A version of a day's raw table with so many rows."""
    version = store.begin(RAW_IMPRESSIONS, day)
    table = pa.table({"id": [str(i) for i in range(rows)]})
    version.commit([write_parquet(store, version.folder, "part.parquet", table)], {"id": "string"})


def test_a_table_of_the_stated_schema_passes(store):
    finding = volume.schema_is(store, ENCODED_FEATURES, LAST, ENCODED_SCHEMA)
    assert finding.passed, finding.message


def test_a_missing_and_a_retyped_column_are_named(store):
    def change(rows):
        rows = rows.drop_columns(["C14"])
        return rows.set_column(rows.column_names.index("label"), "label", rows["label"].cast(pa.int64()))

    rewrite(store, ENCODED_FEATURES, LAST, change)
    finding = volume.schema_is(store, ENCODED_FEATURES, LAST, ENCODED_SCHEMA)
    assert not finding.passed
    assert "missing C14" in finding.message
    assert "label is int64, not int8" in finding.message


@pytest.mark.parametrize(("rows", "passed"), [(3000, True), (1001, True), (8999, True), (999, False), (9001, False)])
def test_row_volume_against_the_week_before(store, rows, passed):
    raw_rows(store, LAST, rows)
    finding = volume.row_volume(store, LAST, max_ratio=3.0)
    assert finding.passed is passed
    assert f"{rows:,} impressions" in finding.message
    assert "expected 1,000 to 9,000" in finding.message


def test_the_first_day_and_a_gap_day_have_nothing_to_be_compared_with(store):
    assert volume.row_volume(store, DAYS[0], max_ratio=3.0).passed
    raw_rows(store, LAST, 0)
    assert volume.row_volume(store, LAST, max_ratio=3.0).passed
    assert not volume.has_rows(store, LAST).passed
    assert volume.has_rows(store, DAYS[0]).passed


def test_a_gap_day_does_not_lower_what_is_usual(store):
    raw_rows(store, DAYS[1], 0)
    assert volume.row_volume(store, LAST, max_ratio=3.0).figures["usual_rows"] == 3000


@pytest.mark.parametrize(("rejected", "passed"), [(0, True), (15, True), (16, False)])
def test_quarantine_rate(store, rejected, passed):
    version = store.begin(QUARANTINE, LAST)
    table = pa.table({"file": ["a.csv"] * rejected})
    version.commit([write_parquet(store, version.folder, "part.parquet", table)], {"file": "string"})
    finding = volume.quarantine_rate(store, LAST, max_share=0.005)
    assert finding.passed is passed
    assert f"{rejected} rows rejected" in finding.message


ACCOUNT = {
    **{"source": "a.csv", "lines": 3006, "header": 1, "blank": 2, "kept": {LAST: 3000}},
    **{"duplicates": {LAST: 1}, "quarantined": {}, "other_days": {"2014-10-01": 2}},
}


def accounted(store, **changed):
    with_properties(store, RAW_IMPRESSIONS, LAST, line_account=[{**ACCOUNT, **changed}])
    return volume.every_line_accounted_for(store, LAST)


def test_an_account_that_closes_passes_and_is_shown_as_a_table(store):
    finding = accounted(store)
    assert finding.passed, finding.message
    assert finding.table[0] == (
        *("file", "lines", "header", "blank", "kept", "duplicates", "quarantined", "other days", "sum"),
    )
    assert finding.table[1] == ["a.csv", "3,006", "1", "2", "3,000", "1", "0", "2", "3,006"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"lines": 3007}, "a.csv: 3,007 lines in its bytes, 3,006 accounted for"),
        ({"kept": {LAST: 2999}, "lines": 3005}, f"2,999 rows of {LAST} were kept, but its table has 3,000"),
        ({"quarantined": {LAST: 4}, "lines": 3010}, f"4 rows of {LAST} were rejected, but its table has 0"),
    ],
)
def test_an_account_that_does_not_close_or_is_not_the_tables_fails(store, changed, told):
    finding = accounted(store, **changed)
    assert not finding.passed
    assert told in finding.message


def test_a_table_without_an_account_fails(store):
    finding = volume.every_line_accounted_for(store, LAST)
    assert not finding.passed
    assert f"materialize {RAW_IMPRESSIONS} for {LAST} again" in finding.message


def limits(store, **changed):
    return distribution.click_rate(store, LAST, **{"lowest": 0.005, "highest": 0.6, "max_change": 0.4, **changed})


def test_click_rate_as_in_the_week_before_passes(store):
    assert limits(store).passed
    assert "of the week before" in limits(store).message


@pytest.mark.parametrize(
    ("share", "told"), [(1.0, "expected 0.50% to 60.00%"), (0.0, "expected 0.50% to 60.00%"), (0.1, "expected within")]
)
def test_a_click_rate_that_cannot_be_or_has_changed_fails(store, share, told):
    with_properties(store, ENCODED_FEATURES, LAST, clicks=round(3000 * share))
    finding = limits(store)
    assert not finding.passed
    assert told in finding.message


def test_a_small_day_may_differ_by_chance(store):
    usual = limits(store).figures["usual_click_rate"]
    splits = {"train": 14, "validation": 0, "test": 6, "unlabelled": 0}
    with_properties(store, ENCODED_FEATURES, LAST, clicks=round(20 * usual * 0.5), splits=splits)
    assert abs(limits(store).figures["change"]) > 0.4
    assert limits(store).passed


def test_a_feature_whose_values_became_unknown_is_named(store):
    assert distribution.unknown_rate(store, LAST, max_increase=0.2).passed
    unknown = store.manifest(ENCODED_FEATURES, LAST).properties["unknown_rows"]
    with_properties(store, ENCODED_FEATURES, LAST, unknown_rows={**unknown, "site_id": 3000})
    finding = distribution.unknown_rate(store, LAST, max_increase=0.2)
    assert not finding.passed
    assert "site_id 100.0%" in finding.message
    assert finding.figures["unknown_share/site_id"] == 1.0
    assert "C14" not in finding.message


def profile(store, day, counts):
    version = store.begin(IMPRESSION_PROFILE, day)
    rows = [
        {"column": column, "rank": rank, "value": value, "rows": n, "labelled_rows": n, "clicks": 0}
        for column, values in counts.items()
        for rank, (value, n) in enumerate(values.items(), start=1)
    ]
    table = pa.Table.from_pylist(rows, schema=PROFILE_SCHEMA)
    version.commit([write_parquet(store, version.folder, "profile.parquet", table)], columns_of(PROFILE_SCHEMA))


def test_population_stability_is_the_published_formula(store):
    profile(store, DAYS[0], {"C1": {"a": 500, "b": 500}, "site_id": {"x": 600, "y": 100}})
    profile(store, DAYS[1], {"C1": {"a": 250, "b": 750}, "site_id": {"x": 580, "z": 100}})
    finding = distribution.population_stability(store, DAYS[1], max_index=0.25)
    p, q = np.array([0.25, 0.75]), np.array([0.5, 0.5])
    assert finding.figures["psi/C1"] == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert not finding.passed
    assert "site_id" in finding.message
    # x, y (gone: half a row), all others (300 of 1000, then 420).
    p, q = np.array([0.58, 0.5e-3, 0.42]), np.array([0.6, 0.1, 0.3])
    assert finding.figures["psi/site_id"] == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert distribution.population_stability(store, DAYS[1], max_index=1.0).passed


def test_two_small_samples_of_one_population_do_not_differ(store):
    rng = np.random.default_rng(7)
    for day in DAYS[:2]:
        values, counts = np.unique(rng.zipf(1.3, 100) % 50, return_counts=True)
        profile(store, day, {"C1": dict(zip(map(str, values), counts.tolist(), strict=True))})
    finding = distribution.population_stability(store, DAYS[1], max_index=0.1)
    assert finding.figures["psi/C1"] > 0.1
    assert finding.passed


def test_an_id_that_changed_its_value_is_found(store):
    assert ids.append_only(store, DAYS[0]).passed
    finding = ids.append_only(store, LAST)
    assert finding.passed
    assert finding.figures["kept_ids"] == sum(len(values) for values in VALUES.values())
    values = VALUES["C14"].to_pylist()
    values[3], values[4] = values[4], values[3]
    before = store.manifest(FEATURE_VOCABULARY, LAST)
    version = store.begin(FEATURE_VOCABULARY, LAST)
    file = write_vocabulary(version, {**VALUES, "C14": pa.array(values)}, {})
    version.commit([file], before.columns, properties=before.properties)
    finding = ids.append_only(store, LAST)
    assert not finding.passed
    assert "ids of C14 are not those of 2014-10-22" in finding.message


def test_a_test_row_among_the_training_rows_is_found(store):
    finding = ids.no_leakage(store, LAST, sample_rows=10**6)
    assert finding.passed
    assert finding.figures["checked_rows"] == 3000

    def first_row_trains(rows):
        split = rows["split"].to_numpy().copy()
        (test_rows,) = np.nonzero(split == 2)
        split[test_rows[0]] = 0
        return rows.set_column(rows.column_names.index("split"), "split", pa.array(split))

    rewrite(store, ENCODED_FEATURES, LAST, first_row_trains)
    finding = ids.no_leakage(store, LAST, sample_rows=10**6)
    assert not finding.passed
    assert finding.figures["misplaced_rows"] == 2
    assert "2 of 3,000 rows" in finding.message


def test_a_sample_sees_a_fault_that_is_everywhere(store):
    def shifted(rows):
        return rows.set_column(0, "row", pc.subtract(pa.scalar(1499, pa.int32()), rows["row"]))

    rewrite(store, ENCODED_FEATURES, LAST, shifted)
    finding = ids.no_leakage(store, LAST, sample_rows=300)
    assert 250 <= finding.figures["checked_rows"] <= 350
    assert not finding.passed


def commit_properties(store, table, day, **properties):
    store.begin(table, day).commit([], {}, properties=properties)


@pytest.mark.parametrize(("count", "passed"), [(0, True), (1, False)])
def test_weights_must_be_finite(store, count, passed):
    commit_properties(store, WIDE_DEEP_MODEL, LAST, nonfinite_weights=count)
    assert model.finite_weights(store, LAST).passed is passed


@pytest.mark.parametrize(
    ("auc", "of_the_gbt", "of_the_logistic", "better"),
    [
        (0.75, 0.71, 0.73, True),
        (0.72, 0.71, 0.73, False),  # the GBT alone is no bar
        (0.72, 0.73, 0.71, False),
        (0.73, 0.71, 0.73, False),
        (None, None, None, True),
    ],
)
def test_a_model_beside_both_fitted_baselines(store, auc, of_the_gbt, of_the_logistic, better):
    figures = {"wide_deep": auc, "gbt": of_the_gbt, "logistic": of_the_logistic}
    metrics = {"test": {name: {"roc_auc": value} for name, value in figures.items()}}
    commit_properties(store, EVALUATION_METRICS, LAST, metrics=metrics)
    finding = model.better_than_baseline(store, LAST)
    assert finding.passed is better
    assert all(f"{value:.4f}" in finding.message for value in figures.values() if value is not None)


def test_an_evaluation_of_before_a_baseline_was_added_says_what_to_do(store):
    metrics = {"test": {"wide_deep": {"roc_auc": 0.75}, "gbt": {"roc_auc": 0.71}}}
    commit_properties(store, EVALUATION_METRICS, LAST, metrics=metrics)
    with pytest.raises(UnreadableError, match=f"lack 'logistic'.*: materialize {EVALUATION_METRICS} for {LAST} again"):
        model.better_than_baseline(store, LAST)


@pytest.mark.parametrize(("ratio", "calibrated"), [(1.0, True), (1.2, True), (1.3, False), (None, True)])
def test_a_model_beside_the_click_rate(store, ratio, calibrated):
    figures = {"wide_deep": {"calibration_ratio": ratio}}
    commit_properties(store, EVALUATION_METRICS, LAST, metrics={"test": figures})
    assert model.calibration(store, LAST, max_error=0.25).passed is calibrated


@pytest.mark.parametrize(
    ("candidate", "standard_error", "passed"),
    [(0.39, 0.001, True), (0.403, 0.001, True), (0.41, 0.001, False), (0.41, 0.01, True), (0.41, None, False)],
)
def test_a_model_beside_the_champion_as_the_report_compared_them(store, candidate, standard_error, passed):
    comparison = Comparison("rows", 1_000, 200, candidate, 0.40, candidate - 0.40, standard_error)
    commit_properties(store, EVALUATION_REPORT, LAST, comparison=comparison.to_properties())
    found = model.no_worse_than_champion(store, LAST, max_increase=0.01)
    assert found.passed is passed
    assert comparison.text in found.message
    assert found.figures["increase"] == pytest.approx(candidate / 0.40 - 1)
    assert found.figures.get("standard_error") == standard_error


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"comparison": None}, "no other champion"),
        ({"logloss": 0.5, "champion_logloss": 0.4}, f"materialize evaluation_report for {LAST} again"),
    ],
    ids=["no champion", "of before comparisons were kept"],
)
def test_a_report_without_a_comparison_holds_nothing_against_the_model(store, properties, told):
    commit_properties(store, EVALUATION_REPORT, LAST, **properties)
    found = model.no_worse_than_champion(store, LAST, max_increase=0.01)
    assert found.passed
    assert told in found.message


def serve(store, **changes):
    """A champion, and a file exported from it as ``changes`` say."""
    store.begin(CHAMPION_MODEL, CURRENT).commit(
        [], {}, properties={"day": LAST, "model_version": "v1", "vocabulary_fingerprint": ""}
    )
    measured = {"day": LAST, "model_version": "v1", "compared_rows": 100, "undefined_rows": 0}
    properties = {**measured, "greatest_difference": 1e-7, **changes}
    store.begin(SERVING_MODEL, CURRENT).commit([], {}, properties=properties)
    return serving.says_what_the_champion_says(store)


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, True),
        ({"greatest_difference": 1e-5}, True),
        ({"greatest_difference": 1.1e-5}, False),
        ({"undefined_rows": 1}, False),
        ({"compared_rows": 0}, False),
        ({"model_version": "v0"}, False),
    ],
)
def test_what_is_served_says_what_the_champion_says(store, changes, passed):
    assert serve(store, **changes).passed is passed


@pytest.mark.parametrize(
    ("predicted", "undefined", "passed"), [(3, 0, True), (2, 0, False), (4, 0, False), (3, 1, False)]
)
def test_every_row_is_predicted(store, predicted, undefined, passed):
    files = [DataFile(name="x", rows=rows, bytes=1, sha256="") for rows in (3, predicted)]
    raw = store.begin(RAW_IMPRESSIONS, LAST).commit(files[:1], {})
    properties = {"undefined_rows": undefined}
    store.begin(CLICK_PREDICTIONS, LAST).commit(files[1:], {}, inputs=[raw], properties=properties)
    assert serving.every_row_predicted(store, LAST).passed is passed
    store.begin(RAW_IMPRESSIONS, LAST).commit(files[:1], {})
    again = serving.every_row_predicted(store, LAST)
    assert not again.passed
    assert "make them again" in again.message


def test_every_feature_is_looked_at(store):
    assert len(distribution.unknown_rate(store, LAST, 0.2).figures) == len(FEATURES)
