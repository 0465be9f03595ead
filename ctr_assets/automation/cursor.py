"""What the landing watch remembers between two looks: a small JSON text, as long as the graph has days."""

import json
from dataclasses import dataclass, field
from typing import Final

ARCHIVES: Final = "archives"
"""Stands where a day would for the set of all archives."""
_FORMAT: Final = 1


@dataclass
class Cursor:
    """``requested``: day (or ``archives``) -> fingerprint of the content that a run was requested for.

    ``growing``: day -> fingerprint last seen and since when (epoch seconds). ``resume``: the day to look at first.
    """

    zone: str
    requested: dict[str, str] = field(default_factory=dict)
    growing: dict[str, tuple[str, float]] = field(default_factory=dict)
    resume: str | None = None

    def dump(self) -> str:
        content = {"format": _FORMAT, "zone": self.zone, "requested": self.requested, "growing": self.growing}
        return json.dumps({**content, "resume": self.resume}, separators=(",", ":"))


def parse_cursor(text: str | None, zone: str) -> Cursor:
    """The cursor that :meth:`Cursor.dump` wrote for this landing zone; any other text gives a fresh one.

    Starting afresh is safe: a content that a run was requested for has the same run key again.
    """
    try:
        content = json.loads(text or "")
        if (content["format"], content["zone"]) != (_FORMAT, zone):
            return Cursor(zone)
        return Cursor(
            zone,
            {str(day): str(fingerprint) for day, fingerprint in content["requested"].items()},
            {str(day): (str(fingerprint), float(since)) for day, (fingerprint, since) in content["growing"].items()},
            content["resume"],
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return Cursor(zone)
