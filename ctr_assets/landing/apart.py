"""The landing zone and the store lie apart: else tables would be read as deliveries, and swept away with them."""

import os

from ctr_assets.landing.errors import LandingError, shown
from ctr_assets.storage.locate import LOCAL, split_url


def check_apart(landing_url: str, store_url: str) -> None:
    """Raise LandingError when one is the other or lies within it; links on a disk count as what they stand for.

    Asks no object storage. Raises ValueError for a URL that is of no place.
    """
    landing, store = _place(landing_url), _place(store_url)
    if not (landing.startswith(store) or store.startswith(landing)):
        return
    where = "in the same place as" if landing == store else "within" if landing.startswith(store) else "around"
    raise LandingError(
        f"The landing zone {shown(landing_url)} is {where} the store {shown(store_url)}: set CTR_LANDING_URL "
        "and CTR_STORE_URL to two places apart, such as DATA/landing and DATA/store"
    )


def _place(url: str) -> str:
    """The one URL of a place, which ends with a slash."""
    scheme, path = split_url(url)
    return scheme + (os.path.realpath(path) if scheme == LOCAL else path).rstrip("/") + "/"
