"""The logistic baseline on encoded days: about as good as an exact solver, the same each time, or a clear error."""

import tracemalloc

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from ctr_assets.baselines.logistic import train_logistic
from ctr_assets.baselines.logistic_config import LogisticConfig
from ctr_assets.baselines.one_hot import OneHot
from ctr_assets.baselines.weights import LogisticScorer
from ctr_assets.features import FEATURES, Split
from ctr_assets.jobs import logistic_baseline
from ctr_assets.storage import Store
from ctr_assets.storage.rows import iter_split
from ctr_assets.storage.window import WindowError
from ctr_assets.tables import ENCODED_FEATURES, LOGISTIC_BASELINE
from ctr_assets_tests.encoded_days import SIZES, reencode, with_column, write_days
from ctr_assets_tests.evaluation.conftest import RecordingReport, assert_as_contracted

DAYS = ["2014-10-21", "2014-10-22"]


@pytest.fixture(scope="module")
def days_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("logistic")))
    write_days(store, DAYS)
    return store


def _fit(store: Store, days: list[str] = DAYS, **config: float):
    settings = LogisticConfig(**config)  # type: ignore[arg-type]
    return train_logistic(store, days[-1], days, settings, log=lambda line: None, created_by={})


def _rows(store: Store, split: Split) -> pa.Table:
    columns = [*(feature.name for feature in FEATURES), "label"]
    manifests = [store.manifest(ENCODED_FEATURES, day) for day in DAYS]
    return pa.concat_tables(table for each in manifests for _, table in iter_split(store, each, [split], columns))


def _matrix(rows: pa.Table) -> tuple[object, npt.NDArray[np.int8]]:
    ids = np.stack([rows.column(name).to_numpy() for name in SIZES], axis=1)
    return OneHot(SIZES).matrix(ids), rows.column("label").to_numpy()


def test_it_is_about_as_good_as_the_exact_solver_with_the_best_of_several_penalties(days_store: Store):
    scorer = LogisticScorer.load(days_store, _fit(days_store).manifest)
    test = _rows(days_store, Split.TEST)
    matrix, labels = _matrix(test)
    exact = [
        LogisticRegression(C=C, max_iter=1000).fit(*_matrix(_rows(days_store, Split.TRAIN))).predict_proba(matrix)[:, 1]
        for C in (0.03, 0.1, 0.3, 1.0)
    ]
    predicted = scorer.predict(test)
    assert roc_auc_score(labels, predicted) > max(roc_auc_score(labels, each) for each in exact) - 0.005
    assert log_loss(labels, predicted) < min(log_loss(labels, each) for each in exact) * 1.005
    assert log_loss(labels, predicted) < log_loss(labels, np.full(len(labels), scorer.card["base_rate"])) * 0.99


def test_the_same_rows_and_settings_give_the_same_bytes_and_another_seed_others(days_store: Store):
    first, second, other = (_fit(days_store, epochs=2, seed=seed).manifest.files for seed in (1, 1, 2))
    assert [file.sha256 for file in first] == [file.sha256 for file in second]
    assert [file.sha256 for file in first] != [file.sha256 for file in other]


def test_passes_end_at_the_first_that_no_longer_helps_and_the_best_is_kept(days_store: Store):
    told: list[str] = []
    config = LogisticConfig(learning_rate=0.05, prior_variance=100, tolerance=0)
    fitted = train_logistic(days_store, DAYS[1], DAYS, config, log=told.append, created_by={})
    assert len(told) == fitted.passes == fitted.best.epoch + 1 < config.epochs
    losses = [float(line.split("validation logloss ")[1].split(",")[0]) for line in told]
    assert fitted.best.validation_logloss == pytest.approx(min(losses), abs=1e-5)
    rows = _rows(days_store, Split.VALIDATION)
    predicted = LogisticScorer.load(days_store, fitted.manifest).predict(rows)
    assert log_loss(rows.column("label").to_numpy(), predicted) == pytest.approx(fitted.best.validation_logloss, 1e-6)
    assert _fit(days_store, epochs=1).passes == 1


def test_the_job_commits_the_model_and_reports_it(days_store: Store):
    report = RecordingReport()
    config = LogisticConfig(epochs=3)
    logistic_baseline.run(
        logistic_baseline.Params(store_url=days_store.url, day=DAYS[1], window=DAYS, logistic=config, code_version="7"),
        report,
    )
    manifest = days_store.manifest(LOGISTIC_BASELINE, DAYS[1])
    assert_as_contracted(LOGISTIC_BASELINE, report.metadata)
    assert report.metadata["version"] == manifest.version
    assert manifest.created_by["code_version"] == "7"
    assert report.metadata["weights"] == sum(size + 1 for size in SIZES.values()) + 1
    assert report.metadata["dagster/row_count"] == _rows(days_store, Split.TRAIN).num_rows
    card = LogisticScorer.load(days_store, manifest).card
    assert card["config"] == config.model_dump()
    assert card["metrics"]["validation_logloss"] == report.metadata["validation_logloss"]
    assert len(report.lines) == report.metadata["passes"] == 3


def test_a_window_of_another_vocabulary_is_refused(tmp_path):
    store = Store(str(tmp_path))
    write_days(store, DAYS, rows_per_day=100)
    store.remove_tree(ENCODED_FEATURES, DAYS[0])
    with pytest.raises(WindowError, match=DAYS[0]):
        _fit(store)
    assert store.find(LOGISTIC_BASELINE, DAYS[1]) is None


@pytest.mark.parametrize(("label", "clicks"), [(0, "0"), (1, r"\d+")])
def test_rows_of_one_class_are_refused(tmp_path, label: int, clicks: str):
    store = Store(str(tmp_path))
    write_days(store, DAYS[:1], rows_per_day=200)
    reencode(store, DAYS[0], lambda table: with_column(table, "label", label))
    with pytest.raises(ValueError, match=f"{DAYS[0]} has .* training rows with {clicks} clicks: .* both classes"):
        _fit(store, DAYS[:1])
    assert store.find(LOGISTIC_BASELINE, DAYS[0]) is None


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VALIDATION])
def test_a_window_without_rows_to_learn_from_or_to_stop_by_is_refused(tmp_path, split: Split):
    store = Store(str(tmp_path))
    write_days(store, DAYS[:1], rows_per_day=200)

    def to_test(table: pa.Table) -> pa.Table:
        is_split = table.column("split")[0].as_py() == split.code
        return with_column(table, "split", Split.TEST.code) if is_split else table

    reencode(store, DAYS[0], to_test)
    with pytest.raises(ValueError, match=f"{DAYS[0]} has no {split.value} rows"):
        _fit(store, DAYS[:1])


def test_memory_is_that_of_the_shuffle_buffer_and_not_of_the_days(tmp_path, monkeypatch: pytest.MonkeyPatch):
    from ctr_assets.baselines import logistic

    monkeypatch.setattr(logistic, "BATCH_ROWS", 1_000)
    monkeypatch.setattr(logistic, "BUFFER_ROWS", 4_000)
    monkeypatch.setenv("TQDM_DISABLE", "1")

    def peak(days: int) -> int:
        store = Store(str(tmp_path / str(days)))
        names = [f"2014-10-{21 + i}" for i in range(days)]
        write_days(store, names, rows_per_day=8_000)
        tracemalloc.start()
        _fit(store, names, epochs=1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is imported or made once
    assert peak(6) < 1.3 * peak(2)
