"""The tables of the store: their columns, what they are made from, and what a manifest holds."""

from typing import Final

import pyarrow as pa

from ctr_assets import tables as t
from ctr_assets.features import RAW_COLUMNS
from ctr_assets.storage import DataFile, Manifest
from ctr_assets_tests.docs.markdown import code, table

_SCHEMAS: Final[dict[str, tuple[pa.Schema, dict[str, str]]]] = {
    t.RAW_IMPRESSIONS: (t.RAW_SCHEMA, RAW_COLUMNS),
    t.QUARANTINE: (t.QUARANTINE_SCHEMA, t.QUARANTINE_DESCRIPTIONS),
    t.IMPRESSION_PROFILE: (t.PROFILE_SCHEMA, t.PROFILE_DESCRIPTIONS),
    t.FEATURE_VOCABULARY: (t.VOCABULARY_SCHEMA, t.VOCABULARY_DESCRIPTIONS),
    t.ENCODED_FEATURES: (t.ENCODED_SCHEMA, t.ENCODED_DESCRIPTIONS),
    t.CLICK_PREDICTIONS: (t.PREDICTIONS_SCHEMA, t.PREDICTIONS_DESCRIPTIONS),
}
"""Tables of a fixed schema. The others hold models, figures and pages."""


def tables() -> str:
    """A section for each table of a fixed schema."""
    return "\n\n".join(f"## {code(name)}\n\n{_columns_of(*of)}" for name, of in _SCHEMAS.items())


def _columns_of(schema: pa.Schema, descriptions: dict[str, str]) -> str:
    rows = [(code(c.name), str(c.type), "yes" if c.nullable else "no", descriptions[c.name]) for c in schema]
    return table(("column", "type", "may be null", "meaning"), rows)


def made_from() -> str:
    """Every table of the store, and those whose versions its manifest may name."""
    rows = [(code(name), ", ".join(map(code, inputs)) or "the landing zone") for name, inputs in t.MADE_FROM.items()]
    return table(("table", "made from"), rows)


def manifest() -> str:
    """The fields of a manifest, and of each file that it names."""
    return "\n\n".join(
        table((heading, "type"), [(code(name), _type_of(schema)) for name, schema in _properties(model)])
        for heading, model in (("field", Manifest), ("field of a file", DataFile))
    )


def _properties(model: type[Manifest | DataFile]) -> list[tuple[str, dict]]:
    return list(model.model_json_schema()["properties"].items())


def _type_of(schema: dict) -> str:
    if schema["type"] == "array":
        return "a list of files"
    return {"object": "names and values", "integer": "a whole number", "string": "text"}[schema["type"]] + (
        ", a time in UTC" if schema.get("format") == "date-time" else ""
    )
