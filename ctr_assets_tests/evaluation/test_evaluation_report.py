import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from ctr_assets.evaluation.metrics import logloss_of_rows
from ctr_assets.evaluation.scored import CONSTANT, MODELS, NAMES, RowsOf, read_scored
from ctr_assets.evaluation.uncertainty import estimate, read_clusters
from ctr_assets.features import FEATURES, Split
from ctr_assets.jobs import champion_model, evaluation_report
from ctr_assets.plain_text import in_markdown
from ctr_assets.storage import Store
from ctr_assets.tables import (
    CHAMPION_MODEL,
    CURRENT,
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    EVALUATION_REPORT,
    SCORED_IMPRESSIONS,
    WIDE_DEEP_MODEL,
)
from ctr_assets_tests.encoded_days import VALUES, reencode, with_column
from ctr_assets_tests.evaluation.conftest import (
    DAYS,
    TINY,
    Evaluated,
    RecordingReport,
    assert_as_contracted,
    evaluate_day,
    train_wide_deep,
    window_of,
)

DAY, NEXT_DAY = DAYS[1], DAYS[2]
SEGMENTED = [model for model in MODELS if model != CONSTANT]
WEAK = TINY.model_copy(update={"epochs": 1, "learning_rate": 1e-5, "embedding_learning_rate": 1e-5})


def _report(store: Store, day: str = DAY) -> dict[str, Any]:
    """Run the job and return what it reported, held to the contract."""
    report = RecordingReport()
    evaluation_report.run(evaluation_report.Params(store_url=store.url, day=day), report)
    assert [partition for partition, _ in report.partitions] == [day]
    assert_as_contracted("evaluation_report", report.metadata)
    return report.metadata


def _challenge(store: Store, day: str) -> dict[str, Any]:
    report = RecordingReport()
    champion_model.run(champion_model.Params(store_url=store.url, day=day), report)
    return report.metadata


def _file(store: Store, name: str, day: str = DAY) -> str:
    manifest = store.manifest(EVALUATION_REPORT, day)
    (file,) = (file for file in manifest.files if file.name == name)
    with store.open_file(manifest, file) as opened:
        return opened.read().decode()


def _lines(table: str) -> list[list[str]]:
    """The cells of a Markdown table, without its heading."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.fixture(scope="module")
def reported(evaluated: Evaluated) -> dict[str, Any]:
    return _report(evaluated.store)


def _test_rows(store: Store) -> dict[str, np.ndarray]:
    """Label, segment and each model's probability of every test row, put together anew from the encoded files."""
    tables = []
    for day in window_of(DAY):
        encoded = store.manifest(ENCODED_FEATURES, day)
        for file in encoded.files:
            table = store.parquet(encoded, file).read(columns=["split", "site_id", "app_id", "device_type", "label"])
            tables.append(table.filter(pa.array(table["split"].to_numpy() == Split.TEST.code)))
    encoded_rows = pa.concat_tables(tables)
    scored = store.manifest(SCORED_IMPRESSIONS, DAY)
    rows = {model: read_scored(store, scored, RowsOf.TEST, model) for model in ("label", *SEGMENTED)}
    assert np.array_equal(rows["label"], encoded_rows["label"].to_numpy())
    in_app, on_site = (encoded_rows[name].to_numpy() == 1 for name in ("site_id", "app_id"))
    traffic = np.select([on_site & ~in_app, in_app & ~on_site], ["site", "app"], "unclear")
    device = np.array(["unknown", *VALUES["device_type"].to_pylist()])[encoded_rows["device_type"].to_numpy()]
    return {**rows, "traffic": traffic, "device_type": device}


@pytest.mark.parametrize("segmentation", ["traffic", "device_type"])
def test_the_figures_of_a_segment_are_those_of_its_rows(
    evaluated: Evaluated, reported: dict[str, Any], segmentation: str
):
    rows = _test_rows(evaluated.store)
    told = {line[1]: line[2:] for line in _lines(reported["segments"]["raw_value"]) if line[0] == segmentation}
    assert set(told) == set(rows[segmentation])
    for segment, cells in told.items():
        of = rows[segmentation] == segment
        labels = rows["label"][of]
        expected = [f"{len(labels):,}", f"{labels.sum():,}", f"{labels.mean():.4f}"]
        for model in SEGMENTED:
            scores = rows[model][of].astype(float)
            figures = (scores.mean() / labels.mean(), log_loss(labels, scores), roc_auc_score(labels, scores))
            expected += [f"{figure:.4f}" for figure in figures]
        assert cells == expected


def test_every_segmentation_has_every_row_once(evaluated: Evaluated, reported: dict[str, Any]):
    sums: dict[str, int] = {}
    for line in _lines(reported["segments"]["raw_value"]):
        sums[line[0]] = sums.get(line[0], 0) + int(line[2].replace(",", ""))
    assert set(sums) == {"traffic", "device_type", "hour_of_day", "banner_pos"}
    assert set(sums.values()) == {reported["dagster/row_count"]} == {len(_test_rows(evaluated.store)["label"])}


def test_calibration_of_site_and_app_traffic_are_numbers_for_a_chart(evaluated: Evaluated, reported: dict[str, Any]):
    rows = _test_rows(evaluated.store)
    for traffic in ("site", "app"):
        of = rows["traffic"] == traffic
        ratio = rows["wide_deep"][of].mean(dtype=float) / rows["label"][of].mean()
        assert reported[f"{traffic}/calibration_ratio"] == pytest.approx(ratio)


class _References(HTMLParser):
    """Collects what a page would load or link to."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.urls += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "poster")]
        assert tag not in ("script", "link", "iframe", "object")


def test_the_page_needs_no_other_file(evaluated: Evaluated, reported: dict[str, Any]):
    html = _file(evaluated.store, "report.html")
    references = _References()
    references.feed(html)
    assert len(references.urls) == 7
    assert all(url.startswith("data:image/png;base64,") for url in references.urls)
    assert re.findall(r"https?:|url\(|@import", re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)) == []
    assert reported["path"]["raw_value"].endswith("report.html")


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_the_page_tells_the_figures_of_the_evaluation(evaluated: Evaluated, reported: dict[str, Any], name: str):
    text = _file(evaluated.store, name)
    assert reported["verdict"] in text
    metrics = evaluated.store.manifest(EVALUATION_METRICS, DAY).properties["metrics"]
    for rows_of in ("test", "next_day"):
        for model in MODELS:
            for figure in ("logloss", "roc_auc", "normalized_entropy", "pr_auc", "calibration_ratio"):
                assert f"{metrics[rows_of][model][figure]:.4f}" in text
        assert f"{metrics[rows_of]['gbt']['rows']:,}" in text
    assert f"{DAYS[0]} to {DAY}" in text


def test_the_markdown_is_shown_with_its_main_pictures_and_stays_small(evaluated: Evaluated, reported: dict[str, Any]):
    shown = reported["report"]["raw_value"]
    assert shown == _file(evaluated.store, "report.md")
    assert shown.count("](data:image/png;base64,") == 2
    assert len(shown) < 250_000


def test_the_importance_of_every_feature_is_told_with_its_error(evaluated: Evaluated, reported: dict[str, Any]):
    properties = evaluated.store.manifest(EVALUATION_REPORT, DAY).properties
    importances = properties["importances"]
    assert {each["feature"] for each in importances} == {feature.name for feature in FEATURES}
    assert properties["importance_rows"] == reported["dagster/row_count"]
    assert reported["feature_importance"]["raw_value"].startswith("![permutation importance](data:image/png;base64,")
    text = _file(evaluated.store, "report.md")
    for each in importances:
        numbers = f"{each['increase']:.5f} | {each['standard_error']:.5f}"
        assert f"| {in_markdown(each['feature'])} | {numbers} |" in text


def test_the_model_card_is_a_file_and_in_the_ui(evaluated: Evaluated, reported: dict[str, Any]):
    card = _file(evaluated.store, "model_card.md")
    assert reported["model_card"]["raw_value"] == card
    store = evaluated.store
    version = store.manifest(WIDE_DEEP_MODEL, DAY).version
    assert f"| version | {version} |" in card
    metrics = store.manifest(EVALUATION_METRICS, DAY).properties["metrics"]
    scored = store.manifest(SCORED_IMPRESSIONS, DAY)
    for rows_of in RowsOf.TEST, RowsOf.NEXT_DAY:
        labels = read_scored(store, scored, rows_of, "label")
        days = [store.manifest(ENCODED_FEATURES, day) for day in (DAYS[:2] if rows_of is RowsOf.TEST else DAYS[2:3])]
        clusters = read_clusters(store, days, rows_of)
        for model, of in metrics[rows_of].items():
            losses = logloss_of_rows(labels, read_scored(store, scored, rows_of, model))
            error = estimate(losses, clusters).standard_error
            start = f"| {rows_of.replace('_', ' ')} | {NAMES[model]} |"
            line = next(line for line in card.splitlines() if line.startswith(start))
            assert f"| {of['rows']:,} | {of['clicks']:,} | {of['logloss']:.4f} ± {error:.4f} |" in line


def test_the_verdict_is_what_promotion_then_decides(store: Store):
    reported = _report(store)
    assert reported["champion_day"] == "none"
    decided = _challenge(store, DAY)
    assert decided["promoted"] is True
    assert reported["verdict"] == decided["decision"].replace("Promoted", "Fit for promotion")


def test_a_model_that_is_the_champion_already_is_said_to_be(store: Store):
    _challenge(store, DAY)
    reported = _report(store)
    assert reported["verdict"] == "This model is the champion"
    assert "champion calibration" not in reported["segments"]["raw_value"]


def test_another_champion_is_scored_on_the_same_rows_and_told_everywhere(store: Store):
    _challenge(store, DAY)
    champion = store.manifest(CHAMPION_MODEL, CURRENT)
    train_wide_deep(store, DAY, WEAK)
    evaluate_day(store, DAY)
    reported = _report(store)
    assert reported["verdict"].startswith("Not fit for promotion: a logloss of")
    assert "does not beat the GBT (" in reported["verdict"]
    assert "champion calibration" in reported["segments"]["raw_value"]
    logloss = champion.properties["test_metrics"]["logloss"]
    assert f"| champion | {logloss:.4f} |" in _file(store, "report.md")
    assert store.manifest(EVALUATION_REPORT, DAY).inputs[champion.reference] == champion.version
    assert _challenge(store, DAY)["decision"] == reported["verdict"].replace("Not fit for promotion", "Kept as it was")


def test_first_come_the_figures_of_the_next_day_with_their_uncertainty(evaluated: Evaluated, reported: dict[str, Any]):
    metrics = evaluated.store.manifest(EVALUATION_METRICS, DAY).properties["metrics"]["next_day"]
    text = _file(evaluated.store, "report.md")
    first = text.index("## How good it is")
    assert first == text.index("## ")
    table = text[first : text.index("## ", first + 3)]
    assert f"{metrics['gbt']['rows']:,} rows of {NEXT_DAY}, the day that follows" in table
    for name, model in (("challenger", "wide_deep"), ("GBT", "gbt"), ("constant_rate", "constant")):
        for figure in ("logloss", "roc_auc"):
            assert reported[f"{name}/{figure}"] == pytest.approx(metrics[model][figure], abs=1e-9)
            # That the same answer for all rows ranks none of them has no error.
            error = reported[f"{name}/{figure}_standard_error"]
            assert f"{metrics[model][figure]:.4f}" + (f" ± {error:.4f}" if error else " |") in table
    # What keeps the books comes last.
    keys = list(reported)
    assert keys[:3] == ["verdict", "champion_day", "judged_on"]
    assert keys.index("challenger/logloss") < keys.index("report") < keys.index("version")


def test_the_best_reachable_is_told_where_the_true_probabilities_are_known(store: Store, tmp_path):
    """Known are those of the demo; here the model's own predictions are taken for them."""
    scored = store.manifest(SCORED_IMPRESSIONS, DAY)
    ids, known = (read_scored(store, scored, RowsOf.NEXT_DAY, name) for name in ("id", "wide_deep"))
    report = RecordingReport()
    params = evaluation_report.Params(store_url=store.url, day=DAY, truth_folder=str(tmp_path))
    evaluation_report.run(params, report)
    assert "best_reachable/logloss" not in report.metadata
    order = np.argsort(ids)
    table = pa.table({"id": ids[order], "click_probability": known.astype(float)[order]})
    pq.write_table(table, tmp_path / f"day={NEXT_DAY}.parquet")
    report = RecordingReport()
    evaluation_report.run(params, report)
    for figure in ("logloss", "roc_auc"):
        assert report.metadata[f"best_reachable/{figure}"] == pytest.approx(report.metadata[f"challenger/{figure}"])
    assert "best reachable" in _file(store, "report.md")


def test_a_day_without_a_next_day_says_why(store: Store):
    evaluate_day(store, NEXT_DAY, "2014-10-24")
    _report(store, NEXT_DAY)
    for name, told in (("report.html", str), ("report.md", in_markdown)):
        assert told("encoded_features[2014-10-24] is not materialized yet") in _file(store, name, NEXT_DAY)


@pytest.mark.parametrize("left", [0, 1])
def test_a_day_with_hardly_a_test_row_has_a_report_too(store: Store, left: int):
    kept = iter([1] * left)

    def hardly_any(table: pa.Table) -> pa.Table:
        """One row of the first row group of test rows; the other row groups become training rows."""
        if table["split"][0].as_py() != Split.TEST.code:
            return table
        rows = next(kept, 0)
        return table.slice(0, rows) if rows else with_column(table, "split", Split.TRAIN.code)

    for day in window_of(DAY):
        reencode(store, day, hardly_any)
    evaluate_day(store, DAY)
    reported = _report(store)
    assert "feature_importance" not in reported
    assert reported["dagster/row_count"] == left
    assert f"Of {left} test rows none can be given" in _file(store, "report.html")
    assert f"| test | Wide & Deep | {left} |" in _file(store, "model_card.md")


def test_a_model_retrained_after_its_evaluation_is_refused(store: Store):
    before = store.find(EVALUATION_REPORT, DAY)
    train_wide_deep(store, DAY, WEAK)
    with pytest.raises(ValueError, match=f"materialize evaluation_metrics for {DAY} again"):
        _report(store)
    assert store.find(EVALUATION_REPORT, DAY) == before


def test_names_from_the_data_cannot_break_the_page():
    from ctr_assets.evaluation.document import Cell, Document, Section, Table, render_html, render_markdown

    table = Table(("name",), ((Cell("<b>|x"),),))
    document = Document("t", "s", "v", "", (), (), (Section("one", tables=(table,)),), "f")
    assert "&lt;b&gt;|x" in render_html(document)
    assert in_markdown("<b>|x") == r"\<b\>\|x"
    assert f"| {in_markdown('<b>|x')} |" in render_markdown(document)


def test_a_long_table_is_folded_under_its_caption():
    from ctr_assets.evaluation.document import Cell, Document, Section, Table, render_html

    def page(rows: int, caption: str) -> str:
        table = Table(("name",), ((Cell("x"),),) * rows, caption=caption)
        return render_html(Document("t", "s", "v", "", (), (), (Section("one", tables=(table,)),), "f"))

    assert "<summary>all of them</summary>" in page(13, "all of them")
    assert "<caption>all of them</caption>" in page(12, "all of them")
    assert "<details>" not in page(12, "all of them") + page(13, "")


def test_the_verdict_is_not_said_again_among_its_reasons(evaluated: Evaluated, reported: dict[str, Any]):
    text = _file(evaluated.store, "report.md")
    reasons = [line.removeprefix("* ") for line in text.split("## ")[0].splitlines() if line.startswith("* ")]
    assert reasons
    assert all(reason[0].lower() + reason[1:] not in text.split("**")[1] for reason in reasons)
