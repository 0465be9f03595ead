"""The model card has all that a stranger needs, whatever the model, the figures and the age of its card.json."""

import copy
from typing import Any

import pytest
from markdown_it import MarkdownIt

from ctr_assets.evaluation.card import render_card, started_from
from ctr_assets.evaluation.evaluated import figures_of
from ctr_assets.features import FEATURES
from ctr_assets.plain_text import in_markdown
from ctr_assets.storage import Store
from ctr_assets.tables import EVALUATION_METRICS, SCORED_IMPRESSIONS, WIDE_DEEP_MODEL
from ctr_assets.training.card import known_of_day
from ctr_assets.training.publish import read_card
from ctr_assets_tests.evaluation.conftest import DAYS, TINY, Evaluated

SECTIONS = [
    "Which model this is",
    "How good it is",
    "Calibration",
    "Limits",
    "Data",
    "Features and the values that it knows",
    "Configuration",
]
DAY = DAYS[1]


@pytest.fixture(scope="module")
def trained(evaluated: Evaluated) -> dict[str, Any]:
    """The card of a model that was really trained."""
    return read_card(evaluated.store, evaluated.store.manifest(WIDE_DEEP_MODEL, DAY))


@pytest.fixture(scope="module")
def figures(evaluated: Evaluated) -> dict[str, Any]:
    return figures_of(evaluated.store, evaluated.store.manifest(EVALUATION_METRICS, DAY))


def table_of(card: str, section: str) -> dict[str, list[str]]:
    """First cell of each line of the section's table → the other cells, as they are read."""
    lines = card.split(f"## {section}\n")[1].split("\n## ")[0].splitlines()
    cells = [
        [cell.strip().replace("\\", "") for cell in line.strip("|").split(" | ")] for line in lines if line[:1] == "|"
    ]
    return {first: others for first, *others in cells[2:]}


def test_it_has_every_section_with_what_it_is_for(
    trained: dict[str, Any], figures: dict[str, Any], evaluated: Evaluated
):
    card = render_card(trained, "v1", figures, DAYS[2])
    assert [line[3:] for line in card.splitlines() if line.startswith("## ")] == SECTIONS
    identity = table_of(card, "Which model this is")
    assert identity["learnt from"] == [f"{DAYS[0]} to {DAY} (2 days)"]
    assert identity["version"] == ["v1"]
    assert identity["start"][0].startswith("from scratch: ")
    assert all(f"{name} {version}" in identity["libraries"][0] for name, version in trained["libraries"].items())
    data = table_of(card, "Data")
    assert list(data) == [*DAYS[:2], "all"]
    assert data["all"][0] == f"{trained['train_rows']:,}"
    known = table_of(card, "Features and the values that it knows")
    assert known.keys() == {feature.name for feature in FEATURES}
    assert all(known[name][1] == f"{size:,}" for name, size in trained["vocabulary_sizes"].items())
    settings = table_of(card, "Configuration")
    assert {name: value for name, (value,) in settings.items()} == {n: str(v) for n, v in TINY.model_dump().items()}
    assert DAYS[2] in card.split("## How good it is")[1]


def test_the_share_of_unknown_rows_is_that_of_all_rows_of_the_days(trained: dict[str, Any], figures: dict[str, Any]):
    known = table_of(render_card(trained, "v1", figures, DAYS[2]), "Features and the values that it knows")
    days = trained["days"].values()
    share = sum(day["unknown_rows"]["C1"] for day in days) / sum(sum(day["splits"].values()) for day in days)
    assert known["C1"][2] == f"{share:.2%}"
    assert 0 < share < 1


def test_whatever_models_and_rows_were_evaluated_are_told(trained: dict[str, Any], figures: dict[str, Any]):
    more = copy.deepcopy(figures)
    more["test"]["logistic"] = {**figures["test"]["gbt"], "logloss": 0.12345}
    more["a_week_later"] = {"wide_deep": figures["test"]["wide_deep"]}
    card = render_card(trained, "v1", more, DAYS[2])
    assert "| test | logistic regression |" in card
    assert "0.1235 ± " in card
    assert card.count("| a week later | Wide & Deep |") == 2


def test_a_card_from_before_is_told_as_far_as_it_goes(trained: dict[str, Any], figures: dict[str, Any]):
    old = {key: value for key, value in trained.items() if key not in ("days", "libraries")}
    card = render_card({**old, "torch_version": "2.1.0", "code_version": ""}, "v0", {}, "not kept")
    assert [line[3:] for line in card.splitlines() if line.startswith("## ")] == SECTIONS
    assert "torch 2.1.0" in card
    assert "were not recorded" in card
    assert "it was not checked" in card
    of_test_only = {"test": {"wide_deep": {k: v for k, v in figures["test"]["wide_deep"].items() if k != "notes"}}}
    assert "| test | Wide & Deep |" in render_card({**old, "torch_version": "2.1.0"}, "v0", of_test_only, "not kept")
    days = {day: {"splits": of["splits"]} for day, of in trained["days"].items()}
    days[DAY] = known_of_day({"splits": trained["days"][DAY]["splits"], "vocabulary_fingerprint": "f"})
    data = table_of(render_card({**trained, "days": days}, "v0", {}, "not kept"), "Data")
    assert data[DAY][-1] == data["all"][-1] == "–"


def test_figures_that_rows_leave_undefined_are_dashes_with_the_reason(trained: dict[str, Any]):
    undefined = dict.fromkeys(("roc_auc", "normalized_entropy", "pr_auc", "calibration_ratio"))
    of = {**undefined, "rows": 7, "clicks": 0, "logloss": 0.1, "expected_calibration_error": 0.1, "notes": ["no click"]}
    card = render_card(trained, "v1", {"test": {"wide_deep": of}}, "left out: not asked for")
    assert "| test | Wide & Deep | 7 | 0 | 0.1000 | – | – | – |" in card
    assert "test, Wide & Deep: no click" in card


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (None, "from scratch"),
        (
            {"kind": "scratch", "reason": "seven days since", "previous": None, "continued_days": 0},
            "from scratch: seven days since",
        ),
        (
            {"kind": "continued", "reason": "", "previous": {"partition": DAY, "version": "v7"}, "continued_days": 3},
            f"went on from the model of {DAY}, version v7; days learnt so since it began from scratch: 3",
        ),
    ],
)
def test_how_training_began_is_told(trained: dict[str, Any], start: dict[str, Any] | None, told: str):
    of_former_code = {name: value for name, value in trained.items() if name != "start"}
    card = {**of_former_code, "start": start} if start else of_former_code
    assert started_from(card) == told
    assert table_of(render_card(card, "v1", {}, "none"), "Which model this is")["start"] == [told]


def test_what_others_wrote_is_text_and_nothing_else(trained: dict[str, Any]):
    name = "<img src=x>|[a](http://b) _c_ `d`"
    card = copy.deepcopy(trained)
    card["vocabulary_sizes"][name], card["code_version"], card["config"]["seed"] = 3, name, name
    card["libraries"]["torch"] = name
    card["start"] = {"reason": name, "previous": {"partition": name, "version": name}, "continued_days": 1}
    rendered = render_card(card, name, {name: {name: {"rows": 1, "notes": [name]}}}, name)
    tokens = MarkdownIt("commonmark").enable("table").parse(rendered)
    kinds = {each.type for token in tokens for each in (token, *(token.children or []))}
    assert kinds.isdisjoint({"html_inline", "html_block", "link_open", "image", "em_open", "code_inline"})
    assert rendered.count(in_markdown(name)) >= 9


def test_the_same_model_has_the_same_card(trained: dict[str, Any], figures: dict[str, Any]):
    assert render_card(trained, "v1", figures, DAYS[2]) == render_card(copy.deepcopy(trained), "v1", figures, DAYS[2])


def test_without_its_scored_rows_an_evaluation_has_figures_without_errors(store: Store):
    evaluation = store.manifest(EVALUATION_METRICS, DAY)
    assert "logloss_standard_error" in figures_of(store, evaluation)["test"]["gbt"]
    old = store.manifest(SCORED_IMPRESSIONS, DAY)
    store.begin(SCORED_IMPRESSIONS, DAY).commit(old.files, old.columns)
    assert figures_of(store, evaluation) == evaluation.properties["metrics"]
