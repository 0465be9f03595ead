"""Names of pairs of values: what the vocabulary of a cross feature holds."""

import re
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

CROSS_SEPARATOR: Final = " × "
_SIGN: Final = CROSS_SEPARATOR.strip()
_VALUE: Final = f"((?:[^{_SIGN}]|{_SIGN}{_SIGN})*)"
_NAME: Final = re.compile(f"{_VALUE}{CROSS_SEPARATOR}{_VALUE}", re.DOTALL)


def cross_names(left: pa.Array, right: pa.Array) -> pa.Array:
    """The name of each pair of values; two pairs never share one.

    Each × within a value is doubled. So all runs of × in a name have even length but the separator's own, which spaces
    set apart: it can be found again, and the values with it.
    """
    doubled = (pc.replace_substring(values, _SIGN, 2 * _SIGN) for values in (left, right))
    return pc.binary_join_element_wise(*doubled, CROSS_SEPARATOR)


def pair_of(name: str) -> tuple[str, str]:
    """The two values that a name of :func:`cross_names` is of. Raises ValueError for any other text."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no pair of values joined by {_SIGN}")
    first, second = (value.replace(2 * _SIGN, _SIGN) for value in found.groups())
    return first, second
