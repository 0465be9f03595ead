"""Our server, the torch model behind it in place of the export, and onnxruntime alone: ``python -m … STORE WHAT``."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ctr_assets.serving.session import MODEL_NAME, ServedModel
from ctr_assets.storage import Store
from ctr_assets.tables import CURRENT, SERVING_MODEL, WIDE_DEEP_MODEL
from ctr_assets_tests.benchmarks.measuring import ours, tell
from ctr_assets_tests.benchmarks.serving_clients import ask
from ctr_assets_tests.serving.conftest import crown, export_champion
from ctr_assets_tests.serving.running import free_port, sample_of, until

CLIENTS = 16
MANY = 1_000
PATH = "/v2/models/ctr/infer"


def rows_of(store: Store) -> list[dict[str, str]]:
    """Of the newest model, which is crowned and exported when it is not yet."""
    if store.find(SERVING_MODEL, CURRENT) is None:
        newest = max(path.name for path in Path(store.url, WIDE_DEEP_MODEL).iterdir() if path.is_dir())
        crown(store, newest)
        export_champion(store)
    rows, _ = sample_of(store, store.manifest(SERVING_MODEL, CURRENT))
    return (rows * MANY)[:MANY]


def body_of(rows: list[dict[str, str]]) -> bytes:
    tensors = [
        {"name": name, "shape": [len(rows)], "datatype": "BYTES", "data": [row[name] for row in rows]}
        for name in rows[0]
    ]
    return json.dumps({"inputs": tensors}).encode()


def through_a_server(command: list[str], port: int, rows: list[dict[str, str]], seconds: float) -> dict[str, Any]:
    one, many = body_of(rows[:1]), body_of(rows)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: answers(port, one))
            ask(port, PATH, many, clients=2, seconds=1)  # what is slow once
            busy = ask(port, PATH, one, clients=CLIENTS, seconds=seconds)
            half = ask(port, PATH, one, clients=CLIENTS, seconds=seconds, rate=busy.rate / 2)
            goal = ask(port, PATH, one, clients=CLIENTS, seconds=seconds, rate=200)
            batches = ask(port, PATH, many, clients=2, seconds=seconds)
            peak = int(Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
        finally:
            process.terminate()
    return {
        "requests": busy.requests,
        "seconds": busy.seconds,
        "busy": str(busy),
        "half": str(half),
        "goal": str(goal),
        "many_rows": batches.requests * MANY,
        "many_seconds": batches.seconds,
        "many": str(batches),
        "peak_bytes": peak,
    }


def answers(port: int, body: bytes) -> bool:
    try:
        return ask(port, PATH, body, clients=1, seconds=0.2).requests > 0
    except (OSError, RuntimeError, ValueError, IndexError):
        return False


def in_this_process(store: Store, rows: list[dict[str, str]], seconds: float) -> dict[str, Any]:
    committed = store.manifest(SERVING_MODEL, CURRENT)
    model = ServedModel(store.file_path(committed, store.file(committed, MODEL_NAME)))
    found: dict[str, Any] = {}
    for name, count in (("", 1), ("many_", MANY)):
        columns = {column: np.array([row[column] for row in rows[:count]], dtype=object) for column in model.columns}
        taken = []
        ended = time.perf_counter() + seconds
        while (began := time.perf_counter()) < ended:
            model.predict_counting(columns)
            taken.append(time.perf_counter() - began)
        p50, p99 = np.percentile(np.array(taken) * 1e3, [50, 99])
        found |= {
            "many_rows" if name else "requests": len(taken) * count,
            f"{name}seconds": seconds,
            "many" if name else "busy": f"{len(taken) / seconds:,.0f} calls/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms",
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("what", choices=["onnx", "torch", "direct"])
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement (default: %(default)s)")
    options = parser.parse_args()
    store = Store(str(options.store.resolve()))
    rows = rows_of(store)
    port = free_port()
    # As it is deployed: onnxruntime takes one thread a request, whatever the benchmark gave others.
    os.environ["OMP_NUM_THREADS"] = "1"
    onnx = [sys.executable, "-m", "ctr_assets.serving", "--store-url", store.url, "--http-port", str(port)]
    if options.what == "direct":
        tell(**in_this_process(store, rows, options.seconds))
    elif options.what == "onnx":
        tell(**through_a_server([*onnx, "--grpc-port", "0"], port, rows, options.seconds))
    else:
        tell(**through_a_server(ours("serving_torch", store.url, port), port, rows, options.seconds))


if __name__ == "__main__":
    main()
