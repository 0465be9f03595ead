import numpy as np
import pyarrow as pa
import pytest

from ctr_assets.baselines.trees import CategorySplit, GbtScorer, Leaf, ThresholdSplit, Trees, WeightedTree
from ctr_assets.storage import Store
from ctr_assets_tests.encoded_days import write_days

TREES = Trees(
    vocabulary_sizes={"C1": 3, "site_id": 500},
    trees=(
        WeightedTree(
            weight=1.0,
            root=CategorySplit(
                feature="C1",
                left_ids=(0, 2),
                left=Leaf(prediction=-0.5),
                right=ThresholdSplit(
                    feature="site_id", threshold=10.5, left=Leaf(prediction=0.25), right=Leaf(prediction=0.75)
                ),
            ),
        ),
        WeightedTree(weight=0.3, root=Leaf(prediction=-1.0)),
    ),
)


def _rows(c1: list[int], site_id: list[int]) -> pa.Table:
    return pa.table({"C1": pa.array(c1, pa.int32()), "site_id": pa.array(site_id, pa.int32())})


def test_rows_reach_the_leaves_that_their_ids_lead_to():
    predicted = GbtScorer(TREES, {}).predict(_rows([0, 2, 1, 3, 1], [400, 1, 10, 11, 500]))
    margins = np.array([-0.5, -0.5, 0.25, 0.75, 0.75]) - 0.3
    assert predicted.dtype == np.float32
    assert predicted == pytest.approx(1 / (1 + np.exp(-2 * margins)), abs=1e-7)


def test_ids_beyond_the_vocabulary_of_the_model_count_as_unknown():
    scorer = GbtScorer(TREES, {})
    assert scorer.predict(_rows([4, 1], [3, 501])).tolist() == scorer.predict(_rows([0, 1], [3, 0])).tolist()


def test_no_rows_have_no_predictions():
    assert GbtScorer(TREES, {}).predict(_rows([], [])).shape == (0,)


def test_trees_are_the_same_after_a_file():
    assert Trees.model_validate_json(TREES.model_dump_json()) == TREES


def test_a_model_of_another_kind_is_refused(tmp_path):
    store = Store(str(tmp_path))
    write_days(store, ["2014-10-22"], rows_per_day=100)
    with pytest.raises(ValueError, match="has no trees"):
        GbtScorer.load(store, store.manifest("encoded_features", "2014-10-22"))
