"""The messages of the package as their source has them, and whether a page quotes one of them."""

import ast
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import Final

GAP: Final = "…"
"""Stands where a message differs, in a page as in what is read from the source."""
_ENOUGH: Final = 0.5
"""Share of a quotation's plain words that must be a message's: a sentence may be put together of two messages."""
_FEWEST: Final = 2
"""Words that must be alike at one go to count."""


def messages(package: Path) -> list[list[str]]:
    """The words of every text in the package that has several."""
    texts = {text for path in package.rglob("*.py") for text in _texts(path)}
    return [words for words in map(_words, sorted(texts)) if len(words) >= _FEWEST]


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def is_quoted(quotation: str, known: list[list[str]]) -> bool:
    """Whether each part of a quotation between its gaps is, but for the values of an example, in some message."""
    parts = map(_words, quotation.split(GAP))
    return all(any(_is_in(part, message) for message in known) for part in parts if len(part) >= _FEWEST)


def _words(text: str) -> list[str]:
    """What is no value: words of letters alone."""
    return [word for word in re.findall(r"[^\s(),;:]+", text) if word.strip(".'\"").isalpha()]


def _is_in(part: list[str], message: list[str]) -> bool:
    if set(pairwise(part)).isdisjoint(pairwise(message)):
        return False
    blocks = SequenceMatcher(None, part, message, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= _FEWEST) >= _ENOUGH * len(part)
