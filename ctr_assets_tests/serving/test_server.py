"""What a client of a running server sees: KServe's protocols, who answered, and words for all that is wrong."""

import asyncio
import io
import json
import re
import signal
import socket
import subprocess
import sys
import time
from threading import Thread
from typing import Any
from unittest import mock

import grpc
import numpy as np
import pytest
import requests
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from ctr_assets.serving.__main__ import greet
from ctr_assets.serving.session import PROBABILITY, ServedModel
from ctr_assets.serving.watch import Champion
from ctr_assets_tests.serving.conftest import DAYS, copy_of, crown, export_champion
from ctr_assets_tests.serving.running import MAX_BODY_BYTES, MAX_ROWS, Server, free_port, sample_of

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def served(served_days, tmp_path_factory):
    """(server, committed version, rows, what the trained model says of each); one server for all tests here."""
    store = copy_of(served_days, tmp_path_factory.mktemp("served-once"))
    crown(store, DAYS[1])
    committed, _ = export_champion(store)
    with Server(store.url) as server:
        yield server.ready(), committed, *sample_of(store, committed)


@pytest.fixture
def stub(served):
    with grpc.insecure_channel(f"127.0.0.1:{served[0].grpc_port}") as channel:
        yield GRPCInferenceServiceStub(channel)


def tensors(rows, **other):
    return [
        {"name": name, "shape": [len(rows)], "datatype": "BYTES", "data": [row[name] for row in rows], **other}
        for name in rows[0]
    ]


def post(server, path, **kwargs):
    return requests.post(server.url + path, timeout=30, **kwargs)


def close_to(expected):
    return pytest.approx(expected, abs=TOLERANCE)


# ------------------------------------------------------------------------------------------------- answers


def test_v1_answers_and_names_its_model(served):
    server, committed, rows, expected = served
    answer = server.predict(rows)
    assert answer["predictions"] == close_to(expected)
    assert answer["model"] == {"day": DAYS[1], "version": committed.version}


def test_v1_takes_what_curl_sends(served):
    server, _, rows, expected = served
    url = f"{server.url}/v1/models/ctr:predict"
    run = subprocess.run(
        ["curl", "-s", url, "-d", json.dumps({"instances": rows[:1]})], capture_output=True, check=True
    )
    assert json.loads(run.stdout)["predictions"] == close_to(expected[:1])


def test_it_says_how_to_ask_it(served):
    server, _, _, expected = served
    (line,) = re.findall(r"^  (curl .*)$", server.log(), re.MULTILINE)
    run = subprocess.run(["bash", "-c", f"{line} -s"], capture_output=True, check=True)
    assert json.loads(run.stdout)["predictions"] == close_to(expected[:1])


def test_it_says_how_to_ask_it_once_its_port_listens(capsys):
    champion, port = Champion(mock.create_autospec(ServedModel), DAYS[1], "1", {"C1": "1005"}), free_port()
    greeting = Thread(target=greet, args=("ctr", port, champion))
    greeting.start()
    greeting.join(0.5)
    assert capsys.readouterr().out == ""
    with socket.create_server(("127.0.0.1", port)):
        greeting.join(30)
    assert f"curl http://127.0.0.1:{port}/v1/models/ctr:predict" in capsys.readouterr().out


def test_v1_takes_a_whole_number_for_its_digits_and_ignores_other_columns(served):
    server, _, rows, _ = served
    text = {**rows[0], "C1": "1005"}
    number = {**text, "C1": 1005, "id": 10000174058809263569, "click": None}
    assert server.predict([number])["predictions"] == server.predict([text])["predictions"]


def test_v2_answers_and_names_its_model(served):
    server, committed, rows, expected = served
    answer = post(server, "/v2/models/ctr/infer", json={"id": "7", "inputs": tensors(rows)}).json()
    (output,) = answer.pop("outputs")
    assert answer == {
        "id": "7",
        "model_name": "ctr",
        "model_version": committed.version,
        "parameters": {"model_day": DAYS[1]},
    }
    assert output.pop("data") == close_to(expected)
    assert output == {"name": PROBABILITY, "shape": [len(rows)], "datatype": "FP32"}


def test_v2_takes_and_gives_binary_tensors(served):
    server, _, rows, expected = served
    inputs = [InferInput(name, [len(rows)], "BYTES") for name in rows[0]]
    for each in inputs:
        each.set_data_from_numpy(np.array([row[each.name] for row in rows], dtype=object), binary_data=True)
    body, size = InferRequest("ctr", inputs, parameters={"binary_data_output": True}).to_rest()
    answer = post(server, "/v2/models/ctr/infer", data=body, headers={"Inference-Header-Content-Length": str(size)})
    length = int(answer.headers["inference-header-content-length"])
    assert json.loads(answer.content[:length])["outputs"][0]["parameters"] == {"binary_data_size": 4 * len(rows)}
    assert np.frombuffer(answer.content[length:], np.float32).tolist() == close_to(expected)


def test_v2_answers_a_request_for_its_version_and_for_no_other(served):
    server, committed, rows, expected = served
    body = {"inputs": tensors(rows)}
    answer = post(server, f"/v2/models/ctr/versions/{committed.version}/infer", json=body)
    assert answer.json()["outputs"][0]["data"] == close_to(expected)
    other = post(server, "/v2/models/ctr/versions/1/infer", json=body)
    assert (other.status_code, other.json()) == (
        400,
        {"error": f"another version answers, {committed.version}: leave the version out"},
    )


@pytest.mark.parametrize("raw", [False, True])
def test_grpc_answers_and_names_its_model(served, stub, raw):
    _, committed, rows, expected = served
    inputs = [InferInput(name, [len(rows)], "BYTES") for name in rows[0]]
    for each in inputs:
        each.set_data_from_numpy(np.array([row[each.name] for row in rows], dtype=object), binary_data=raw)
    answer = stub.ModelInfer(InferRequest("ctr", inputs).to_grpc())
    assert (answer.model_version, answer.parameters["model_day"].string_param) == (committed.version, DAYS[1])
    (output,) = answer.outputs
    given = np.frombuffer(answer.raw_output_contents[0], np.float32) if raw else output.contents.fp32_contents
    assert list(given) == close_to(expected)


def test_kserves_own_clients_can_talk_to_it(served):
    server, committed, rows, expected = served
    inputs = [InferInput(name, [len(rows)], "BYTES", [row[name] for row in rows]) for name in rows[0]]

    async def ask():
        rest = InferenceRESTClient(RESTConfig(protocol="v2"))
        remote = InferenceGRPCClient(f"127.0.0.1:{server.grpc_port}")
        assert await remote.is_server_ready()
        assert await remote.is_model_ready("ctr")
        assert await rest.is_model_ready(server.url, "ctr")
        by_http = await rest.infer(server.url, InferRequest("ctr", inputs), model_name="ctr")
        return by_http, await remote.infer(InferRequest("ctr", inputs))

    by_http, by_grpc = asyncio.run(ask())
    assert by_grpc.model_version == committed.version  # its HTTP client drops it
    for answer in (by_http, by_grpc):
        assert answer.outputs[0].as_numpy().tolist() == close_to(expected)


def test_grpc_tells_the_models_inputs(served, stub):
    told = stub.ModelMetadata(pb.ModelMetadataRequest(name="ctr"))
    assert [(each.name, each.datatype, list(each.shape)) for each in told.inputs] == [
        (name, "BYTES", [-1]) for name in served[2][0]
    ]


def test_health_and_metadata(served):
    server, committed, rows, _ = served
    get = lambda path: requests.get(server.url + path, timeout=10).json()  # noqa: E731
    assert get("/v2/health/live") == {"live": True}
    assert get("/v2/health/ready") == {"ready": True}
    assert get("/v2/models/ctr/ready") == {"name": "ctr", "ready": True}
    assert get("/v1/models") == {"models": ["ctr"]}
    told = get("/v2/models/ctr")
    assert told["versions"] == [committed.version]
    assert told["inputs"] == [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in rows[0]]
    assert told["outputs"] == [{"name": PROBABILITY, "datatype": "FP32", "shape": [-1]}]


def test_values_never_seen_are_unknown_and_counted(served):
    server, _, rows, _ = served
    unknown, seen = 'ctr_unknown_values_total{feature="site_id"}', "ctr_rows_total"
    before = server.metric(unknown), server.metric(seen)
    answer = server.predict([{**row, "site_id": "never seen"} for row in rows[:5]])
    assert all(0 < probability < 1 for probability in answer["predictions"])
    assert server.metric(unknown) == before[0] + 5
    assert server.metric(seen) == before[1] + 5


def test_requests_are_counted_by_protocol_and_status(served, stub):
    server, committed, rows, _ = served
    names = [f'ctr_requests_total{{code="{code}",protocol="{protocol}"}}' for code, protocol in (
        ("200", "v1"), ("400", "v2"), ("503", "v1"), ("OK", "grpc"), ("INVALID_ARGUMENT", "grpc"))]  # fmt: skip
    before = [server.metric(name) for name in names]
    server.predict(rows[:1])
    post(server, "/v2/models/ctr/infer", json={})
    inputs = [InferInput(name, [1], "BYTES", [rows[0][name]]) for name in rows[0]]
    stub.ModelInfer(InferRequest("ctr", inputs).to_grpc())
    with pytest.raises(grpc.RpcError):
        stub.ModelInfer(InferRequest("ctr", inputs[1:]).to_grpc())
    assert [server.metric(name) for name in names] == [before[0] + 1, before[1] + 1, 0, before[3] + 1, before[4] + 1]
    assert server.metric('ctr_request_seconds_count{protocol="v1"}') >= 1
    assert server.metric(f'ctr_model_info{{day="{DAYS[1]}",version="{committed.version}"}}') == 1
    assert abs(server.metric("ctr_store_last_answer_timestamp_seconds") - time.time()) < 30


# ------------------------------------------------------------------------------------------------ refusals


def refused(answer, status=400):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert "Traceback" not in answer.text
    return answer.json()["error"]


def test_a_row_too_many_is_refused_and_the_most_is_not(served):
    server, _, rows, _ = served
    row = dict.fromkeys(rows[0], "1")
    assert len(server.predict([row] * MAX_ROWS)["predictions"]) == MAX_ROWS
    error = refused(post(server, "/v1/models/ctr:predict", json={"instances": [row] * (MAX_ROWS + 1)}))
    assert error == f"the request has {MAX_ROWS + 1} rows, expected 1 to {MAX_ROWS}"


@pytest.mark.parametrize("path", ["/v1/models/ctr:predict", "/v2/models/ctr/infer"])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_body_too_long_is_refused_also_in_chunks(served, path, in_chunks):
    body = b" " * (MAX_BODY_BYTES + 1)
    answer = post(served[0], path, data=io.BytesIO(body) if not in_chunks else iter([body[:1000], body[1000:]]))
    assert refused(answer, 413) == f"the body is longer than {MAX_BODY_BYTES} bytes: send fewer rows at once"


def test_a_body_too_long_is_not_kept(served):
    """An endless body in chunks: the answer comes long before its end."""
    server = served[0]
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=30) as connection:
        connection.sendall(b"POST /v1/models/ctr:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(MAX_BODY_BYTES // 65536 + 1):
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_grpc_message_too_long_is_refused(served, stub):
    with pytest.raises(grpc.RpcError) as refusal:
        stub.ModelInfer(pb.ModelInferRequest(model_name="ctr", raw_input_contents=[b" " * (MAX_BODY_BYTES + 1)]))
    assert refusal.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_wrong_column_is_named(served):
    server, _, rows, _ = served
    lacking = [{name: value for name, value in row.items() if name != "C14"} for row in rows[:2]]
    assert refused(post(server, "/v1/models/ctr:predict", json={"instances": lacking})).startswith(
        "instance 0 has no C14, expected hour, C1, banner_pos"
    )
    assert refused(post(server, "/v2/models/ctr/infer", json={"inputs": tensors(lacking)})).startswith(
        "inputs lack C14; expected hour, C1, banner_pos"
    )


@pytest.mark.parametrize("path", ["/v1/models/ctr:predict", "/v2/models/ctr/infer"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"{}", b"[" * 5000])
def test_a_body_that_is_no_request_is_refused(served, path, body):
    assert "expected" in refused(post(served[0], path, data=body)) or body not in (b"[]", b'"x"', b"{}")


def test_an_unknown_output_is_refused(served):
    server, _, rows, _ = served
    body = {"inputs": tensors(rows[:1]), "outputs": [{"name": "is_unknown"}]}
    assert refused(post(server, "/v2/models/ctr/infer", json=body)) == (
        "there is no output 'is_unknown', only click_probability"
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/models/other:predict", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("POST", "/v1/models/ctr:explain", 404),
        ("GET", "/v2/models/ctr/versions/1/ready", 404),
        ("GET", "/v2/models/ctr/versions/1", 404),
        ("POST", "/v2/repository/models/ctr/unload", 400),
        ("POST", "/v2/repository/models/ctr/load", 400),
    ],
)
def test_what_it_does_not_do_is_a_clients_error(served, method, path, status):
    answer = requests.request(method, served[0].url + path, json={"instances": [{}], "inputs": []}, timeout=10)
    refused(answer, status)
    assert served[0].is_ready()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (pb.ModelInferRequest(model_name="other"), grpc.StatusCode.NOT_FOUND),
        (pb.ModelInferRequest(model_name="ctr"), grpc.StatusCode.INVALID_ARGUMENT),
        (pb.ModelInferRequest(model_name="ctr", raw_input_contents=[b"x"]), grpc.StatusCode.INVALID_ARGUMENT),
        (pb.ModelInferRequest(model_name="ctr", inputs=[{"datatype": "?"}]), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_wrong_grpc_request_is_a_clients_error(served, stub, request_, code):
    with pytest.raises(grpc.RpcError) as refusal:
        stub.ModelInfer(request_)
    assert refusal.value.code() == code
    assert "Traceback" not in refusal.value.details()


def test_no_client_can_unload_the_model(served, stub):
    with pytest.raises(grpc.RpcError) as refusal:
        stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="ctr"))
    assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert served[0].is_ready()


def test_a_clients_mistakes_do_not_fill_the_log(served, stub):
    server = served[0]
    before = server.log()
    for _ in range(3):
        post(server, "/v1/models/ctr:predict", data=b"{")
        post(server, "/v2/models/none/infer", json={"inputs": []})
        with pytest.raises(grpc.RpcError):
            stub.ModelInfer(pb.ModelInferRequest(model_name="ctr"))
    assert server.log() == before


# --------------------------------------------------------------------------------------- without a model; stop


def test_without_a_model_it_lives_and_is_not_ready_until_one_is_committed(store):
    with Server(store.url) as server:
        while not server.is_live():
            time.sleep(0.05)
        assert not server.is_ready()
        assert requests.get(f"{server.url}/v2/health/ready", timeout=10).status_code == 503
        assert requests.get(f"{server.url}/v2/models/ctr", timeout=10).status_code == 503
        for path in ("/v1/models/ctr:predict", "/v2/models/ctr/infer"):
            body: dict[str, list[Any]] = {"instances": [{}], "inputs": []}
            assert "No champion is committed" in refused(post(server, path, json=body), 503)
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel, pytest.raises(grpc.RpcError) as refusal:
            GRPCInferenceServiceStub(channel).ModelInfer(pb.ModelInferRequest(model_name="ctr"))
        assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "no serving_model is committed under" in server.log()
        crown(store, DAYS[0])
        committed, _ = export_champion(store)
        server.ready()
        assert server.version() == committed.version


def test_told_to_stop_it_ends_what_is_in_flight(store):
    crown(store, DAYS[0])
    committed, _ = export_champion(store)
    rows, expected = sample_of(store, committed)
    body = json.dumps({"instances": rows}).encode()
    with Server(store.url) as server:
        server.ready()
        head = f"POST /v1/models/ctr:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=30) as connection:
            connection.sendall(head + body[:100])
            requests.get(f"{server.url}/v2/health/live", timeout=10)  # the half request has been read by now
            server.process.send_signal(signal.SIGTERM)
            connection.sendall(body[100:])
            answer = b""
            while block := connection.recv(1 << 16):
                answer += block
        assert server.process.wait(30) == 0, server.log()
    assert answer.startswith(b"HTTP/1.1 200")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["predictions"] == close_to(expected)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--store-url"),
        (["--store-url", "s3://bucket"], "expected a folder or gs://bucket/prefix"),
        (["--store-url", "x", "--http-port", "0"], "expected a whole number from 1 to 65535"),
        (["--store-url", "x", "--name", "a/b"], "expected letters, digits"),
        (["--store-url", "x", "--max-rows", "many"], "expected a whole number from 1 to 1000000"),
    ],
)
def test_a_wrong_argument_is_said(arguments, said):
    run = subprocess.run([sys.executable, "-m", "ctr_assets.serving", *arguments], capture_output=True, text=True)
    assert run.returncode == 2
    assert said in run.stderr


@pytest.mark.parametrize("taken", ["http_port", "grpc_port"])
def test_a_port_that_is_taken_is_said(served, taken):
    ports = {"http_port": free_port(), "grpc_port": free_port(), taken: getattr(served[0], taken)}
    arguments = [f"--{name.replace('_', '-')}={port}" for name, port in ports.items()]
    command = [sys.executable, "-m", "ctr_assets.serving", "--store-url", "x", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (
        2,
        f"error: port {ports[taken]} is taken: end its owner, or choose another (--help)\n",
    )


def test_the_server_loads_no_engine():
    script = "import sys, ctr_assets.serving.__main__, ctr_assets.serving.server; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert loaded.isdisjoint({"torch", "pyspark", "dagster", "onnx", "ctr_assets.training"})
    assert "onnxruntime" in loaded
