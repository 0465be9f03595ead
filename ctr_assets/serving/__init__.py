"""The champion in use: one ONNX file from raw strings to a probability, and the server that answers with it."""

from typing import Final

from ctr_assets.storage import Manifest

TOLERANCE: Final = 1e-5
"""Greatest difference between two probabilities of one row that counts as rounding."""
SERVED_NAME: Final = "ctr"
"""Name of the model in the server's URLs."""
HTTP_PORT: Final = 8080
"""The server's, unless it is told another."""


def is_export_of(exported: Manifest | None, champion: Manifest) -> bool:
    """Whether a ``serving_model`` is the champion as it is: the same trained model, whenever it was promoted."""
    return exported is not None and exported.properties["model_version"] == champion.properties["model_version"]
