"""Whatever a client sends, it is told what is wrong: no 5xx, no traceback, and the same process answers afterwards.

CTR_EXAMPLES sets how many requests are made of each kind.
"""

import copy
import json
import os
from collections import Counter

import grpc
import pytest
import requests
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kserve import InferInput, InferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from ctr_assets_tests.serving.conftest import DAYS, copy_of, crown, export_champion
from ctr_assets_tests.serving.running import Server, sample_of

EXAMPLES = int(os.environ.get("CTR_EXAMPLES", "100"))
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
PATHS = {"v1": "/v1/models/ctr:predict", "v2": "/v2/models/ctr/infer"}
FINE = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["application/json", "text/plain", "application/cloudevents+json", "x", ""]),
        "Inference-Header-Content-Length": st.sampled_from(["", "0", "-1", "7", "1e3", "99999999", "x", "9" * 400]),
        "Ce-Specversion": st.sampled_from(["1.0", "x"]),
        "Ce-Id": st.just("1"),
    },
)


@pytest.fixture(scope="module")
def served(served_days, tmp_path_factory):
    """(server, a valid body of each protocol, how often each status was answered)"""
    store = copy_of(served_days, tmp_path_factory.mktemp("served-once"))
    crown(store, DAYS[0])
    committed, _ = export_champion(store)
    rows, expected = sample_of(store, committed)
    inputs = [
        {"name": name, "shape": [2], "datatype": "BYTES", "data": [row[name] for row in rows[:2]], "parameters": {}}
        for name in rows[0]
    ]
    valid = {"v1": {"instances": rows[:2]}, "v2": {"id": "7", "inputs": inputs, "outputs": [], "parameters": {}}}
    statuses: Counter[str] = Counter()
    with Server(store.url) as server:
        before = server.ready().process.pid
        yield server, valid, statuses
        assert server.predict(rows[:2])["predictions"] == pytest.approx(expected[:2], abs=1e-5)
        assert server.process.poll() is None
        assert server.process.pid == before
        assert "Traceback" not in server.log()
    print(f"answered: {dict(sorted(statuses.items()))}")  # noqa: T201


def places(node, path=()):
    """The path of every value within a JSON value."""
    yield path
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*path, key))


@st.composite
def mutated(draw, valid):
    """A valid body in which some values are replaced, dropped or doubled."""
    body = {"root": copy.deepcopy(valid)}
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([path for path in places(body) if path]))
        parent = body
        for key in path[:-1]:
            parent = parent[key]
        how = draw(st.sampled_from(["replace", "drop", "double"]))
        if how == "replace" or path == ("root",):
            parent[path[-1]] = draw(anything)
        elif how == "drop":
            del parent[path[-1]]
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(parent[path[-1]]))
        else:
            parent[draw(st.text(max_size=5))] = parent[path[-1]]
    return body["root"]


@st.composite
def cut(draw, content):
    """Bytes of which some are cut off, changed or put in."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        how = draw(st.sampled_from(["cut", "change", "insert"]))
        if how == "cut":
            del content[at:]
        elif how == "change" and content:
            content[at] = draw(st.integers(0, 255))
        else:
            content[at:at] = draw(st.binary(max_size=8))
    return bytes(content)


def check(served, protocol, body, with_headers):
    server, _, statuses = served
    answer = requests.post(server.url + PATHS[protocol], data=body, headers=with_headers, timeout=30)
    statuses[f"{protocol} {answer.status_code}"] += 1
    assert answer.status_code in (200, 400), (answer.status_code, answer.text)
    assert "Traceback" not in answer.text
    if answer.status_code == 400:
        assert list(answer.json()) == ["error"]
        assert len(answer.text) < 2_000


@pytest.mark.parametrize("protocol", PATHS)
@FUZZED
@given(st.data())
def test_wrong_values(served, protocol, data):
    body = data.draw(mutated(served[1][protocol]))
    check(served, protocol, json.dumps(body).encode(), {"Content-Type": "application/json"})


@pytest.mark.parametrize("protocol", PATHS)
@FUZZED
@given(st.data())
def test_wrong_bytes_and_headers(served, protocol, data):
    body = data.draw(cut(json.dumps(served[1][protocol]).encode()) | st.binary(max_size=200))
    check(served, protocol, body, data.draw(headers))


@FUZZED
@given(st.data())
def test_wrong_binary_tensors(served, data):
    rows = served[1]["v1"]["instances"]
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 4 + len(rows[0][name])}}
        for name in rows[0]
    ]
    head = json.dumps(data.draw(mutated({"inputs": inputs}))).encode()
    values = b"".join(len(row).to_bytes(4, "little") + row.encode() for row in rows[0].values())
    check(
        served,
        "v2",
        head + data.draw(st.just(values) | cut(values)),
        {"Inference-Header-Content-Length": str(len(head))},
    )


@pytest.mark.parametrize("raw", [False, True])
@FUZZED
@given(st.data())
def test_wrong_grpc_messages(served, raw, data):
    server, valid, statuses = served
    inputs = [InferInput(each["name"], [2], "BYTES", each["data"]) for each in valid["v2"]["inputs"]]
    if raw:
        for each in inputs:
            each.set_data_from_numpy(each.as_numpy(), binary_data=True)
    content = InferRequest("ctr", inputs).to_grpc().SerializeToString()
    try:
        message = ModelInferRequest.FromString(data.draw(cut(content)))
    except DecodeError:
        message = ModelInferRequest(model_name="ctr", raw_input_contents=[data.draw(st.binary(max_size=50))])
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        call = GRPCInferenceServiceStub(channel).ModelInfer.future(message, timeout=30)
        statuses[f"grpc {call.code().name}"] += 1
        assert call.code() in FINE, call.details()
        assert "Traceback" not in call.details()
