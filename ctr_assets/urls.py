"""Where tables and deliveries may be: a folder or a bucket. Says what a URL may look like, not what is there."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

PLACE: Final = "a folder or gs://bucket/prefix"
BUCKET: Final = "gs://bucket/prefix"
_BUCKET: Final = re.compile("gs://[a-z0-9][a-z0-9._-]+[a-z0-9](/.*)?")


def check_place(url: str) -> str:
    """``url`` if it is a folder or ``gs://bucket/prefix``. Raises ValueError."""
    # What is before a colon is a scheme, or a slip of one such as gs:/bucket, and not a folder of that name.
    is_folder = bool(url) and ":" not in url.split("/", 1)[0]
    if url != url.strip() or not url.isprintable() or not (is_folder or _BUCKET.fullmatch(url)):
        raise ValueError(f"expected {PLACE}")
    return url


def check_bucket(url: str) -> str:
    """``url`` if it is ``gs://bucket/prefix``. Raises ValueError."""
    if not url.isprintable() or url != url.strip() or not _BUCKET.fullmatch(url):
        raise ValueError(f"expected {BUCKET}")
    return url


Place = Annotated[str, AfterValidator(check_place)]
Bucket = Annotated[str, AfterValidator(check_bucket)]
