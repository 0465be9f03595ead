"""Both baselines on the log: fitted on 2014-10-21, held against a constant rate on the rows of the 22nd."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from ctr_assets.baselines.gbt import train_gbt
from ctr_assets.baselines.gbt_config import GbtConfig
from ctr_assets.baselines.logistic import train_logistic
from ctr_assets.baselines.logistic_config import LogisticConfig
from ctr_assets.baselines.trees import GbtScorer
from ctr_assets.baselines.weights import LogisticScorer
from ctr_assets.evaluation.scored import ClickScorer, RowsOf, score_rows
from ctr_assets.jobs import encoded_features, feature_vocabulary, raw_impressions
from ctr_assets.jobs.report import SilentReport
from ctr_assets.storage import Store
from ctr_assets.tables import ENCODED_FEATURES
from ctr_assets_tests.avazu import DAYS, Log

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def store(spark: "SparkSession", avazu_log: Log, tmp_path_factory: pytest.TempPathFactory) -> Store:
    home = tmp_path_factory.mktemp("log")
    landing, url = home / "landing", str(home / "store")
    landing.mkdir()
    (landing / "train.gz").symlink_to(avazu_log.train)
    raw = raw_impressions.Params(store_url=url, days=DAYS, landing_url=str(landing))
    raw_impressions.run(raw, SilentReport(), spark)
    vocabulary = feature_vocabulary.Params(store_url=url, days=DAYS, previous_day=None)
    feature_vocabulary.run(vocabulary, SilentReport(), spark)
    encoded_features.run(encoded_features.Params(store_url=url, days=DAYS), SilentReport(), spark)
    return Store(url)


def _on_the_next_day(store: Store, log: Log, scorer: ClickScorer, base_rate: float) -> tuple[float, float, float]:
    """ROC AUC and logloss of the scorer, and logloss of the constant rate."""
    labels, predicted = score_rows(store, [store.manifest(ENCODED_FEATURES, DAYS[1])], RowsOf.NEXT_DAY, scorer)
    assert len(labels) == log.rows[DAYS[1]]
    constant = log_loss(labels, np.full(len(labels), base_rate))
    return roc_auc_score(labels, predicted), log_loss(labels, predicted), constant


@pytest.mark.long
@pytest.mark.parametrize("max_rows", [None, 2_000])
def test_the_trees_beat_the_constant_rate(spark: "SparkSession", store: Store, avazu_log: Log, max_rows: int | None):
    manifest = train_gbt(spark, store, DAYS[0], DAYS[:1], GbtConfig(max_rows=max_rows), {}).manifest
    scorer = GbtScorer.load(store, manifest)
    roc_auc, logloss, constant = _on_the_next_day(store, avazu_log, scorer, scorer.card["base_rate"])
    assert logloss < constant
    assert roc_auc > 0.6


def test_the_logistic_regression_is_a_bar(store: Store, avazu_log: Log):
    manifest = train_logistic(store, DAYS[0], DAYS[:1], LogisticConfig(), log=lambda line: None, created_by={}).manifest
    scorer = LogisticScorer.load(store, manifest)
    roc_auc, logloss, constant = _on_the_next_day(store, avazu_log, scorer, scorer.card["base_rate"])
    assert logloss < 0.93 * constant
    assert roc_auc > 0.7
