"""Column schemas and lineage of the tables as the UI shows them, and the labels that all assets share."""

from collections.abc import Iterable, Mapping
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


def column_lineage(sources: Mapping[str, Iterable[tuple[str, str]]]) -> dict[str, dg.TableColumnLineage]:
    """Materialization metadata that says which ``(asset, column)`` each column is made of."""
    deps = {
        column: [dg.TableColumnDep(dg.AssetKey(asset), name) for asset, name in made_of]
        for column, made_of in sources.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}
