import numpy as np
import pyarrow as pa
import pytest

from ctr_assets.baselines.weights import WEIGHTS_NAME, LogisticScorer, to_bytes
from ctr_assets.storage import Store, UnreadableError
from ctr_assets.storage.parts import write_bytes
from ctr_assets.tables import LOGISTIC_BASELINE

WEIGHTS = {"C1": np.array([0.0, 1.0, -2.0], np.float32), "site_id": np.array([0.5, 0.25], np.float32)}
SCORER = LogisticScorer(WEIGHTS, -1.0, {})


def _rows(c1: list[int], site_id: list[int]) -> pa.Table:
    return pa.table({"C1": pa.array(c1, pa.int32()), "site_id": pa.array(site_id, pa.int32()), "label": [0] * len(c1)})


def test_a_rows_weights_and_the_intercept_add_up_to_its_logit():
    logits = np.array([-1 + 1 + 0.25, -1 - 2 + 0.5])
    assert SCORER.predict(_rows([1, 2], [1, 0])) == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-7)


def test_an_id_learnt_from_no_row_is_unknown():
    beyond, unknown = SCORER.predict(_rows([3, 0], [700, 0]))
    assert beyond == unknown


def test_no_rows_give_no_predictions():
    assert SCORER.predict(_rows([], [])).shape == (0,)


def _commit(store: Store, content: bytes) -> None:
    version = store.begin(LOGISTIC_BASELINE, "2014-10-22")
    files = {WEIGHTS_NAME: content, "model_card.json": b"{}"}
    version.commit([write_bytes(store, version.folder, name, data) for name, data in files.items()], {})


def test_weights_are_the_same_after_a_file(tmp_path):
    store = Store(str(tmp_path))
    _commit(store, to_bytes(WEIGHTS, -1.0))
    read = LogisticScorer.load(store, store.manifest(LOGISTIC_BASELINE, "2014-10-22"))
    assert read.intercept == -1.0
    assert {name: of_ids.tolist() for name, of_ids in read.weights.items()} == {
        name: of_ids.tolist() for name, of_ids in WEIGHTS.items()
    }
    assert set(read.columns) == {"C1", "site_id"}


@pytest.mark.parametrize("flawed", [np.zeros(0, np.float32), np.zeros((2, 2), np.float32)])
def test_a_feature_without_a_weight_for_each_id_is_told_by_name(tmp_path, flawed):
    store = Store(str(tmp_path))
    _commit(store, to_bytes({**WEIGHTS, "C14": flawed}, 0.0))
    with pytest.raises(UnreadableError, match=f"{WEIGHTS_NAME}.*C14.*: materialize {LOGISTIC_BASELINE}"):
        LogisticScorer.load(store, store.manifest(LOGISTIC_BASELINE, "2014-10-22"))
