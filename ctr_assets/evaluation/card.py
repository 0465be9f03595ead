"""The model card: all that a stranger needs to judge a trained model, from what its files and its evaluation say.

The form follows Mitchell et al., "Model cards for model reporting" (FAT* 2019). Pure: computes nothing from rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ctr_assets.evaluation.document import Cell, Section, Table, render_sections
from ctr_assets.evaluation.scored import CONSTANT, NAMES, WIDE_DEEP
from ctr_assets.features import Split
from ctr_assets.plain_text import in_markdown

CARD_NAME: Final = "model_card.md"
_SPLITS: Final = (Split.TRAIN, Split.VALIDATION, Split.TEST, Split.UNLABELLED)

Card = Mapping[str, Any]
"""What ``card.json`` beside the weights holds (``training/card.py``); older ones lack some of it."""
Figures = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Of each set of rows and each model: the fields of ``Metrics``, and standard errors (``evaluated.figures_of``)."""


def render_card(card: Card, version: str, figures: Figures, next_day: str, use: str = "") -> str:
    """The card as Markdown; the same arguments give the same text.

    ``next_day`` is that day, or why there are no figures of it. ``use`` says how to ask the model, in Markdown.
    """
    sections = (
        _identity(card, version),
        _figures(card, figures, next_day),
        _calibration(figures),
        _limits(card, figures),
        _data(card),
        _features(card),
        Section("Configuration", tables=(_table(("setting", "value"), card["config"].items(), text_columns=2),)),
    )
    title = f"# Click-through rate, Wide & Deep, {in_markdown(card['day'])}"
    what = "The probability that an impression is clicked, from its raw values."
    return "\n\n".join([title, what, *([use] if use else []), *render_sections(sections)]) + "\n"


def libraries_of(card: Card) -> dict[str, str]:
    """Version of each library that the model was trained with; of older models only PyTorch's is known."""
    return dict(card.get("libraries") or {"torch": card["torch_version"]})


def started_from(card: Card) -> str:
    """Whether training began from scratch or went on from an earlier model, and why."""
    start = card.get("start") or {}
    reason = f": {start['reason']}" if start.get("reason") else ""
    previous = start.get("previous")
    if previous is None:
        return f"from scratch{reason}"
    chain = f"days learnt so since it began from scratch: {start['continued_days']}"
    return f"went on from the model of {previous['partition']}, version {previous['version']}{reason}; {chain}"


def unknown_share(card: Card, feature: str) -> float | None:
    """Share of the days' rows whose value of the feature had no id; None where that was not recorded."""
    days = [day for day in card.get("days", {}).values() if feature in day.get("unknown_rows", {})]
    rows = sum(sum(day["splits"].values()) for day in days)
    return sum(day["unknown_rows"][feature] for day in days) / rows if rows else None


def _identity(card: Card, version: str) -> Section:
    days = sorted(card.get("learnt", card["window"]))
    told = {
        "architecture": "Wide & Deep (Cheng et al. 2016): a weight for each value of the wide features, plus a "
        "perceptron over embeddings of the deep ones",
        "version": version,
        "learnt from": f"{days[0]} to {days[-1]} ({len(days)} day{'s' if len(days) > 1 else ''})",
        "start": started_from(card),
        "size": f"{card['parameters']:,} weights",
        "vocabulary": f"version {card['vocabulary_version']}",
        "code version": card["code_version"] or "(not recorded)",
        "libraries": ", ".join(f"{name} {number}" for name, number in libraries_of(card).items()),
    }
    return Section("Which model this is", tables=(_table(("", "model"), told.items(), text_columns=2),))


def _data(card: Card) -> Section:
    text = (
        "Impressions as Avazu's log has them, one a row, by the day of their hour (UTC). A hash of a row's id and of "
        "nothing else decides what it is for: training, validation (it says when to stop), or test. Rows without a "
        f"label are never trained on. {card['train_rows']:,} training rows in the last training, "
        f"{card['base_rate']:.2%} of them clicked."
    )
    days = card.get("days")
    if days is None:
        return Section("Data", (text, "The rows of each day and split were not recorded."))
    rows = {day: [*(of["splits"][split.value] for split in _SPLITS), of.get("clicks")] for day, of in days.items()}
    rows["all"] = [None if None in counts else sum(counts) for counts in zip(*rows.values(), strict=True)]
    lines = [(day, *map(_count, counts)) for day, counts in rows.items()]
    return Section("Data", (text,), tables=(_table(("day", *_SPLITS, "clicks"), lines),))


def _features(card: Card) -> Section:
    features, sizes = card["features"], card["vocabulary_sizes"]
    lines = []
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        deep = features["deep"].get(name)
        parts = [*(["wide"] if name in features["wide"] else []), *([f"deep ({deep} numbers)"] if deep else [])]
        lines.append((name, ", ".join(parts), f"{size:,}", _percent(unknown_share(card, name))))
    text = (
        f"Preset {features['preset']}: {len(features['wide'])} wide features, {len(features['deep'])} deep ones. A "
        "value has an id once it was seen often enough in training rows. Every other value is unknown, and the unknown "
        "values of a feature are all the same to the model. A row counts as unknown if its value had no id when its "
        "day was encoded; rows of all splits are counted."
    )
    columns = ("feature", "read as", "values known", "rows unknown")
    return Section("Features and the values that it knows", (text,), tables=(_table(columns, lines, text_columns=2),))


def _figures(card: Card, figures: Figures, next_day: str) -> Section:
    kept = card["metrics"]
    validation = sum(day["splits"][Split.VALIDATION.value] for day in card.get("days", {}).values())
    learnt = {
        Split.TRAIN: {"rows": card["train_rows"], "logloss": kept["train_logloss"]},
        Split.VALIDATION: {
            "rows": validation or None,
            "logloss": kept["validation_logloss"],
            "roc_auc": kept["validation_auc"],
        },
    }
    of_rows: dict[str, Any] = {**{split: {WIDE_DEEP: of} for split, of in learnt.items()}, **figures}
    lines = [
        (
            rows_of.replace("_", " "),
            NAMES.get(model, model),
            _count(of.get("rows")),
            _count(of.get("clicks")),
            _figure(of.get("logloss"), of.get("logloss_standard_error")),
            _figure(of.get("normalized_entropy")),
            _figure(of.get("roc_auc"), None if model == CONSTANT else of.get("roc_auc_standard_error")),
            _figure(of.get("pr_auc")),
        )
        for rows_of, of_models in of_rows.items()
        for model, of in of_models.items()
    ]
    texts = [
        f"Of the training and validation rows: epoch {kept['best_epoch']} of {kept['epochs']}, training rows as they "
        "were met, with dropout. Validation chose the epoch, so it flatters a little. Test rows are of the same days "
        f"and were never learnt from. Next day, of which nothing was learnt: {next_day}.",
        f"The {NAMES[CONSTANT]} is the click rate of the training rows, said of every row. Normalized entropy is a "
        "logloss divided by that of the rows' own click rate. What follows ± is a standard error, with hours and "
        "devices taken as clusters.",
    ]
    notes = {
        f"{of.replace('_', ' ')}, {NAMES.get(model, model)}: {note}"
        for of, models in figures.items()
        for model, each in models.items()
        for note in each.get("notes", ())
    }
    columns = ("rows", "model", "number", "clicks", "logloss", "normalized entropy", "ROC AUC", "PR AUC")
    return Section("How good it is", (*texts, *sorted(notes)), tables=(_table(columns, lines, text_columns=2),))


def _calibration(figures: Figures) -> Section:
    lines = [
        (
            rows_of.replace("_", " "),
            NAMES.get(model, model),
            _figure(of.get("calibration_ratio"), of.get("calibration_ratio_standard_error")),
            _figure(of.get("expected_calibration_error")),
        )
        for rows_of, of_models in figures.items()
        for model, of in of_models.items()
    ]
    text = (
        "Calibration ratio: mean prediction divided by click rate; above 1, more clicks are promised than come. "
        "Calibration error: mean distance of prediction and click rate over 15 bins of equally many rows."
    )
    columns = ("rows", "model", "calibration ratio", "calibration error")
    return Section("Calibration", (text,), tables=(_table(columns, lines, text_columns=2),))


def _limits(card: Card, figures: Figures) -> Section:
    shares = {name: unknown_share(card, name) or 0.0 for name in card["vocabulary_sizes"]}
    least = max(shares, key=lambda name: shares[name])
    unknown = f" Least known is {least}: unknown in {shares[least]:.1%} of the rows." if shares[least] else ""
    ratios = [ratio for of in figures.values() if (ratio := of.get(WIDE_DEEP, {}).get("calibration_ratio"))]
    spread = " to ".join(dict.fromkeys(f"{ratio:.3f}" for ratio in (min(ratios), max(ratios)))) if ratios else ""
    checked = f"the calibration ratio above: {spread}" if spread else "it was not checked"
    texts = (
        "It knows the log that it learnt from and no other: nothing here is about other networks, countries or years.",
        "A value that it never met is unknown, and one unknown is like another: the more of them, the closer the "
        f"answer is to that of an average impression.{unknown}",
        "It ages. Days after its own bring sites, creatives and rates that it never met, and it does worse on them. "
        "The test rows are of its own days, so they do not show that. The next day does, and champion_validation shows "
        "it for later days.",
        f"Its probabilities are right on average over many impressions ({checked}); of a small segment they may be "
        "far off: evaluation_report has them by segment.",
        "It is made to rank and to price impressions. It predicts clicks, neither their worth nor their cause, and is "
        "not for decisions about a person: device_id and device_ip stand for devices, and no input identifies one.",
    )
    return Section("Limits", texts)


def _table(columns: Sequence[str], lines: Iterable[Sequence[Any]], text_columns: int = 1) -> Table:
    return Table(tuple(columns), tuple(tuple(Cell(str(cell)) for cell in line) for line in lines), text_columns)


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _figure(value: float | None, error: float | None = None) -> str:
    return "–" if value is None else f"{value:.4f}" + ("" if error is None else f" ± {error:.4f}")
