"""Label and field selectors: parsed once, then asked whether an object matches."""

import re
from collections.abc import Callable

from ctr_assets_tests.kubernetes.errors import bad_request
from ctr_assets_tests.kubernetes.resources import Json, Resource

Matches = Callable[[Json], bool]
Requirement = Callable[[dict[str, str]], bool]

COMMON_FIELDS = frozenset({"metadata.name", "metadata.namespace"})


def parse_label_selector(text: str) -> Matches:
    """`a=1,b!=2,c in (x,y),d notin (z),e,!f`. Raises 400 for what is none of these."""
    requirements = [_requirement(part.strip()) for part in re.split(r",(?![^(]*\))", text) if part.strip()]

    def matches(obj: Json) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(requirement(labels) for requirement in requirements)

    return matches


def _requirement(part: str) -> Requirement:
    if found := re.fullmatch(r"(\S+)\s+(in|notin)\s+(.*)", part):
        key, operator, values = found.groups()
        if not values.startswith("("):
            raise bad_request(f"unable to parse requirement: found '{values.split()[0]}' expected: '('")
        wanted = {value.strip() for value in values.strip("()").split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in wanted
        return lambda labels: labels.get(key) not in wanted
    if found := re.fullmatch(r"([^!=\s]+)\s*(==|=|!=)\s*(\S*)", part):
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if re.fullmatch(r"![^!=\s]+", part):
        return lambda labels: part[1:] not in labels
    if re.fullmatch(r"[^!=\s]+", part):
        return lambda labels: part in labels
    raise bad_request(f"unable to parse requirement: found '{part}'")


def parse_field_selector(text: str, resource: Resource) -> Matches:
    """`a.b=x,c!=y` over the fields that the resource knows. Raises 400 for any other field."""
    wanted: list[tuple[str, bool, str]] = []
    for part in filter(None, text.split(",")):
        found = re.fullmatch(r"([^!=]+)(==|=|!=)(.*)", part)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, operator, value = found.groups()
        if path not in COMMON_FIELDS | resource.fields:
            raise bad_request(f"field label not supported: {path}")
        wanted.append((path, operator != "!=", value))
    return lambda obj: all((_value(obj, path) == value) is equal for path, equal, value in wanted)


def _value(obj: Json, path: str) -> str:
    if path == "status.successful":
        return str((obj.get("status") or {}).get("succeeded", 0))
    found: object = obj
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    if path == "source":
        return str((obj.get("source") or {}).get("component", ""))
    return "" if found is None else str(found)
