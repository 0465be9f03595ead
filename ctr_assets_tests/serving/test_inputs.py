"""Requests become columns of strings, and what is wrong with one is said with its column and what is expected."""

import json
import struct

import orjson
import pytest
from kserve import InferInput
from kserve.errors import InvalidInput

from ctr_assets.serving.inputs import columns_of_instances, columns_of_tensors, parse_object, parse_request

WANTED = ("hour", "C1")
ROW = {"hour": "14102100", "C1": "1005"}


def tensor(name, data, **other):
    return {"name": name, "shape": [len(data)], "datatype": "BYTES", "data": data, **other}


def infer(*tensors, max_rows=10, binary=b"", **other):
    body = json.dumps({"inputs": tensors, **other}).encode()
    parsed = parse_request(body + binary, str(len(body)) if binary else None, "ctr", None)
    return columns_of_tensors(parsed.inputs, WANTED, max_rows)


def packed(*values):
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def as_lists(columns):
    return {name: values.tolist() for name, values in columns.items()}


def test_instances_become_columns_whatever_else_they_hold():
    rows = [{**ROW, "id": 1.5, "click": None}, {"C1": 1002, "hour": 14102101}]
    found = columns_of_instances({"instances": rows}, WANTED, 10)
    assert as_lists(found) == {"hour": ["14102100", "14102101"], "C1": ["1005", "1002"]}
    assert all(values.dtype == object for values in found.values())


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({}, r"instances is not given, expected \{\"instances\""),
        ({"instances": {}}, "instances is {}, expected"),
        ({"instances": []}, "has 0 rows, expected 1 to 3"),
        ({"instances": [ROW] * 4}, "has 4 rows, expected 1 to 3"),
        ({"instances": [ROW, []]}, "instance 1 is .., expected an object"),
        ({"instances": [ROW, {"hour": "14102100"}]}, "instance 1 has no C1, expected hour, C1"),
        ({"instances": [{**ROW, "C1": 1.5}]}, "C1 of instance 0 is 1.5, expected a string or a whole number"),
        ({"instances": [{**ROW, "C1": True}]}, "C1 of instance 0 is True, expected a string or a whole number"),
        ({"instances": [ROW, {**ROW, "C1": None}]}, "C1 of instance 1 is not given, expected a string"),
        ({"instances": [{**ROW, "C1": ["1005"]}]}, r"C1 of instance 0 is \['1005'\], expected a string"),
        (
            {"instances": [{**ROW, "C1": {"a": "b" * 900}}]},
            r"C1 of instance 0 is \{'a': 'b{10,30}\.\.\.b{10,30}'\}, expected a string",
        ),
    ],
)
def test_what_is_wrong_with_instances_is_said(payload, said):
    with pytest.raises(InvalidInput, match=said):
        columns_of_instances(payload, WANTED, 3)


def test_tensors_become_columns_in_text_and_in_binary():
    assert as_lists(infer(tensor("x", [1]), tensor("C1", ["ü", ""]), tensor("hour", ["a", "b"]))) == {
        "hour": ["a", "b"],
        "C1": ["ü", ""],
    }
    raw = [packed(b"a", b"\0"), packed("ü".encode(), b"")]
    tensors = [
        {"name": name, "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
        for name, data in zip(WANTED, raw, strict=True)
    ]
    assert as_lists(infer(*tensors, binary=b"".join(raw))) == {"hour": ["a", "\0"], "C1": ["ü", ""]}


HOUR = tensor("hour", ["a"])


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ([], "inputs lack hour, C1; expected hour, C1"),
        ([HOUR], "inputs lack C1; expected hour, C1"),
        ([HOUR, HOUR, tensor("C1", ["a"])], "input 'hour' is given twice"),
        ([HOUR, 7], "input 1 is 7, expected"),
        ([HOUR, {**HOUR, "name": None}], "input 1 has the name not given, expected"),
        ([HOUR, tensor("C1", ["a"], datatype=3)], "input 'C1' has the datatype 3, expected BYTES"),
        ([HOUR, tensor("C1", [1], datatype="INT64")], "input C1 is of 'INT64', expected BYTES"),
        ([HOUR, tensor("C1", ["a"], shape="1")], r"input 'C1' has the shape '1', expected \[rows\]"),
        ([HOUR, tensor("C1", ["a"], shape=[True])], r"input 'C1' has the shape \[True\], expected \[rows\]"),
        ([HOUR, tensor("C1", ["a"], shape=[1, 1])], r"input C1 has shape \[1, 1\], expected \[rows\]"),
        ([HOUR, tensor("C1", ["a", "b"])], "input C1 has 2 rows, expected 1 as hour has"),
        ([HOUR, tensor("C1", ["a", "b"], shape=[1])], "input C1 has 2 values, its shape says 1"),
        ([HOUR, tensor("C1", [1])], "input C1: value 0 is 1, expected a string"),
        ([HOUR, tensor("C1", [None])], "input C1: value 0 is not given, expected a string"),
        ([HOUR, {**HOUR, "name": "C1", "data": "a"}], "data of input 'C1' is 'a', expected a list"),
        ([HOUR, {**HOUR, "name": "C1", "data": None}], "input 'C1' has data and binary_data_size both or neither"),
        ([HOUR, tensor("C1", ["a"], parameters=[])], "parameters of input 'C1' is .., expected an object"),
        ([tensor("hour", []), tensor("C1", [])], "the request has 0 rows, expected 1 to 10"),
        ([tensor("hour", ["a"] * 11), HOUR | {"name": "C1"}], "the request has 11 rows, expected 1 to 10"),
        ([tensor("hour", ["a"], shape=[-1]), tensor("C1", ["a"])], "the request has -1 rows, expected 1 to 10"),
    ],
)
def test_what_is_wrong_with_tensors_is_said(tensors, said):
    with pytest.raises(InvalidInput, match=said):
        infer(*tensors)


@pytest.mark.parametrize(
    ("size", "binary", "said"),
    [
        (9, packed(b"a"), "input 'C1' has the binary_data_size 9, and 5 bytes are left"),
        (-1, packed(b"a"), "input 'C1' has the binary_data_size -1"),
        (1.0, packed(b"a"), "input 'C1' has the binary_data_size 1.0"),
        (4, packed(b"a"), "1 bytes follow the last tensor"),
        (3, b"abc", "the last value of input C1 is cut off"),
        (4, packed(b"abc")[:4], "the last value of input C1 is cut off"),
        (5, packed(b"\xff"), r"input C1 holds b'\\xff', expected UTF-8"),
    ],
)
def test_what_is_wrong_with_binary_tensors_is_said(size, binary, said):
    c1 = {"name": "C1", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": size}}
    with pytest.raises(InvalidInput, match=said):
        infer(HOUR, c1, binary=binary)


@pytest.mark.parametrize("length", ["", "x", "-1", "1.0", "99", "9" * 5000, "²"])
def test_a_length_of_the_json_that_is_none_is_said(length):
    with pytest.raises(InvalidInput, match=r"the body's JSON is said to be .* of its 2 bytes long"):
        parse_request(b"{}", length, "ctr", None)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"id": 3}, "id of the request is 3, expected a string"),
        ({"parameters": []}, "parameters of the request is .., expected an object"),
        ({"outputs": {}}, "outputs of the request is {}, expected a list"),
        ({"outputs": [{}]}, "output 0 is {}, expected"),
    ],
)
def test_what_is_wrong_beside_the_tensors_is_said(other, said):
    with pytest.raises(InvalidInput, match=said):
        infer(HOUR, tensor("C1", ["a"]), **other)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'"\\ud800"', b"NaN", b"[" * 100_000])
def test_a_body_that_is_no_json_is_said(body):
    with pytest.raises(InvalidInput, match="the body is no JSON"):
        parse_object(body)


@pytest.mark.parametrize("body", [b"1", b"null", b'"text"', b"[{}]"])
def test_a_body_that_is_no_object_is_said(body):
    with pytest.raises(InvalidInput, match="expected a JSON object"):
        parse_object(body)


def test_an_error_shows_a_clients_text_as_plain_characters_and_not_all_of_it():
    with pytest.raises(InvalidInput) as found:
        infer(HOUR, tensor("C1", ["a"], datatype="\x1b[31m\n" + "ü" * 10_000))
    assert str(found.value).isascii()
    assert str(found.value).isprintable()
    assert len(str(found.value)) < 300


def test_however_deep_a_value_is_it_is_shown_shortly():
    deep = orjson.loads(b"[" * 1000 + b"]" * 1000)
    with pytest.raises(InvalidInput, match=r"C1 of instance 0 is \[\[\[\.\.\.\]\]\], expected a string"):
        columns_of_instances({"instances": [{**ROW, "C1": deep}]}, WANTED, 3)


def test_what_grpc_sends_is_read_too():
    tensors = [InferInput(name, [2], "BYTES", [b"a", "ü".encode()]) for name in WANTED]
    assert as_lists(columns_of_tensors(tensors, WANTED, 2)) == {"hour": ["a", "ü"], "C1": ["a", "ü"]}
