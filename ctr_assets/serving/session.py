"""An exported model ready to answer: columns of strings in, probabilities out. Knows onnxruntime, no server."""

import json
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime  # type: ignore[import-untyped]

PROBABILITY: Final = "click_probability"
UNKNOWN: Final = "is_unknown"

MODEL_NAME: Final = "model.onnx"
SAMPLE_NAME: Final = "sample.parquet"

Columns = Mapping[str, npt.NDArray[np.object_]]
"""Column name -> strings, shape ``(n,)``."""


class ServedModel:
    """An ONNX file in memory. ``columns`` are its inputs, ``features`` what ``is_unknown`` is of, in order.

    Safe to use from many threads at once.
    """

    def __init__(self, path: str, threads: int = 1) -> None:
        """``threads``: of one prediction; requests that run at the same time share the cores without help."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.columns = tuple(each.name for each in self._session.get_inputs())
        self.features = tuple(json.loads(self.metadata["features"]))

    def predict(self, columns: Columns) -> npt.NDArray[np.float32]:
        """Click probabilities, shape ``(n,)``. All of :attr:`columns` must be there, of equal length; others may be."""
        (probabilities,) = self._session.run([PROBABILITY], {name: columns[name] for name in self.columns})
        return np.asarray(probabilities)

    def predict_counting(self, columns: Columns) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """The same, and for each of :attr:`features` of how many rows the value was never learnt."""
        inputs = {name: columns[name] for name in self.columns}
        probabilities, unknown = self._session.run([PROBABILITY, UNKNOWN], inputs)
        return np.asarray(probabilities), np.asarray(unknown).sum(axis=0)
