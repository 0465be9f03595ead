"""A document of sections, tables and pictures, as one HTML file that needs no other, and as Markdown."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Final, Literal

import jinja2

from ctr_assets.plain_text import in_markdown, markdown_table

Tone = Literal["", "better", "worse"]
_TEMPLATE: Final = "document.html.j2"
_FOLDED_ROWS: Final = 12


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    tone: Tone = ""
    share: float | None = None
    """Length of a bar behind the text, 0 to 1; HTML only."""


@dataclass(frozen=True)
class Table:
    """Columns are aligned right but for the first ``text_columns``."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text_columns: int = 1
    caption: str = ""
    groups: tuple[str, ...] = ()
    """What each column is of, the same for neighbours, as a second heading above; empty for none at all."""

    @property
    def is_folded(self) -> bool:
        """Whether HTML shows the caption alone until it is opened: a long table hides what comes after it."""
        return bool(self.caption) and len(self.rows) > _FOLDED_ROWS

    @property
    def spans(self) -> list[tuple[str, int]]:
        """Each run of equal groups with its length."""
        return [(group, len(list(run))) for group, run in groupby(self.groups)]

    def css_class(self, column: int) -> str:
        """What the style of a column depends on: whether it is text, and whether it is the first of its group."""
        starts = 0 < column < len(self.groups) and self.groups[column] != self.groups[column - 1]
        return " ".join([*(["text"] if column < self.text_columns else []), *(["start"] if starts else [])])


@dataclass(frozen=True)
class Picture:
    """A PNG. Only some are in the Markdown, which an event log has to hold."""

    title: str
    png: bytes
    is_in_markdown: bool = False
    is_wide: bool = False

    @property
    def url(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True)
class Section:
    """A heading with its paragraphs, pictures and tables, in that order."""

    title: str
    paragraphs: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class KeyFigure:
    """One number that is seen first."""

    name: str
    value: str
    comparison: Cell


@dataclass(frozen=True)
class Document:
    """The verdict stands above all, with the reasons that led to it."""

    title: str
    subtitle: str
    verdict: str
    tone: Tone
    reasons: tuple[str, ...]
    key_figures: tuple[KeyFigure, ...]
    sections: tuple[Section, ...]
    footer: str


def render_html(document: Document) -> str:
    """The whole page; pictures are data: URIs and the style is inside, so it can be sent and kept as one file."""
    return _environment().get_template(_TEMPLATE).render(document=document)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ctr_assets.evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_markdown(document: Document) -> str:
    """The same words and tables; of the pictures those that are marked for it."""
    title, subtitle, verdict = map(in_markdown, (document.title, document.subtitle, document.verdict))
    blocks = [f"# {title}", subtitle, f"**{verdict}**"]
    blocks.append("\n".join(f"* {in_markdown(reason)}" for reason in document.reasons))
    blocks += [*render_sections(document.sections), in_markdown(document.footer)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def render_sections(sections: Iterable[Section]) -> list[str]:
    """Each section as Markdown, with the pictures that are marked for it."""
    rendered = []
    for section in sections:
        blocks = [f"## {in_markdown(section.title)}", *map(in_markdown, section.paragraphs)]
        blocks += [f"![{in_markdown(each.title)}]({each.url})" for each in section.pictures if each.is_in_markdown]
        rendered.append("\n\n".join([*blocks, *map(render_table, section.tables)]))
    return rendered


def render_table(table: Table) -> str:
    """A table as Markdown."""
    groups = table.groups or ("",) * len(table.columns)
    columns = [f"{group} {column}".strip() for group, column in zip(groups, table.columns, strict=True)]
    rows = [[cell.text for cell in row] for row in table.rows]
    caption = f"*{in_markdown(table.caption)}*\n\n" if table.caption else ""
    return caption + markdown_table(columns, rows, table.text_columns)
