"""Every reason for which a model begins from scratch, in the words that its card keeps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctr_assets.storage import Store
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY, WIDE_DEEP_MODEL
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.publish import OPTIMIZER_NAME, read_card
from ctr_assets.training.train import TrainedModel, train
from ctr_assets_tests.encoded_days import reencode
from ctr_assets_tests.training.conftest import DAYS

CONFIG = TrainingConfig(hidden=[8], batch_size=400, epochs=1, precision="fp32", device="cpu")
BEFORE = f"wide_deep_model[{DAYS[1]}]"


def train_day(store: Store, last: int, config: TrainingConfig = CONFIG, **options: Any) -> TrainedModel:
    days = DAYS[: last + 1]
    return train(store, days[-1], days, config, **{"log": lambda line: None, "code_version": "1", **options})


def start_of(store: Store, trained: TrainedModel) -> dict[str, Any]:
    """Where it began, which the card and the manifest tell alike."""
    start: dict[str, Any] = read_card(store, trained.manifest)["start"]
    assert start == trained.manifest.properties["start"]
    return start


@pytest.fixture
def chain(store: Store) -> Store:
    """Models of the first two days, the second gone on from the first."""
    for last in (0, 1):
        train_day(store, last)
    return store


def test_a_model_goes_on_from_the_day_before(chain: Store) -> None:
    lines: list[str] = []
    trained = train_day(chain, 2, log=lines.append)
    before = chain.manifest(WIDE_DEEP_MODEL, DAYS[1])
    assert start_of(chain, trained) == {
        "kind": "continued",
        "reason": f"{BEFORE} is fit to go on from",
        "previous": {"partition": DAYS[1], "version": before.version},
        "continued_days": 2,
    }
    assert lines[0] == f"going on from {BEFORE}, version {before.version}"
    manifest = trained.manifest
    assert manifest.properties["window"] == [DAYS[2]]
    assert list(manifest.properties["learnt"]) == DAYS
    assert set(manifest.inputs) == {
        f"{FEATURE_VOCABULARY}/{DAYS[2]}",
        f"{ENCODED_FEATURES}/{DAYS[2]}",
        before.reference,
    }
    assert trained.train_rows == manifest.properties["train_rows"] == rows_to_learn(chain, DAYS[2])


def rows_to_learn(store: Store, day: str) -> int:
    return int(store.manifest(ENCODED_FEATURES, day).properties["splits"]["train"])


def test_the_first_day_begins_from_scratch(store: Store) -> None:
    lines: list[str] = []
    trained = train_day(store, 0, log=lines.append)
    assert start_of(store, trained) == {
        "kind": "scratch",
        "reason": f"no day before {DAYS[0]} is in the window",
        "previous": None,
        "continued_days": 0,
    }
    assert lines[0] == f"from scratch on 1 days: no day before {DAYS[0]} is in the window"


def refit(store: Store) -> None:
    train_day(store, 1, CONFIG.model_copy(update={"hidden": [4], "epochs": 2}))


def other_ids(store: Store) -> None:
    old = store.manifest(FEATURE_VOCABULARY, DAYS[2])
    chain = {**old.properties["chain"], DAYS[1]: "0" * 64}
    store.begin(FEATURE_VOCABULARY, DAYS[2]).commit(
        [], {}, properties={"sizes": old.properties["sizes"], "chain": chain}
    )


def rows_delivered_again(store: Store) -> None:
    reencode(store, DAYS[0], lambda rows: rows.slice(0, max(1, rows.num_rows // 2)))


def committed_by_former_code(store: Store) -> None:
    manifest = store.manifest(WIDE_DEEP_MODEL, DAYS[1])
    kept = {name: value for name, value in manifest.properties.items() if name not in ("format", "start", "learnt")}
    rewrite(store, properties=kept)


def without_its_features(store: Store) -> None:
    manifest = store.manifest(WIDE_DEEP_MODEL, DAYS[1])
    features = {**manifest.properties["features"], "wide": manifest.properties["features"]["wide"][1:]}
    rewrite(store, properties={**manifest.properties, "features": features})


def rewrite(store: Store, **update: Any) -> None:
    """Replace the manifest of the day before by one that differs."""
    manifest = store.manifest(WIDE_DEEP_MODEL, DAYS[1]).model_copy(update=update)
    Path(store.path(WIDE_DEEP_MODEL, DAYS[1], "manifest.json")).write_text(manifest.model_dump_json())


def hole(store: Store) -> None:
    store.remove_tree(WIDE_DEEP_MODEL, DAYS[1])


def damaged(store: Store) -> None:
    Path(store.path(WIDE_DEEP_MODEL, DAYS[1], "manifest.json")).write_text("{")


@pytest.mark.parametrize(
    ("happened", "reason"),
    [
        (hole, f"{BEFORE} is not materialized"),
        (refit, f"{BEFORE} has another configuration: epochs was 2, now 1, hidden was [4], now [8]"),
        (
            other_ids,
            f"{BEFORE} has other ids: feature_vocabulary[{DAYS[2]}] does not continue the vocabulary that it was "
            "trained with",
        ),
        (rows_delivered_again, f"{BEFORE} has learnt from rows that are no longer those of {DAYS[0]}"),
        (committed_by_former_code, f"{BEFORE} is of format 1, and this code goes on from format 2 only"),
        (without_its_features, f"{BEFORE} reads other features"),
        (damaged, f"{BEFORE} is damaged: "),
    ],
)
def test_a_model_begins_from_scratch_and_says_why(chain: Store, happened: Callable[[Store], None], reason: str) -> None:
    happened(chain)
    if happened is other_ids:
        # The window cannot be read either: its own days say what to materialize.
        with pytest.raises(ValueError, match="was encoded by another vocabulary"):
            train_day(chain, 2)
        train_days = DAYS[2:]
        assert train(chain, DAYS[2], train_days, CONFIG, log=lambda line: None).train_rows
        return
    start = start_of(chain, trained := train_day(chain, 2))
    assert start["kind"] == "scratch"
    assert start["reason"].startswith(reason)
    assert trained.manifest.properties["window"] == DAYS
    assert trained.train_rows > rows_to_learn(chain, DAYS[2])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"code_version": "2"}, f"{BEFORE} was made by code version 1, now 2"),
        ({"fresh_every_days": 2}, f"{BEFORE} has gone on for 1 days: a fresh model every 2"),
        ({"config": CONFIG.model_copy(update={"start": "scratch"})}, "training.start is scratch"),
        (
            {"config": CONFIG.model_copy(update={"start": "scratch"}), "why": "the champion does badly"},
            "training.start is scratch (the champion does badly)",
        ),
    ],
)
def test_what_is_asked_for_begins_from_scratch(chain: Store, options: dict[str, Any], reason: str) -> None:
    start = start_of(chain, train_day(chain, 2, **options))
    assert (start["kind"], start["reason"], start["continued_days"]) == ("scratch", reason, 0)


def test_a_fresh_model_comes_every_so_many_days(chain: Store) -> None:
    assert start_of(chain, train_day(chain, 2, fresh_every_days=3))["kind"] == "continued"
    assert start_of(chain, train_day(chain, 2, fresh_every_days=0))["kind"] == "continued"


def test_the_device_and_the_choice_of_the_start_are_no_other_configuration(chain: Store) -> None:
    train_day(chain, 1, CONFIG.model_copy(update={"start": "scratch", "device": "auto"}))
    assert start_of(chain, train_day(chain, 2))["kind"] == "continued"


def test_a_damaged_optimizer_state_is_named(chain: Store) -> None:
    manifest = chain.manifest(WIDE_DEEP_MODEL, DAYS[1])
    path = Path(chain.file_path(manifest, chain.file(manifest, OPTIMIZER_NAME)))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    start = start_of(chain, train_day(chain, 2))
    assert start["kind"] == "scratch"
    assert f"{BEFORE} is damaged: " in start["reason"]
    assert OPTIMIZER_NAME in start["reason"]
