"""From what a client sent to columns of strings, or an error that names the column and what is expected. Pure.

Any value is a value: one that was never learnt is unknown to the model, which is no error.
"""

import struct
from collections.abc import Mapping, Sequence
from reprlib import Repr
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from kserve import InferInput, InferRequest
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import RequestedOutput

INSTANCES: Final = '{"instances": [{"column": "value", …}, …]}'
TENSOR: Final = '{"name": …, "shape": [rows], "datatype": "BYTES", "data": ["value", …]}'
DATATYPE: Final = "BYTES"
BINARY_SIZE: Final = "binary_data_size"
_LENGTH: Final = struct.Struct("<I")

Columns = dict[str, npt.NDArray[np.object_]]

_REPR: Final = Repr()
_REPR.maxlevel, _REPR.maxstring, _REPR.maxother, _REPR.maxlist, _REPR.maxdict = 2, 60, 60, 3, 3


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises InvalidInput."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as e:
        raise InvalidInput(f"the body is no JSON: {e}") from e
    if type(parsed) is not dict:
        raise InvalidInput(f"the body is {_shown(parsed)}, expected a JSON object")
    return parsed


def columns_of_instances(payload: Mapping[str, Any], wanted: Sequence[str], max_rows: int) -> Columns:
    """The ``wanted`` columns of a V1 request, each shape ``(n,)``; other keys of an instance are left out.

    A value is a string, or a whole number and then its digits. Raises InvalidInput.
    """
    instances = payload.get("instances")
    if type(instances) is not list:
        raise InvalidInput(f"instances is {_shown(instances)}, expected {INSTANCES}")
    check_rows(len(instances), max_rows)
    _check_each(instances, {dict}, "instance", 'an object {"column": "value", …}')
    columns: Columns = {}
    for name in wanted:
        try:
            values = [instance[name] for instance in instances]
        except KeyError:
            first = next(n for n, instance in enumerate(instances) if name not in instance)
            raise InvalidInput(f"instance {first} has no {name}, expected {', '.join(wanted)}") from None
        kinds = _check_each(values, {str, int}, f"{name} of instance", "a string or a whole number of 64 bits")
        columns[name] = np.array(values if kinds == {str} else list(map(str, values)), dtype=object)
    return columns


def parse_request(body: bytes, json_bytes: str | None, model_name: str, version: str | None) -> InferRequest:
    """A V2 request as it came over HTTP; ``json_bytes`` is its header when binary tensors follow the JSON.

    Only its form is looked at, not which tensors the model wants. Raises InvalidInput.
    """
    length = len(body)
    if json_bytes is not None:
        if not (json_bytes.isascii() and json_bytes.isdigit() and len(json_bytes) < 12 and int(json_bytes) <= length):
            raise InvalidInput(f"the body's JSON is said to be {_shown(json_bytes)} of its {length} bytes long")
        length = int(json_bytes)
    parsed = parse_object(body[:length])
    tensors = parsed.get("inputs")
    if type(tensors) is not list:
        raise InvalidInput(f'inputs is {_shown(tensors)}, expected {{"inputs": [{TENSOR}, …]}}')
    inputs, binary = [], memoryview(body)[length:]
    for position, tensor in enumerate(tensors):
        found, size = _tensor(tensor, position, binary)
        inputs.append(found)
        binary = binary[size:]
    if len(binary):
        raise InvalidInput(f"{len(binary)} bytes follow the last tensor: the {BINARY_SIZE} do not add up")
    return InferRequest(
        model_name,
        inputs,
        request_id=_optional(parsed, "id", str, "a string"),
        parameters=_optional(parsed, "parameters", dict, "an object"),
        request_outputs=_outputs(_optional(parsed, "outputs", list, "a list")),
        model_version=version,
    )


def columns_of_tensors(tensors: Sequence[InferInput], wanted: Sequence[str], max_rows: int) -> Columns:
    """The ``wanted`` tensors of a V2 request of either protocol, each shape ``(n,)``; others are left out.

    Raises InvalidInput unless each is of BYTES in UTF-8 and of shape ``[n]``, the same n for all.
    """
    given = {tensor.name: tensor for tensor in tensors}
    if len(given) != len(tensors):
        names = [tensor.name for tensor in tensors]
        raise InvalidInput(f"input {next(_shown(n) for n in names if names.count(n) > 1)} is given twice")
    if missing := [name for name in wanted if name not in given]:
        raise InvalidInput(f"inputs lack {', '.join(missing)}; expected {', '.join(wanted)}")
    columns: Columns = {}
    rows = None
    for name in wanted:
        tensor = given[name]
        if tensor.datatype != DATATYPE:
            raise InvalidInput(f"input {name} is of {_shown(tensor.datatype)}, expected {DATATYPE}")
        if len(tensor.shape) != 1:
            raise InvalidInput(f"input {name} has shape {_shown(tensor.shape)}, expected [rows]")
        if rows is None:
            rows = tensor.shape[0]
            check_rows(rows, max_rows)
        elif tensor.shape[0] != rows:
            raise InvalidInput(f"input {name} has {tensor.shape[0]} rows, expected {rows} as {wanted[0]} has")
        values = _values(tensor)
        if len(values) != rows:
            raise InvalidInput(f"input {name} has {len(values)} values, its shape says {rows}")
        columns[name] = np.array(values, dtype=object)
    return columns


def check_rows(rows: int, max_rows: int) -> None:
    """Raises InvalidInput."""
    if not 1 <= rows <= max_rows:
        raise InvalidInput(f"the request has {rows} rows, expected 1 to {max_rows}")


def _tensor(tensor: Any, position: int, binary: memoryview) -> tuple[InferInput, int]:
    """A tensor from its JSON, and how much of ``binary`` is its own."""
    place = f"input {position}"
    if type(tensor) is not dict:
        raise InvalidInput(f"{place} is {_shown(tensor)}, expected {TENSOR}")
    name, datatype, shape = (tensor.get(key) for key in ("name", "datatype", "shape"))
    if type(name) is not str:
        raise InvalidInput(f"{place} has the name {_shown(name)}, expected {TENSOR}")
    place = f"input {_shown(name)}"
    if type(datatype) is not str:
        raise InvalidInput(f"{place} has the datatype {_shown(datatype)}, expected {DATATYPE}")
    if type(shape) is not list or set(map(type, shape)) != {int}:
        raise InvalidInput(f"{place} has the shape {_shown(shape)}, expected [rows]")
    parameters = _optional(tensor, "parameters", dict, "an object", place) or {}
    data = _optional(tensor, "data", list, "a list", place)
    size = parameters.get(BINARY_SIZE)
    if (data is None) == (size is None):
        raise InvalidInput(f"{place} has data and {BINARY_SIZE} both or neither, expected one of them")
    found = InferInput(name, shape, datatype, data=data, parameters=parameters)
    if size is None:
        return found, 0
    if type(size) is not int or not 0 <= size <= len(binary):
        raise InvalidInput(
            f"{place} has the {BINARY_SIZE} {_shown(size)}, and {len(binary)} bytes are left of the body"
        )
    found._raw_data = bytes(binary[:size])  # what kserve's own parser sets; its class has no other way in
    return found, size


def _values(tensor: InferInput) -> list[str]:
    place = f"input {tensor.name}"
    values = tensor.data or []
    if tensor._raw_data is not None:
        values = _split(tensor._raw_data, place)
    kinds = _check_each(values, {str, bytes}, f"{place}: value", "a string")
    if bytes not in kinds:
        return values
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError as e:
        raise InvalidInput(f"{place} holds {_shown(e.object)}, expected UTF-8") from e


def _split(raw: bytes, place: str) -> list[bytes]:
    """The values of a binary tensor: before each its length, 4 bytes, the least significant first."""
    values, position = [], 0
    while position < len(raw):
        start = position + _LENGTH.size
        position = start + (_LENGTH.unpack_from(raw, position)[0] if start <= len(raw) else 1)
        if position > len(raw):
            raise InvalidInput(f"the last value of {place} is cut off, expected 4 bytes of length before each value")
        values.append(raw[start:position])
    return values


def _outputs(outputs: list[Any] | None) -> list[RequestedOutput] | None:
    if outputs is None:
        return None
    found = []
    for position, output in enumerate(outputs):
        place = f"output {position}"
        if type(output) is not dict or type(output.get("name")) is not str:
            raise InvalidInput(f'{place} is {_shown(output)}, expected {{"name": …}}')
        found.append(RequestedOutput(output["name"], _optional(output, "parameters", dict, "an object", place) or {}))
    return found


def _optional(parsed: Mapping[str, Any], key: str, kind: type, expected: str, place: str = "the request") -> Any:
    value = parsed.get(key)
    if value is not None and type(value) is not kind:
        raise InvalidInput(f"{key} of {place} is {_shown(value)}, expected {expected}")
    return value


def _check_each(values: Sequence[Any], kinds: set[type], place: str, expected: str) -> set[type]:
    """The kinds of ``values``. Raises InvalidInput at the first of another kind than ``kinds``; a bool is no int."""
    found = set(map(type, values))
    if not found <= kinds:
        n, value = next((n, value) for n, value in enumerate(values) if type(value) not in kinds)
        raise InvalidInput(f"{place} {n} is {_shown(value)}, expected {expected}")
    return found


def _shown(value: Any) -> str:
    """A client's value in an error: a few plain characters, however long or deep it is."""
    return "not given" if value is None else _REPR.repr(value).encode("ascii", "backslashreplace").decode()
