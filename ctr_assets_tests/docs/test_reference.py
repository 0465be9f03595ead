"""What the docs say of the code is what the code says: every generated file and block is as it is made now."""

import pytest

from ctr_assets import definitions
from ctr_assets.jobs.contract import METADATA
from ctr_assets_tests.docs import graph
from ctr_assets_tests.docs.blocks import BLOCKS, ROOT, pages, renewed
from ctr_assets_tests.docs.fields import may_be
from ctr_assets_tests.docs.graph_picture import LANDING, PLACES, edges
from ctr_assets_tests.docs.markdown import filled, names_of_blocks, table
from ctr_assets_tests.docs.models import CHOSEN, metadata


@pytest.fixture(scope="module")
def made():
    return renewed()


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_on_one_page(block):
    assert sum(names_of_blocks(page.read_text()).count(block) for page in pages()) == 1


def test_every_page_is_as_it_is_made_now(made):
    # By words: what wraps the help of a command differs between versions of Python.
    stale = [str(path.relative_to(ROOT)) for path, text in made.items() if path.read_text().split() != text.split()]
    assert stale == [], "make reference"


def test_a_block_is_filled_between_its_marks_alone():
    page = "before\n<!-- one -->\nold\n<!-- /one -->\nafter\n"
    assert filled(page, {"one": lambda: "new"}) == "before\n<!-- one -->\n\nnew\n\n<!-- /one -->\nafter\n"
    with pytest.raises(KeyError):
        filled(page, {})


def test_a_bar_ends_no_cell():
    assert table(("a|b",), [("|x|",)]).splitlines() == ["| a\\|b |", "| --- |", "| \\|x\\| |"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 1000}, "a whole number from 1 to 1,000"),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, "a number from 0, below 1"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "a number above 0, at most 1"),
        ({"enum": ["a", "b"]}, "`a` or `b`"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or none"),
        ({"type": "array", "items": {"type": "boolean"}}, "a list: `true` or `false`"),
    ],
)
def test_bounds_in_words(schema, words):
    assert may_be(schema, {}) == words


@pytest.mark.parametrize("asset", definitions.assets, ids=lambda asset: asset.key.path[-1])
def test_the_launchpads_fields_are_those_that_dagster_shows(asset):
    shown = set(asset.op.config_schema.config_type.fields)
    chosen = CHOSEN.get(asset.key.path[-1])
    assert shown == {"resources", *(chosen.model_fields if chosen else ())}


def test_every_asset_has_its_keys_on_the_page():
    assert all(f"## `{asset}`" in metadata() for asset in METADATA)
    assert set(METADATA) == set(graph.names())


def test_the_picture_has_every_asset_and_loses_no_dependency():
    assert set(PLACES) == {LANDING, *graph.names()}
    drawn = edges()

    def ancestors(name):
        above = {start for start, end in drawn if end == name and start != name}
        return above.union(*(ancestors(each) for each in above))

    for name in graph.names():
        parents = {key.path[-1] for key in graph.node(name).parent_keys}
        assert parents - {name} <= ancestors(name)
        assert ((name, name) in drawn) == (name in parents)
