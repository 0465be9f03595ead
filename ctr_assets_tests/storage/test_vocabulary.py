"""A vocabulary is read with the features that it was made for, or not at all."""

import pytest

from ctr_assets.storage import Store
from ctr_assets.storage.vocabulary import open_vocabulary, read_values
from ctr_assets.tables import FEATURE_VOCABULARY
from ctr_assets_tests.encoded_days import SIZES, VALUES, write_days

DAY = "2014-10-21"


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path))
    write_days(store, [DAY], rows_per_day=10)
    return store


def test_values_lie_in_the_order_of_their_ids(store):
    vocabulary = store.manifest(FEATURE_VOCABULARY, DAY)
    assert read_values(store, vocabulary, ["C14"]) == {"C14": VALUES["C14"].to_pylist()}


@pytest.mark.parametrize("features", [list(SIZES)[:-1], [*SIZES, "campaign"], list(reversed(SIZES))])
def test_other_features_and_another_order_are_refused(store, features):
    vocabulary = store.manifest(FEATURE_VOCABULARY, DAY)
    sizes = {name: SIZES.get(name, 1) for name in features}
    other = vocabulary.model_copy(update={"properties": {**vocabulary.properties, "sizes": sizes}})
    with pytest.raises(ValueError, match=f"feature_vocabulary.{DAY}. is of other features .* from the first on"):
        open_vocabulary(store, other)
