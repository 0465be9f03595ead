"""The fields of a pydantic model as a table: default, what a value may be, and meaning, which names the unit."""

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from ctr_assets_tests.docs.markdown import code, table

Schema = dict[str, Any]


def fields_table(model: type[BaseModel], *others: tuple[str, BaseModel], without: tuple[str, ...] = ()) -> str:
    """A table of ``model``'s fields, but for some. ``others``: more columns of defaults, by heading, as of a preset."""
    schema = model.model_json_schema()
    rows = [
        (
            f"`{name}`",
            _code(of.get("default", "required")),
            *(_code(to_jsonable_python(getattr(other, name))) for _, other in others),
            may_be(of, schema.get("$defs", {})),
            of.get("description", ""),
        )
        for name, of in schema["properties"].items()
        if name not in without
    ]
    return table(("field", "default", *(heading for heading, _ in others), "may be", "meaning"), rows)


def may_be(of: Schema, definitions: dict[str, Schema]) -> str:
    """What a value of a JSON schema may be, in words. Raises KeyError for a type that is not known here."""
    if "$ref" in of:
        name = of["$ref"].rpartition("/")[2]
        return f"{name}, see below" if "properties" in definitions[name] else may_be(definitions[name], definitions)
    if "anyOf" in of:
        return " or ".join(may_be(each, definitions) for each in of["anyOf"])
    if "enum" in of:
        return " or ".join(f"`{value}`" for value in of["enum"])
    return _KINDS[of["type"]](of, definitions)


def _number(noun: str) -> Callable[[Schema, dict[str, Schema]], str]:
    def words(of: Schema, _: dict[str, Schema]) -> str:
        up_to = "to" if "minimum" in of else ", at most"
        bounds = {
            "minimum": " from",
            "exclusiveMinimum": " above",
            "maximum": f" {up_to}",
            "exclusiveMaximum": ", below",
        }
        told = (f"{text} {of[name]:,}" for name, text in bounds.items() if name in of)
        return f"{noun}{''.join(told)}".replace(" ,", ",")

    return words


def _text(of: Schema, _: dict[str, Schema]) -> str:
    return f"text as {code(of['pattern'])}" if "pattern" in of else "text"


def _list(of: Schema, definitions: dict[str, Schema]) -> str:
    counts = f", {of['minItems']} to {of['maxItems']}" if "maxItems" in of else ""
    return f"a list{counts}: {may_be(of['items'], definitions)}"


def _object(of: Schema, definitions: dict[str, Schema]) -> str:
    values = next(iter(of.get("patternProperties", {}).values()), of.get("additionalProperties"))
    return f"names and values: {may_be(values, definitions)}" if isinstance(values, dict) else "names and values"


_KINDS: dict[str, Callable[[Schema, dict[str, Schema]], str]] = {
    "integer": _number("a whole number"),
    "number": _number("a number"),
    "boolean": lambda *_: "`true` or `false`",
    "string": _text,
    "array": _list,
    "object": _object,
    "null": lambda *_: "none",
}


def _code(value: Any) -> str:
    return "required" if value == "required" else "none" if value is None else code(json.dumps(value))
