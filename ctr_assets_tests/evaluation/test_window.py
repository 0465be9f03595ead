import pytest

from ctr_assets.storage import Store
from ctr_assets.storage.window import WindowError, check_window
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY
from ctr_assets_tests.encoded_days import write_days

DAYS = ["2014-10-21", "2014-10-22", "2014-10-23"]


@pytest.fixture
def days_store(tmp_path) -> Store:
    store = Store(str(tmp_path))
    write_days(store, DAYS, rows_per_day=60)
    return store


def _reencode(store: Store, day: str, fingerprint: str) -> None:
    manifest = store.manifest(ENCODED_FEATURES, day)
    properties = {**manifest.properties, "vocabulary_fingerprint": fingerprint}
    store.begin(ENCODED_FEATURES, day).commit(manifest.files, manifest.columns, properties=properties)


def test_days_of_one_vocabulary_are_returned_oldest_first(days_store: Store):
    manifests = check_window(days_store, DAYS[2], [DAYS[2], DAYS[0], DAYS[1]])
    assert [manifest.reference for manifest in manifests] == [f"{ENCODED_FEATURES}/{day}" for day in DAYS]


def test_all_days_at_fault_are_listed_at_once(days_store: Store):
    days_store.remove_tree(ENCODED_FEATURES, DAYS[0])
    _reencode(days_store, DAYS[1], "of another vocabulary")
    with pytest.raises(WindowError) as error:
        check_window(days_store, DAYS[2], DAYS)
    assert f"no committed version for {DAYS[0]}" in str(error.value)
    assert f"by another vocabulary for {DAYS[1]}" in str(error.value)
    assert str(error.value).endswith(f"Materialize {ENCODED_FEATURES} for {DAYS[0]}, {DAYS[1]}")


def test_a_day_that_the_vocabulary_was_not_built_over_needs_the_vocabulary_first(days_store: Store):
    vocabulary = days_store.manifest(FEATURE_VOCABULARY, DAYS[2])
    chain = {day: value for day, value in vocabulary.properties["chain"].items() if day != DAYS[0]}
    days_store.begin(FEATURE_VOCABULARY, DAYS[2]).commit([], {}, properties={**vocabulary.properties, "chain": chain})
    with pytest.raises(WindowError, match=f"Materialize {FEATURE_VOCABULARY} for {DAYS[0]} and every later day"):
        check_window(days_store, DAYS[2], DAYS)


def test_a_day_whose_vocabulary_was_renewed_alone_needs_the_later_ones_again(days_store: Store):
    vocabulary = days_store.manifest(FEATURE_VOCABULARY, DAYS[1])
    chain = {**vocabulary.properties["chain"], DAYS[1]: "delivered again"}
    days_store.begin(FEATURE_VOCABULARY, DAYS[1]).commit([], {}, properties={**vocabulary.properties, "chain": chain})
    _reencode(days_store, DAYS[1], "delivered again")
    with pytest.raises(WindowError) as error:
        check_window(days_store, DAYS[2], DAYS)
    later = f"{FEATURE_VOCABULARY} for every day after {DAYS[1]} to {DAYS[2]}, then {ENCODED_FEATURES} for {DAYS[2]}"
    assert str(error.value).endswith(f"Materialize {later}")


def test_a_missing_vocabulary_is_named(days_store: Store):
    days_store.remove_tree(FEATURE_VOCABULARY, DAYS[2])
    with pytest.raises(WindowError, match="materialize feature_vocabulary, then encoded_features"):
        check_window(days_store, DAYS[2], DAYS)


def test_an_empty_window_is_refused(days_store: Store):
    with pytest.raises(WindowError, match="has no days"):
        check_window(days_store, DAYS[2], [])
