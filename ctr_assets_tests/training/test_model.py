from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch.nn import functional

from ctr_assets.features import FEATURE_SELECTIONS, FeatureSelection
from ctr_assets.training.config import PRESETS, TrainingConfig
from ctr_assets.training.layout import Layout, build_layout
from ctr_assets.training.lookup import look_up
from ctr_assets.training.model import WideDeep
from ctr_assets_tests.encoded_days import SIZES
from ctr_assets_tests.training.reference import as_the_reference_names_it, reference_of

BATCH = 300


def ids_of(layout: Layout, rows: int = BATCH, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.zipf(1.3, rows) % (size + 1) for size in layout.sizes], axis=1).astype(np.int32)


def a_model(preset: str, hidden: Sequence[int] = (24, 12), **options) -> WideDeep:
    model = WideDeep(build_layout(FEATURE_SELECTIONS[preset], SIZES), [*hidden], base_rate=0.17, **options)
    for table in model.row_tables:  # no zeros, so that no term vanishes
        table.weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
    return model


def gradient_of(weight: torch.Tensor) -> torch.Tensor:
    assert weight.grad is not None
    return weight.grad


def assert_equal_to_rounding(found: torch.Tensor, expected: torch.Tensor) -> None:
    """To a millionth of the largest number: fp32 holds seven digits, and a sum of hundreds loses some."""
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


@pytest.mark.parametrize("preset", PRESETS)
def test_logits_and_gradients_are_those_of_the_reference(preset) -> None:
    config = TrainingConfig(preset=preset)
    model = a_model(preset, config.hidden, wide_dropout=config.wide_dropout).train()
    reference = reference_of(model).train()
    ids = ids_of(model.layout)
    labels = torch.from_numpy((ids[:, 0] % 2).astype(np.float32))
    lookups = look_up(model.layout, ids)
    torch.manual_seed(0)
    logits = model(lookups)
    torch.manual_seed(0)  # so that the same inputs are dropped
    expected = reference(dict(zip(model.layout.features, torch.from_numpy(ids).T, strict=True)))
    assert_equal_to_rounding(logits.detach(), expected.detach())
    for z in (logits, expected):
        functional.binary_cross_entropy_with_logits(z, labels).backward()
    of_tables = [
        torch.zeros_like(table.weight).index_copy_(0, lookup.table_row_U.long(), table.take_gradient())
        for table, lookup in zip(model.row_tables, lookups, strict=True)
    ]
    of_parameters = {name: gradient_of(parameter) for name, parameter in model.named_parameters()}
    found = as_the_reference_names_it(model.layout, of_tables, of_parameters)
    assert found.keys() == dict(reference.named_parameters()).keys()
    for name, parameter in reference.named_parameters():
        assert_equal_to_rounding(found[name], gradient_of(parameter))


def test_the_look_up_finds_every_value_once() -> None:
    layout = build_layout(FEATURE_SELECTIONS["default"], SIZES)
    ids = ids_of(layout)
    for table, lookup in zip(layout.tables, look_up(layout, ids), strict=True):
        of_table = ids[:, table.first : table.end] + np.array(layout.offsets[table.first : table.end])
        of_table -= layout.offsets[table.first]
        assert np.array_equal(lookup.table_row_U.numpy(), np.unique(of_table))
        assert np.array_equal(lookup.table_row_U[lookup.slot_BF].numpy(), of_table)
        assert lookup.slot_end_F[-1] == len(lookup.table_row_U)


def test_ids_beyond_the_vocabulary_read_as_unknown() -> None:
    layout = build_layout(FEATURE_SELECTIONS["default"], SIZES)
    ids = ids_of(layout)
    beyond = ids.copy()
    ids[5] = 0
    beyond[5] = np.array(layout.sizes) + 1
    beyond[5, 3] = -1
    for one, other in zip(look_up(layout, ids), look_up(layout, beyond), strict=True):
        assert torch.equal(one.table_row_U, other.table_row_U)
        assert torch.equal(one.slot_BF, other.slot_BF)


@pytest.mark.parametrize("rows", [0, 1])
def test_tiny_batches_are_fine(rows) -> None:
    model = a_model("default").eval()
    with torch.no_grad():
        assert model(look_up(model.layout, ids_of(model.layout, rows))).shape == (rows,)


def test_the_original_drops_wide_features_of_more_than_100_values() -> None:
    sizes = {**SIZES, "C1": 100, "C15": 101, "hour_of_day_x_app_category": 5000}
    layout = build_layout(FEATURE_SELECTIONS["original"], sizes)
    assert layout.wide is not None
    wide = set(layout.features[layout.wide.first : layout.wide.end])
    assert "C1" in wide
    assert not {"C15", "hour_of_day_x_app_category"} & wide
    assert sorted(set(layout.features) - wide) == ["app_domain", "app_id", "device_model", "site_domain", "site_id"]
    assert {table.dimension for table in layout.deep} == {256, 128}


def test_a_feature_that_is_wide_and_deep_shares_its_look_up_but_not_its_weights() -> None:
    layout = build_layout(FEATURE_SELECTIONS["default"], SIZES)
    assert len(layout.features) == 28
    assert layout.wide is not None
    assert (layout.wide.first, layout.wide.end, layout.deep[0].first, layout.deep[0].end) == (0, 18, 6, 28)
    assert layout.deep_width == 22 * 16


def test_a_model_without_a_wide_part_works() -> None:
    selection = FeatureSelection(preset="default", wide=(), deep={"C14": 4, "C17": 8})
    model = WideDeep(build_layout(selection, SIZES), [8])
    assert model(look_up(model.layout, ids_of(model.layout))).shape == (BATCH,)


def test_a_feature_that_the_vocabulary_lacks_is_named() -> None:
    sizes = {name: size for name, size in SIZES.items() if name != "C14"}
    with pytest.raises(ValueError, match="no C14"):
        build_layout(FEATURE_SELECTIONS["default"], sizes)


def test_a_fresh_model_predicts_the_base_rate_for_unknown_rows() -> None:
    model = WideDeep(build_layout(FEATURE_SELECTIONS["default"], SIZES), [8], base_rate=0.17).eval()
    unknown = np.zeros((4, len(model.layout.features)), dtype=np.int32)
    with torch.no_grad():
        assert torch.sigmoid(model(look_up(model.layout, unknown))).numpy() == pytest.approx([0.17] * 4)


def test_wide_dropout_drops_that_share_of_the_inputs_in_training_only() -> None:
    model = a_model("default", wide_dropout=0.7)
    assert model.layout.wide is not None
    for table in model.row_tables:
        table.weight.zero_()
    model.row_tables[0].weight.fill_(1.0)
    lookups = look_up(model.layout, ids_of(model.layout, 4000))
    torch.manual_seed(0)
    with torch.no_grad():
        model.eval()
        constant = model(lookups)
        assert torch.equal(constant, constant[:1].expand(4000))
        summed = (model.train()(lookups) - constant + 18) * 0.3  # kept inputs of 18, each scaled by 1 / 0.3
    assert float(summed.mean()) / 18 == pytest.approx(0.3, abs=0.01)
    assert float(summed.var()) == pytest.approx(18 * 0.3 * 0.7, rel=0.1)
