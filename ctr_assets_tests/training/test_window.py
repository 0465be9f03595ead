from pathlib import Path

import pytest

from ctr_assets.storage import Store
from ctr_assets.storage.window import WindowError
from ctr_assets.tables import ENCODED_FEATURES
from ctr_assets.training.window import resolve_window
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.training.conftest import DAYS


def test_a_window_names_the_committed_inputs(encoded_store: Store) -> None:
    window = resolve_window(encoded_store, DAYS[-1], DAYS)
    assert window.days == DAYS
    assert window.vocabulary_fingerprint == window.vocabulary.properties["chain"][DAYS[-1]]
    assert window.vocabulary_sizes["C14"] == 200


def test_days_that_do_not_fit_together_are_refused(store: Store) -> None:
    old = store.manifest(ENCODED_FEATURES, DAYS[0])
    store.begin(ENCODED_FEATURES, DAYS[0]).commit([], old.columns, properties={"vocabulary_fingerprint": "another"})
    with pytest.raises(WindowError, match=f"another vocabulary for {DAYS[0]}"):
        resolve_window(store, DAYS[-1], DAYS)


@pytest.mark.parametrize("days", [[], DAYS[:2], [DAYS[2], DAYS[1], DAYS[2]], [*DAYS, DAYS[2]]])
def test_days_out_of_order_are_refused(encoded_store: Store, days: list[str]) -> None:
    with pytest.raises(ValueError, match="oldest first"):
        resolve_window(encoded_store, DAYS[2], days)


def test_a_day_without_rows_is_fine(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    write_days(store, DAYS, rows_per_day=0)
    assert [manifest.rows for manifest in resolve_window(store, DAYS[-1], DAYS).encoded] == [0, 0, 0]
