"""The files that one task writes of raw days: the rows, their counts, and the hashes of their ids."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctr_assets.etl.columns import code_rows
from ctr_assets.etl.counts import Buckets, count_values, write_counts
from ctr_assets.etl.day_files import DayFiles
from ctr_assets.etl.parse import PARSED_SCHEMA, RAW_PARQUET_OPTIONS
from ctr_assets.storage import DataFile, TableVersion
from ctr_assets.storage.parts import describe, open_sink

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class CountedRows:
    """Impressions (``PARSED_SCHEMA``), the counts of their values, and the hash of each id, shape ``(n,)``."""

    rows: pa.Table
    counts: Buckets
    id_hashes: Hashes


@dataclass(frozen=True)
class RawPart:
    """A raw file, the file of its counts, and that of the hashes of its ids, in the order of its rows."""

    rows: DataFile
    counts: DataFile
    hashes: DataFile


def count_rows(rows: pa.Table) -> CountedRows:
    """Count the values of some impressions, while their dictionaries are in memory."""
    coded = code_rows(rows)
    return CountedRows(rows, count_values(coded), coded.id_hashes)


class RawFiles:
    """Writes impressions to the files of their day, and beside each what was counted in it."""

    def __init__(self, versions: Mapping[str, TableVersion], suffix: str) -> None:
        self._versions = versions
        self._rows = DayFiles(versions, suffix, PARSED_SCHEMA, **RAW_PARQUET_OPTIONS)
        #: Of each file of a day, by its number.
        self._counts: dict[tuple[str, int], list[Buckets]] = defaultdict(list)
        self._hashes: dict[tuple[str, int], list[Hashes]] = defaultdict(list)

    def write(self, day: str, counted: CountedRows) -> None:
        """Write one row group."""
        file = day, self._rows.write(day, counted.rows)
        self._counts[file].append(counted.counts)
        self._hashes[file].append(counted.id_hashes)

    def close(self) -> dict[str, list[RawPart]]:
        """Finish all files and describe them, by day, in the order of their rows."""
        return {
            day: [self._part(day, number, file) for number, file in enumerate(files)]
            for day, files in self._rows.close().items()
        }

    def _part(self, day: str, number: int, file: DataFile) -> RawPart:
        version = self._versions[day]
        counts = write_counts(version, file.name, self._counts[day, number])
        return RawPart(file, counts, _write_hashes(version, file.name, self._hashes[day, number]))


def _write_hashes(version: TableVersion, rows_file: str, hashes: list[Hashes]) -> DataFile:
    """Keep the hashes until the day is looked through for repeated ids."""
    name = f"hashes-{rows_file.removesuffix('.parquet')}"
    with open_sink(version.store, version.folder, name) as sink:
        for of_group in hashes:
            sink.write(of_group)
    return describe(name, sink)
