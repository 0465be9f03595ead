"""What is wrong with given values, in words: the one wording of every settings file, launchpad and job parameter."""

import re

from pydantic import ValidationError


class SettingsError(ValueError):
    """Settings that cannot be used; the message names each, its value and what it may be."""


def problems(name: str, error: ValidationError) -> str:
    """Every problem as ``name.path.of.the.field: what is expected (got value)``, in one line."""
    told = []
    for problem in error.errors(include_url=False):
        place = ".".join([name, *map(str, problem["loc"])])
        message = re.sub("^Value error, ", "", problem["msg"])
        told.append(f"{place}: {message}" + (f" (got {problem['input']!r})" if problem["loc"] else ""))
    return "; ".join(told)
