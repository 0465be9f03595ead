import numpy as np
import pyarrow as pa
import pytest
import torch

from ctr_assets.features import FEATURES, Split
from ctr_assets.storage import Store
from ctr_assets.tables import WIDE_DEEP_MODEL
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.lookup import look_up
from ctr_assets.training.rowgroups import to_matrix
from ctr_assets.training.score import Scorer
from ctr_assets.training.train import train
from ctr_assets_tests.encoded_days import SIZES, write_days
from ctr_assets_tests.training.conftest import DAYS
from ctr_assets_tests.training.test_train import rows_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with models of both presets: the original on the last day, the default on the day before."""
    store = Store(str(tmp_path_factory.mktemp("scored")))
    write_days(store, DAYS, rows_per_day=1200)
    for preset, day, days in (("default", DAYS[1], DAYS[:2]), ("original", DAYS[2], DAYS)):
        config = TrainingConfig.model_validate({"preset": preset, "epochs": 1, "batch_size": 500, "precision": "fp32"})
        train(store, day, days, config, log=lambda message: None, code_version="abc")
    return store


def scorer_of(store: Store, day: str) -> Scorer:
    return Scorer.load(store, store.manifest(WIDE_DEEP_MODEL, day))


@pytest.mark.parametrize("day", DAYS[1:])
def test_a_prediction_does_not_depend_on_its_neighbours(trained: Store, day: str, monkeypatch) -> None:
    rows, scorer = rows_of(trained, Split.TEST), scorer_of(trained, day)
    whole = scorer.predict(rows)
    assert whole.shape == (rows.num_rows,)
    assert whole.dtype == np.float32
    assert 0 < whole.min() < whole.max() < 1
    monkeypatch.setattr("ctr_assets.training.score.BATCH_ROWS", 100)
    assert scorer.predict(rows) == pytest.approx(whole, abs=1e-6)
    assert scorer.predict(rows.slice(7, 1))[0] == pytest.approx(whole[7], abs=1e-6)
    assert len(scorer.predict(rows.slice(0, 0))) == 0


@pytest.mark.parametrize("day", DAYS[1:])
@pytest.mark.parametrize("projected_rows", [0, 60, 1_000_000])
def test_it_predicts_what_the_trained_model_computes(
    trained: Store, day: str, projected_rows: int, monkeypatch
) -> None:
    monkeypatch.setattr("ctr_assets.training.frozen.PROJECTED_ROWS", projected_rows)
    scorer, rows = scorer_of(trained, day), rows_of(trained, Split.TEST)
    model = scorer.model.eval()
    with torch.no_grad():
        expected = torch.sigmoid(model(look_up(model.layout, to_matrix(rows, model.layout.features))))
    assert scorer.predict(rows) == pytest.approx(expected.numpy(), abs=1e-6)
    layout = model.layout
    larger = [f for part in layout.deep for f in range(part.first, part.end) if layout.sizes[f] >= projected_rows]
    assert [feature for feature, _ in scorer.frozen.direct] == larger


@pytest.mark.parametrize("day", DAYS[1:])
def test_ids_beyond_the_models_vocabulary_score_as_unknown(trained: Store, day: str) -> None:
    scorer = scorer_of(trained, day)
    names = [feature.name for feature in FEATURES]
    unknown = pa.table({name: pa.array([0], pa.int32()) for name in names})
    later = pa.table({name: pa.array([SIZES[name] + 1 + i], pa.int32()) for i, name in enumerate(names)})
    assert scorer.predict(later)[0] == scorer.predict(unknown)[0]
    known = pa.table({name: pa.array([1], pa.int32()) for name in names})
    assert scorer.predict(known)[0] != scorer.predict(unknown)[0]


def test_the_card_says_what_the_model_is_and_where_it_comes_from(trained: Store) -> None:
    card = scorer_of(trained, DAYS[2]).card
    assert (card["day"], card["window"], card["code_version"]) == (DAYS[2], DAYS, "abc")
    assert card["config"]["preset"] == card["features"]["preset"] == "original"
    assert card["features"]["deep"]["device_model"] == 256
    assert card["vocabulary_sizes"]["C1"] == SIZES["C1"]
    assert card["vocabulary_version"] == trained.manifest("feature_vocabulary", DAYS[2]).version
    assert card["inputs"][f"encoded_features/{DAYS[0]}"] == trained.manifest("encoded_features", DAYS[0]).version
    labels = rows_of(trained, Split.TRAIN)["label"].to_numpy()
    assert card["base_rate"] == pytest.approx(labels.mean(), abs=1e-3)
    assert card["train_rows"] == len(labels)
    assert card["metrics"]["best_epoch"] == 1
    encoded = {day: trained.manifest("encoded_features", day).properties for day in DAYS}
    assert {day: of["splits"] for day, of in card["days"].items()} == {day: encoded[day]["splits"] for day in DAYS}
    assert card["days"][DAYS[0]]["clicks"] == encoded[DAYS[0]]["clicks"]
    assert card["days"][DAYS[0]]["unknown_rows"] == encoded[DAYS[0]]["unknown_rows"]
    assert card["libraries"].keys() == {"ctr-assets", "python", "torch", "numpy", "pyarrow"}
    assert card["libraries"]["torch"] == torch.__version__


def test_the_manifest_names_inputs_and_weights(trained: Store) -> None:
    manifest = trained.manifest(WIDE_DEEP_MODEL, DAYS[2])
    assert [file.name for file in manifest.files] == ["model.safetensors", "optimizer.safetensors", "card.json"]
    assert set(manifest.inputs) == {f"feature_vocabulary/{DAYS[2]}", *(f"encoded_features/{day}" for day in DAYS)}
    assert manifest.columns["tables.0.weight"].startswith("torch.float32 [")
    assert manifest.properties["window"] == DAYS
