"""The landing zone and the store lie apart: else tables would be read as deliveries, and swept away with them."""

import os

from fsspec.implementations.local import LocalFileSystem

from ctr_assets.landing.errors import LandingError, shown
from ctr_assets.storage.locate import locate


def check_apart(landing_url: str, store_url: str) -> None:
    """Raise LandingError when one is the other or lies within it; links on a disk count as what they stand for.

    Raises ValueError for a URL that is of no place.
    """
    (landing_is_local, landing), (store_is_local, store) = _place(landing_url), _place(store_url)
    if landing_is_local is not store_is_local or not (landing.startswith(store) or store.startswith(landing)):
        return
    where = "in the same place as" if landing == store else "within" if landing.startswith(store) else "around"
    raise LandingError(
        f"The landing zone {shown(landing_url)} is {where} the store {shown(store_url)}: set CTR_LANDING_URL "
        "and CTR_STORE_URL to two places apart, such as DATA/landing and DATA/store"
    )


def _place(url: str) -> tuple[bool, str]:
    """Whether it is on a disk, and its path, which ends with a slash."""
    fs, path = locate(url)
    is_local = isinstance(fs, LocalFileSystem)
    return is_local, (os.path.realpath(path) if is_local else path).rstrip("/") + "/"
