"""The graph as a picture, light and dark: a row a stage, drawn without the edges that others imply."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

import dagster as dg

from ctr_assets_tests.docs.graph import ENGINES, GRAPH, engine_of, names

FOLDER: Final = Path(__file__).parents[2] / "docs" / "assets"
LANDING: Final = "landing zone"

PLACES: Final = {
    LANDING: (0, 0, "train.gz, zip, CSV, day=…/"),
    "raw_impressions": (1, 0, "every line accounted for"),
    "impression_profile": (2, 0, "values, click rates, plots"),
    "feature_vocabulary": (1, 1, "ids that never change"),
    "encoded_features": (2, 1, "label, split, one id a feature"),
    "wide_deep_model": (0, 2, "goes on from the day before"),
    "logistic_baseline": (1, 2, "one-hot ids, all crosses"),
    "gbt_baseline": (2, 2, "Spark ML's boosted trees"),
    "evaluation_metrics": (0, 3, "all models, the next day's rows"),
    "evaluation_report": (1, 3, "one page to send around"),
    "champion_model": (2, 3, "better, or fresher and as good"),
    "click_predictions": (0, 4, "every impression of a day"),
    "serving_model": (1, 4, "one ONNX file that answers"),
    "champion_validation": (2, 4, "on days it never learnt from"),
}
"""Asset → column, row and what it is in few words."""

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 236, 50, 56, 34, 26
FONT: Final = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
COLOURS: Final = {
    "light": {
        **{"text": "#1f2328", "faint": "#59636e", "line": "#818b98", LANDING: "#eef1f4"},
        **{"Spark": "#fbe3cf", "PyTorch": "#dbe7fb", "scikit-learn": "#e9e0f7", "ONNX Runtime": "#d7efdf"},
    },
    "dark": {
        **{"text": "#e6edf3", "faint": "#9aa4af", "line": "#6e7681", LANDING: "#2a3038"},
        **{"Spark": "#5c3a1e", "PyTorch": "#1f3a66", "scikit-learn": "#45346b", "ONNX Runtime": "#1f4d33"},
    },
}


def pictures() -> dict[Path, str]:
    """The two files and what they hold."""
    return {FOLDER / f"graph-{scheme}.svg": _drawn(colours) for scheme, colours in COLOURS.items()}


def edges() -> set[tuple[str, str]]:
    """Pairs of an asset and what is made from it, but for those that follow from others; its own past is one."""
    parents = {name: {key.path[-1] for key in GRAPH.get(dg.AssetKey(name)).parent_keys} for name in names()}
    above = {name: _ancestors(name, parents) for name in parents}
    return {(LANDING, "raw_impressions")} | {
        (parent, name)
        for name, of in parents.items()
        for parent in of
        if parent == name or not any(parent in above[other] for other in of - {name, parent})
    }


def _ancestors(name: str, parents: dict[str, set[str]]) -> set[str]:
    direct = parents[name] - {name}
    return direct.union(*(_ancestors(parent, parents) for parent in direct))


def _drawn(colours: dict[str, str]) -> str:
    columns = 1 + max(column for column, _, _ in PLACES.values())
    rows = 1 + max(row for _, row, _ in PLACES.values())
    width = columns * (WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    height = rows * (HEIGHT + GAP_Y) + MARGIN + 14
    parts = [*_legend(colours, height - 18), *_arrows(colours), *_boxes(colours)]
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' {FONT} role='img'>"
    marker = (
        "<defs><marker id='end' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
        f"<path d='M0 0 8 4 0 8z' fill='{colours['line']}'/></marker></defs>"
    )
    return "\n".join([head, "<title>The graph of assets</title>", marker, *parts, "</svg>"]) + "\n"


def _corner(name: str) -> tuple[int, int]:
    """The upper left corner of a box."""
    column, row, _ = PLACES[name]
    return MARGIN + column * (WIDTH + GAP_X), MARGIN // 2 + row * (HEIGHT + GAP_Y)


def _boxes(colours: dict[str, str]) -> Iterator[str]:
    for name, (_, _, words) in PLACES.items():
        x, y = _corner(name)
        fill = colours[LANDING if name == LANDING else engine_of(name)]
        yield f"<rect x='{x}' y='{y}' width='{WIDTH}' height='{HEIGHT}' rx='8' fill='{fill}'/>"
        yield _text(x + WIDTH / 2, y + 21, name, 15, colours["text"], "600")
        yield _text(x + WIDTH / 2, y + 39, words, 12, colours["faint"])


def _text(x: float, y: float, text: str, size: int, colour: str, weight: str = "400", anchor: str = "middle") -> str:
    style = f"font-size='{size}' font-weight='{weight}' fill='{colour}' text-anchor='{anchor}'"
    return f"<text x='{x:g}' y='{y:g}' {style}>{escape(text)}</text>"


def _arrows(colours: dict[str, str]) -> Iterator[str]:
    for edge in sorted(edges()):
        style = f"fill='none' stroke='{colours['line']}' stroke-width='1.5' marker-end='url(#end)'"
        yield f"<path d='{_path(*edge)}' {style}/>"


def _path(start: str, end: str) -> str:
    (x, y), (to_x, to_y) = _corner(start), _corner(end)
    if start == end:  # a loop at the left side
        return f"M{x} {y + 14}c-26 -2 -26 24 -2 22"
    middle = HEIGHT // 2
    if y == to_y:
        return f"M{x + WIDTH} {y + middle}H{to_x - 2}" if x < to_x else f"M{x} {y + middle}H{to_x + WIDTH + 2}"
    from_x, into_x = x + WIDTH // 2, to_x + WIDTH // 2
    return f"M{from_x} {y + HEIGHT}C{from_x} {y + HEIGHT + GAP_Y} {into_x} {to_y - GAP_Y} {into_x} {to_y - 2}"


def _legend(colours: dict[str, str], y: int) -> Iterator[str]:
    for position, engine in enumerate(ENGINES.values()):
        x = MARGIN + position * 130
        yield f"<rect x='{x}' y='{y}' width='14' height='14' rx='3' fill='{colours[engine]}'/>"
        yield _text(x + 20, y + 11, engine, 12, colours["faint"], anchor="start")
    yield _text(MARGIN + 4 * 130, y + 11, "a loop: made from its own day before", 12, colours["faint"], anchor="start")
