"""Markdown that GitHub and the site read alike: tables, code, and the blocks of a page that are generated."""

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

_BLOCK: Final = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str] = ()) -> str:
    """Cells are Markdown, on one line each; ``right``: columns that are aligned so."""
    aligned = ["---:" if column in set(right) else "---" for column in columns]
    lines = [columns, aligned, *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def code(text: str) -> str:
    """Code in a cell: a bar in it would end the cell."""
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def filled(page: str, blocks: Mapping[str, Callable[[], str]]) -> str:
    """The page with each ``<!-- name -->…<!-- /name -->`` filled in anew. Raises KeyError for another name."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{blocks[found[2]]()}\n\n{found[3]}", page)


def names_of_blocks(page: str) -> list[str]:
    """The blocks that a page asks for."""
    return [found[2] for found in _BLOCK.finditer(page)]
