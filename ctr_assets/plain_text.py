"""Values of the data, names of files and the like as text for people: in Markdown and in pictures nothing but text.

Whoever writes a log decides what its values are. Nothing in them may become a link, a picture, HTML or mathematics.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

LONGEST_SHOWN: Final = 60
"""Characters of a value that are shown: what is longer would push the figures beside it out of sight."""
_MARKUP: Final = re.compile(
    r"([\\`*\[\]<>#|~@]|(?<![^\W_])_|_(?![^\W_])|&(?=[#\w])|(?<=[a-z]):(?=\S)|(?<=www)\.)", re.IGNORECASE
)
"""What begins or ends anything in CommonMark and its GitHub extensions: HTML, links (bare ones too), tables, …"""


def visible(value: str, longest: int = LONGEST_SHOWN) -> str:
    r"""The value on one line: what does not print as ``\n`` or ``\u202e``, and cut where it is long."""
    cut = value if len(value) <= longest else f"{value[:longest]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in cut)


def in_markdown(text: str) -> str:
    """Text that Markdown renders as it stands. Line breaks become spaces, other controls are made visible."""
    line = " ".join(text.split())
    return _MARKUP.sub(r"\\\1", visible(line, len(line)))


def in_picture(value: str, longest: int = LONGEST_SHOWN) -> str:
    """A value as a label of a matplotlib picture, which takes what stands between two dollars for mathematics."""
    return visible(value, longest).replace("$", r"\$")


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Rows of plain text as a table; columns but the first ``text_columns`` are aligned right.

    A cell is cut only where it is absurdly long: values are cut by whoever makes the rows (:func:`visible`).
    """
    aligned = ["---" if index < text_columns else "---:" for index in range(len(columns))]
    lines = [[in_markdown(cell) for cell in row] for row in (columns, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], aligned, *lines[1:]))
