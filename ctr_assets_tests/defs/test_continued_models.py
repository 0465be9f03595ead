"""A range of models in one run, as the asset's metadata tells it."""

import dagster as dg
import pytest

from ctr_assets.storage import Store
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.materializing import Graph

DAYS = [f"2014-10-{day}" for day in range(21, 26)]
SMALL = {"wide_deep_model": {"hidden": [8], "epochs": 1, "batch_size": 256}}


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    store = Store(str(root / "store"))
    write_days(store, DAYS, rows_per_day=1200)
    with dg.instance_for_test() as instance:
        yield Graph(root / "landing", store.url, instance)


def starts(graph, *days):
    told = [graph.metadata("wide_deep_model", day) for day in days]
    return [(each["start"], each["start_reason"]) for each in told]


@pytest.mark.long
def test_each_day_goes_on_from_the_one_before_and_a_hole_begins_from_scratch(graph):
    graph.materialize("wide_deep_model", first=DAYS[0], last=DAYS[2], config=SMALL)
    assert starts(graph, *DAYS[:3]) == [
        ("scratch", f"no day before {DAYS[0]} is in the window"),
        ("continued", f"wide_deep_model[{DAYS[0]}] is fit to go on from"),
        ("continued", f"wide_deep_model[{DAYS[1]}] is fit to go on from"),
    ]
    assert graph.metadata("wide_deep_model", DAYS[2])["continued_days"] == 2
    assert graph.metadata("wide_deep_model", DAYS[2])["learnt_days"] == 3
    graph.materialize("wide_deep_model", first=DAYS[4], config=SMALL)
    assert starts(graph, DAYS[4]) == [("scratch", f"wide_deep_model[{DAYS[3]}] is not materialized")]


def test_a_run_that_was_asked_for_with_a_reason_keeps_it(graph):
    config = {"wide_deep_model": {**SMALL["wide_deep_model"], "start": "scratch"}}
    graph.materialize("wide_deep_model", first=DAYS[1], config=config, tags={"ctr/why": "the champion does badly"})
    assert starts(graph, DAYS[1]) == [("scratch", "training.start is scratch (the champion does badly)")]
