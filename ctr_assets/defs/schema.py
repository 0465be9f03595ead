"""Column schemas of the tables as the UI shows them, and the labels that all assets share."""

from collections.abc import Mapping
from typing import Final

import dagster as dg
import pyarrow as pa

OWNERS: Final = ["team:ctr-models"]
SPARK_KINDS: Final = {"spark", "parquet"}
PYTORCH_KINDS: Final = {"pytorch", "python"}


def column_schema(schema: pa.Schema, descriptions: Mapping[str, str]) -> dict[str, dg.TableSchema]:
    """Definition metadata with the columns of a table; every column must be described."""
    columns = [
        dg.TableColumn(
            field.name,
            str(field.type),
            descriptions[field.name],
            constraints=dg.TableColumnConstraints(nullable=field.nullable),
        )
        for field in schema
    ]
    return {"dagster/column_schema": dg.TableSchema(columns)}
