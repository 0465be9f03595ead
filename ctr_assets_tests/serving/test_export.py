"""The exported graph says what the trained model says, of any value, and lacks no part of it."""

import json
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
import torch
from torch import nn

from ctr_assets.crosses import cross_names
from ctr_assets.features import FEATURE_BY_NAME, FEATURE_SELECTIONS, FEATURES, HOUR_COLUMN, HOUR_OF_DAY
from ctr_assets.serving.export import ExportError, export, input_columns
from ctr_assets.serving.session import ServedModel
from ctr_assets.training.layout import Layout, build_layout
from ctr_assets.training.lookup import look_up
from ctr_assets.training.model import WideDeep

AWKWARD = ["", " ", "a × b", "×", "××", "ü", "-1", "'", "\N{SNOWMAN}", "a" * 5000, "\0", "1e5", "nan"]
HOURS = [f"{hour:02d}" for hour in range(24)]
COLUMNS = {name for feature in FEATURES for name in feature.columns}
POOL = {name: HOURS if name == HOUR_OF_DAY else [*AWKWARD, *(f"v{i}" for i in range(40))] for name in COLUMNS}
LEARNT = 0.6
"""Share of the possible values that a vocabulary holds."""


def draw(rng: np.random.Generator, column: str, count: int) -> list[str]:
    return [POOL[column][i] for i in rng.integers(0, len(POOL[column]), count)]


def vocabulary(rng: np.random.Generator) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for feature in FEATURES:
        if feature.is_cross:
            names = cross_names(*(pa.array(draw(rng, column, 60)) for column in feature.columns)).to_pylist()
            found[feature.name] = list(dict.fromkeys(names))
        else:
            pool = POOL[feature.name]
            found[feature.name] = [pool[i] for i in rng.permutation(len(pool))[: int(LEARNT * len(pool))]]
    return found


def model_of(layout: Layout, hidden: list[int]) -> WideDeep:
    model = WideDeep(layout, hidden, base_rate=0.2, seed=3)
    with torch.no_grad():
        for weight in model.state_dict().values():
            weight.uniform_(-0.4, 0.4, generator=torch.Generator().manual_seed(weight.numel()))
    return model.eval()


def arrays(model: nn.Module) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def load(tmp_path, model: onnx.ModelProto) -> ServedModel:
    onnx.checker.check_model(model, full_check=True)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    return ServedModel(str(tmp_path / "model.onnx"))


def metadata(layout: Layout) -> dict[str, str]:
    return {"features": json.dumps(layout.features), "model_day": "2014-10-21"}


def rows(rng: np.random.Generator, columns: tuple[str, ...], count: int) -> dict[str, Any]:
    def delivered(name: str) -> list[str]:
        if name == HOUR_COLUMN:
            return [f"141021{hour:02d}" for hour in rng.integers(0, 24, count)]
        return draw(rng, name, count)

    return {name: np.array(delivered(name), dtype=object) for name in columns}


def encoded(layout: Layout, known: dict[str, list[str]], given: dict[str, Any]) -> np.ndarray:
    """Ids by a reading of their own: each value, or pair of values, looked up by name."""
    ids = np.zeros((len(given[HOUR_COLUMN]), len(layout.features)), np.int32)
    for position, name in enumerate(layout.features):
        columns = FEATURE_BY_NAME[name].columns
        values = [
            [v[-2:] for v in given[HOUR_COLUMN]] if column == HOUR_OF_DAY else given[column] for column in columns
        ]
        size = layout.sizes[position]
        by_name = {value: id for id, value in enumerate(known[name][:size], 1)}
        rows = zip(*values, strict=True)
        names = (" × ".join(v.replace("×", "××") for v in row) if len(row) > 1 else row[0] for row in rows)
        ids[:, position] = [by_name.get(each, 0) for each in names]
    return ids


@pytest.mark.parametrize("preset", FEATURE_SELECTIONS)
@pytest.mark.parametrize("hidden", [[8], [16, 8, 4]])
@pytest.mark.parametrize("shrink", [0, 5], ids=["all ids learnt", "the vocabulary grew since"])
def test_it_says_what_the_model_says(tmp_path, preset, hidden, shrink):
    rng = np.random.default_rng(len(hidden) + shrink)
    known = vocabulary(rng)
    layout = build_layout(FEATURE_SELECTIONS[preset], {name: len(values) - shrink for name, values in known.items()})
    model = model_of(layout, hidden)
    served = load(tmp_path, export(arrays(model), layout, known, metadata(layout)))
    given = rows(rng, served.columns, 3000)
    ids = encoded(layout, known, given)
    with torch.no_grad():
        expected = torch.sigmoid(model(look_up(layout, ids))).numpy()
    found, unknown = served.predict_counting(given)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-6
    assert np.ptp(expected) > 0.2
    assert unknown.tolist() == (ids == 0).sum(axis=0).tolist()
    assert 0 < unknown.sum() < ids.size


@pytest.mark.parametrize("lacking", ["crosses", "single columns", "all"])
def test_features_that_have_learnt_no_value_know_none(tmp_path, lacking):
    known = vocabulary(np.random.default_rng(5))
    lacks = {"crosses": [True], "single columns": [False], "all": [True, False]}[lacking]
    sizes = {name: 0 if FEATURE_BY_NAME[name].is_cross in lacks else len(values) for name, values in known.items()}
    layout = build_layout(FEATURE_SELECTIONS["original"], sizes)
    model = model_of(layout, [8])
    served = load(tmp_path, export(arrays(model), layout, known, metadata(layout)))
    given = rows(np.random.default_rng(6), served.columns, 200)
    given = {name: np.array(["", *values[1:]], dtype=object) for name, values in given.items()}
    ids = encoded(layout, known, given)
    with torch.no_grad():
        expected = torch.sigmoid(model(look_up(layout, ids))).numpy()
    found, unknown = served.predict_counting(given)
    assert np.abs(found - expected).max() < 1e-6
    assert unknown.tolist() == (ids == 0).sum(axis=0).tolist()
    assert 200 in unknown


@pytest.fixture
def small(tmp_path) -> ServedModel:
    known = vocabulary(np.random.default_rng(0))
    layout = build_layout(FEATURE_SELECTIONS["default"], {name: len(values) for name, values in known.items()})
    return load(tmp_path, export(arrays(model_of(layout, [8])), layout, known, metadata(layout)))


def test_no_row_gets_no_probability(small):
    empty = {name: np.array([], dtype=object) for name in small.columns}
    assert small.predict(empty).shape == (0,)


def test_a_row_is_scored_the_same_alone_and_among_others(small):
    given = rows(np.random.default_rng(1), small.columns, 50)
    alone = [small.predict({name: values[i : i + 1] for name, values in given.items()})[0] for i in range(50)]
    assert np.allclose(alone, small.predict(given), atol=1e-7)


@pytest.mark.parametrize("hour", ["", "14102124", "1410211", "141021011", "14102a01", "hour", "-4102101", "１４102101"])
def test_an_hour_that_is_none_is_unknown(small, hour):
    given = rows(np.random.default_rng(1), small.columns, 1) | {HOUR_COLUMN: np.array([hour], dtype=object)}
    _, unknown = small.predict_counting(given)
    assert dict(zip(small.features, unknown, strict=True))[HOUR_OF_DAY] == 1


def test_inputs_are_the_raw_columns_that_the_features_are_made_of():
    sizes = {feature.name: 3 for feature in FEATURES}
    every = input_columns(build_layout(FEATURE_SELECTIONS["default"], sizes))
    fewer = input_columns(build_layout(FEATURE_SELECTIONS["original"], sizes))
    assert every[0] == HOUR_COLUMN
    assert {"id", "click", HOUR_OF_DAY}.isdisjoint(every)
    assert set(every) - set(fewer) == {"device_id", "device_ip", "C14", "C17", "C20"}


class Normalized(WideDeep):
    """A model to which somebody added a layer."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout, [8])
        self.norm = nn.LayerNorm(8)


@pytest.mark.parametrize("preset", FEATURE_SELECTIONS)
def test_a_layer_that_the_graph_lacks_is_named(preset):
    known = vocabulary(np.random.default_rng(0))
    layout = build_layout(FEATURE_SELECTIONS[preset], {name: len(values) for name, values in known.items()})
    with pytest.raises(ExportError, match=r"lacks parts of the model: norm\.bias, norm\.weight"):
        export(arrays(Normalized(layout)), layout, known, metadata(layout))


def test_a_vocabulary_that_lacks_what_the_model_learnt_is_refused():
    known = vocabulary(np.random.default_rng(0))
    layout = build_layout(FEATURE_SELECTIONS["default"], {name: len(values) + 1 for name, values in known.items()})
    with pytest.raises(ExportError, match=r"the vocabulary holds \d+ values of \w+, the model has learnt \d+"):
        export(arrays(model_of(layout, [8])), layout, known, metadata(layout))


def test_more_than_a_file_can_hold_is_refused(monkeypatch):
    monkeypatch.setattr("ctr_assets.serving.export.LARGEST_BYTES", 10_000)
    known = vocabulary(np.random.default_rng(0))
    layout = build_layout(FEATURE_SELECTIONS["default"], {name: len(values) for name, values in known.items()})
    with pytest.raises(ExportError, match="raise min_count of the features with the most values"):
        export(arrays(model_of(layout, [8])), layout, known, metadata(layout))
