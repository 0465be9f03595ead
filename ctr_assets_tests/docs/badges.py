"""The README's badges: facts of ``pyproject.toml``, drawn here, so that nothing is asked of a foreign host."""

import tomllib
from html import escape
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "assets" / "badges"
_CHARACTER, _PADDING = 6.6, 8  # widths in pixels, of Verdana at 11


def badges() -> dict[Path, str]:
    """The files and what they hold."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    facts = {"version": project["version"], "python": project["requires-python"], "licence": project["license"]}
    return {FOLDER / f"{name}.svg": _drawn(name, fact) for name, fact in facts.items()}


def _drawn(name: str, fact: str) -> str:
    left, right = (round(len(text) * _CHARACTER) + 2 * _PADDING for text in (name, fact))
    text = "y='14' font-family='Verdana, DejaVu Sans, sans-serif' font-size='11' fill='#fff' text-anchor='middle'"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{left + right}' height='20' role='img'>"
        f"<title>{name}: {escape(fact)}</title><rect width='{left + right}' height='20' rx='3' fill='#444d56'/>"
        f"<path d='M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H{left}z' fill='#2b6cb0'/>"
        f"<text x='{left / 2:g}' {text}>{name}</text>"
        f"<text x='{left + right / 2:g}' {text}>{escape(fact)}</text></svg>\n"
    )
