"""Whatever a value is, people see it as it is: no markup in Markdown, no mathematics in a picture."""

import html
import re
import unicodedata
import warnings

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ctr_assets.etl.plots import click_rate_plots
from ctr_assets.evaluation.document import Cell, Table, render_table
from ctr_assets.plain_text import in_markdown, in_picture, markdown_table, visible
from ctr_assets.tables import PROFILE_SCHEMA

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
VALUES = [
    "US$10_$20",
    r"\$1 \$2",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<!-- comment",
    "a|b|c",
    "![p](https://example.invalid/p.png)",
    "![p][1]",
    "[x](javascript:alert(1))",
    "https://example.invalid/?a=1&b=2",
    "www.example.invalid",
    "WWW.example.invalid",
    "somebody@example.invalid",
    "&amp; &lt; &#36;",
    "`code` ``more``",
    "~~gone~~ *bold* __strong__ #1",
    "a\\",
    "\\|",
    "# heading",
    "- item",
    "1. item",
    "| --- |",
    "line\nbreak\r\u2028\u0085x",
    "nul\x00 bell\x07 tab\t",
    "\u202eright to left",
    "日本語 🙂",
    "x" * 5000,
    "",
    " ",
]


def cells(markdown):
    """The text of each body cell of a rendered table, and the page."""
    page = GITHUB.render(markdown)
    return [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)], page


def as_one_line(value):
    return " ".join(visible(value).split())


@pytest.mark.parametrize("value", VALUES)
def test_a_value_in_a_table_is_rendered_as_it_is(value):
    found, page = cells(markdown_table(("value", "rows"), [(visible(value), "1")]))
    assert found == [as_one_line(value), "1"]
    assert not re.search(r"<(img|a|script|code|s|em|strong|h1)\b", page)


@given(st.text(alphabet=st.sampled_from("\\`*_{}[]()<>#!|~&:@$^=.-+ w\n\"'/ax1é"), max_size=30))
@example("<a@b.c>")
def test_any_text_in_a_table_is_rendered_as_it_is(value):
    found, _ = cells(markdown_table(("value", "rows"), [(visible(value), "1")]))
    assert found == [as_one_line(value), "1"]


@pytest.mark.parametrize("value", VALUES)
def test_nothing_that_github_would_link_by_itself_is_left_bare(value):
    assert not re.search(r"(https?|ftp|mailto|xmpp):|www\.|[\w.]@", in_markdown(value), re.IGNORECASE)


def test_cells_of_a_document_are_text_too():
    rendered = render_table(Table(("segment", "rows"), ((Cell(VALUES[2]), Cell(VALUES[5])),), caption="*a* <b>"))
    found, page = cells(rendered)
    assert found == [VALUES[2], VALUES[5]]
    assert "<em>*a* &lt;b&gt;</em>" in page


@pytest.mark.parametrize("value", VALUES)
def test_what_is_shown_is_short_and_prints(value):
    shown = visible(value)
    assert len(shown) <= 400
    assert all(unicodedata.category(character) not in {"Cc", "Cf", "Zl", "Zp"} for character in shown)


def test_a_value_is_drawn_without_mathematics_and_without_a_warning():
    rows = [
        {"column": "site_id", "rank": i, "value": value, "rows": 9, "labelled_rows": 9, "clicks": 1}
        for i, value in enumerate([*VALUES, "$", "$$", "\\$a$", "${\\frac$"])
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for start in range(0, len(rows), 12):
            table = pa.Table.from_pylist(rows[start : start + 12], PROFILE_SCHEMA)
            assert click_rate_plots(table, ("site_id",)).startswith(b"\x89PNG")


@pytest.mark.parametrize("value", ["$", "US$10_$20", r"\$1 \$2", "$$", r"\\$a$", "no dollar"])
def test_a_label_is_drawn_as_the_value(value):
    from matplotlib.figure import Figure

    text = Figure().text(0, 0, in_picture(value))
    assert text._preprocess_math(text.get_text()) == (value, False)  # type: ignore[attr-defined]
