"""The Parquet files that one task writes of one table, a set for each day."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from ctr_assets.storage import DataFile, ParquetPart, TableVersion

MAX_PART_ROWS: Final = 1_000_000
"""Rows of one file: an encoding task holds a whole file, 112 MB of ids at 28 features."""


class DayFiles:
    """Writes tables to the file of their day, and begins another where it would grow beyond ``MAX_PART_ROWS``.

    ``suffix`` keeps the files of different tasks, and of two attempts at one, apart.
    """

    def __init__(self, versions: Mapping[str, TableVersion], suffix: str, schema: pa.Schema, **options: Any) -> None:
        self._versions, self._suffix, self._schema, self._options = versions, suffix, schema, options
        self._open: dict[str, ParquetPart] = {}
        self._files: dict[str, list[DataFile]] = defaultdict(list)

    def write(self, day: str, rows: pa.Table) -> int:
        """Write one row group; returns the number of its file among those of the day."""
        part = self._open.get(day)
        if part is not None and part.rows + rows.num_rows > MAX_PART_ROWS:
            self._files[day].append(self._open.pop(day).close())
            part = None
        if part is None:
            version, name = self._versions[day], f"part-{self._suffix}-{len(self._files[day]):03d}.parquet"
            part = ParquetPart(version.store, version.folder, name, self._schema, **self._options)
            self._open[day] = part
        part.write(rows)
        return len(self._files[day])

    def close(self) -> dict[str, list[DataFile]]:
        """Finish all files and describe them, by day, in the order of their rows."""
        for day, part in self._open.items():
            self._files[day].append(part.close())
        return dict(self._files)
