"""What is raised for deliveries that cannot be taken as they are, and how paths and causes stand in its messages."""

from typing import Final

from ctr_assets.plain_text import visible

_LONGEST: Final = 4096
"""Characters that are shown of a path: as many as Linux takes."""


class LandingError(ValueError):
    """A delivered file, or the landing zone itself, cannot be read; the message names it and says what to do."""


class LandingZoneError(LandingError):
    """The landing zone cannot be listed; the message names the place and says what to do."""


def shown(path: str) -> str:
    """A path or URL on one line, whatever it holds."""
    return visible(path, _LONGEST)


def told(error: Exception) -> str:
    """What a disk, or a client of object storage, raised, on one line."""
    return visible(f"{type(error).__name__}: {error}", _LONGEST)
