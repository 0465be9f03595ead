"""A matplotlib figure as the bytes of a PNG."""

import io
import warnings
from typing import Any


def to_png(figure: Any, **options: Any) -> bytes:
    """Draw the figure. A character that the font lacks is drawn as a box, without a warning for each."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(buffer, format="png", **options)
    return buffer.getvalue()
