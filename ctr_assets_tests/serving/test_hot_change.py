"""Promotions while many clients ask: no request fails, and every answer is that of the model it names."""

import threading
import time
from collections import Counter

import grpc
import numpy as np
import pytest
import requests
from kserve import InferInput, InferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from ctr_assets.serving.session import MODEL_NAME, ServedModel
from ctr_assets.training.train import train
from ctr_assets_tests.serving.conftest import CONFIG, DAYS, crown, export_champion
from ctr_assets_tests.serving.running import Server, sample_of, until

pytestmark = pytest.mark.long

CLIENTS_OF_EACH = 4
TOLERANCE = 1e-5
BETWEEN_SECONDS = 1.0


class Clients:
    """Threads that ask for one row after the other, and keep what each answer said."""

    def __init__(self, server, rows):
        self.server, self.rows = server, rows
        self.answers, self.failures = [], []
        self._stop = threading.Event()
        asking = [self._v1, self._v2, self._grpc] * CLIENTS_OF_EACH
        self._threads = [threading.Thread(target=self._run, args=(n, ask)) for n, ask in enumerate(asking)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, first, make):
        ask = make()
        row = first
        while not self._stop.is_set():
            row = (row + 1) % len(self.rows)
            try:
                self.answers.append((row, *ask(self.rows[row])))
            except Exception as e:
                self.failures.append(e)

    def _v1(self):
        session, url = requests.Session(), f"{self.server.url}/v1/models/ctr:predict"

        def ask(row):
            answer = session.post(url, json={"instances": [row]}, timeout=30)
            answer.raise_for_status()
            told = answer.json()
            return told["model"]["version"], told["predictions"][0]

        return ask

    def _v2(self):
        session, url = requests.Session(), f"{self.server.url}/v2/models/ctr/infer"

        def ask(row):
            inputs = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [row[name]]} for name in row]
            answer = session.post(url, json={"inputs": inputs}, timeout=30)
            answer.raise_for_status()
            told = answer.json()
            return told["model_version"], told["outputs"][0]["data"][0]

        return ask

    def _grpc(self):
        stub = GRPCInferenceServiceStub(grpc.insecure_channel(f"127.0.0.1:{self.server.grpc_port}"))

        def ask(row):
            inputs = [InferInput(name, [1], "BYTES", [row[name]]) for name in row]
            told = stub.ModelInfer(InferRequest("ctr", inputs).to_grpc(), timeout=30)
            return told.model_version, told.outputs[0].contents.fp32_contents[0]

        return ask


def test_three_promotions_under_load(store):
    crown(store, DAYS[0])
    committed = [export_champion(store)[0]]
    rows, _ = sample_of(store, committed[0])
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    says = {}

    def remember(manifest):
        model = ServedModel(store.file_path(manifest, store.file(manifest, MODEL_NAME)))
        says[manifest.version] = model.predict({n: np.array(values, dtype=object) for n, values in columns.items()})

    remember(committed[0])
    other = CONFIG.model_copy(update={"epochs": 1, "hidden": [4]})
    with Server(store.url) as server:
        server.ready()
        with Clients(server, rows) as clients:
            for change in (
                lambda: crown(store, DAYS[1]),
                lambda: (train(store, DAYS[1], DAYS, other, log=lambda line: None), crown(store, DAYS[1])),
                lambda: crown(store, DAYS[0]),
            ):
                time.sleep(BETWEEN_SECONDS)
                change()
                committed.append(export_champion(store)[0])
                remember(committed[-1])
                until(lambda: server.version() == committed[-1].version)
            time.sleep(BETWEEN_SECONDS)
        assert server.metric("ctr_model_refused_total") == 0
    assert clients.failures == []
    by_version = Counter(version for _, version, _ in clients.answers)
    print(f"{len(clients.answers):,} answers, 0 failures, by version: {dict(by_version)}")  # noqa: T201
    assert set(by_version) == {manifest.version for manifest in committed}
    assert len(by_version) == 4
    wrong = [answer for answer in clients.answers if abs(says[answer[1]][answer[0]] - answer[2]) > TOLERANCE]
    assert wrong == []
    # That says something only where the models differ.
    of_three = [says[manifest.version] for manifest in committed[:3]]
    assert min(abs(a - b).max() for i, a in enumerate(of_three) for b in of_three[:i]) > 100 * TOLERANCE
