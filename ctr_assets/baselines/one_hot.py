"""Encoded rows as a sparse matrix of ones: each feature's id is a column of its own, unknown (id 0) included."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from ctr_assets.features import UNKNOWN_ID


class OneHot:
    """The columns of such a matrix: those of the first feature, then those of the second, and so on."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        """``sizes``: feature -> number of its ids; the ids are 1..size, and all beyond are read as unknown."""
        self.features: Final = tuple(sizes)
        self.sizes: Final = np.array(list(sizes.values()), dtype=np.int32)
        self.ends: Final = np.cumsum(self.sizes + 1, dtype=np.int32)
        """The column after the last of each feature."""
        self.columns: Final = int(self.ends[-1])

    def matrix(self, ids: npt.NDArray[np.int32]) -> csr_matrix:
        """Shape ``(rows, columns)``, float64; ``ids`` has shape ``(rows, features)``. A row has a one a feature."""
        positions = np.where(ids <= self.sizes, ids, UNKNOWN_ID) + (self.ends - self.sizes - 1)
        ends = np.arange(0, positions.size + 1, len(self.features), dtype=np.int32)
        return csr_matrix((np.ones(positions.size), positions.ravel(), ends), shape=(len(ids), self.columns))
