from pathlib import Path

import pytest

from ctr_assets.storage import NotMaterializedError, Store
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY
from ctr_assets.training.window import WindowNotReadyError, resolve_window
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.training.conftest import DAYS


def test_a_window_names_the_committed_inputs(encoded_store: Store) -> None:
    window = resolve_window(encoded_store, DAYS[-1], DAYS)
    assert window.days == DAYS
    assert window.vocabulary_fingerprint == window.vocabulary.properties["chain"][DAYS[-1]]
    assert window.vocabulary_sizes["C14"] == 200


def test_days_encoded_by_another_vocabulary_are_all_listed(store: Store) -> None:
    for day in DAYS[:2]:
        old = store.manifest(ENCODED_FEATURES, day)
        store.begin(ENCODED_FEATURES, day).commit([], old.columns, properties={"vocabulary_fingerprint": "another"})
    with pytest.raises(WindowNotReadyError) as error:
        resolve_window(store, DAYS[-1], DAYS)
    assert f"another vocabulary for {DAYS[0]}, {DAYS[1]}" in str(error.value)
    assert f"Materialize encoded_features for {DAYS[0]}, {DAYS[1]}." in str(error.value)
    assert DAYS[2] not in str(error.value).partition("is not ready")[2]


def test_missing_days_and_stale_days_are_told_apart(store: Store) -> None:
    store.remove_tree(ENCODED_FEATURES, DAYS[0])
    store.begin(ENCODED_FEATURES, DAYS[1]).commit([], {}, properties={"vocabulary_fingerprint": "another"})
    with pytest.raises(WindowNotReadyError) as error:
        resolve_window(store, DAYS[-1], DAYS)
    assert f"no committed version for {DAYS[0]}" in str(error.value)
    assert f"another vocabulary for {DAYS[1]}" in str(error.value)
    assert f"Materialize encoded_features for {DAYS[0]}, {DAYS[1]}." in str(error.value)


def test_a_vocabulary_that_was_not_built_over_a_day_is_to_be_materialized_first(store: Store) -> None:
    vocabulary = store.manifest(FEATURE_VOCABULARY, DAYS[-1])
    chain = {day: print_ for day, print_ in vocabulary.properties["chain"].items() if day != DAYS[0]}
    store.begin(FEATURE_VOCABULARY, DAYS[-1]).commit([], {}, properties={**vocabulary.properties, "chain": chain})
    with pytest.raises(WindowNotReadyError, match=f"Materialize feature_vocabulary for {DAYS[0]} and the days after"):
        resolve_window(store, DAYS[-1], DAYS)


def test_without_a_vocabulary_the_error_names_it(tmp_path: Path) -> None:
    with pytest.raises(NotMaterializedError, match=r"feature_vocabulary\[2014-10-21\]"):
        resolve_window(Store(str(tmp_path)), DAYS[0], DAYS[:1])


@pytest.mark.parametrize("days", [[], DAYS[:2], [DAYS[2], DAYS[1], DAYS[2]], [*DAYS, DAYS[2]]])
def test_days_out_of_order_are_refused(encoded_store: Store, days: list[str]) -> None:
    with pytest.raises(ValueError, match="oldest first"):
        resolve_window(encoded_store, DAYS[2], days)


def test_a_day_without_rows_is_fine(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    write_days(store, DAYS, rows_per_day=0)
    assert [manifest.rows for manifest in resolve_window(store, DAYS[-1], DAYS).encoded] == [0, 0, 0]
