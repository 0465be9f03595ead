"""Days that went through the real tables, and models of them; made once, tests get copies and crown champions."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ctr_assets.jobs.champion_model import copy_file
from ctr_assets.jobs.serving_model import Params, run
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.parts import write_bytes
from ctr_assets.tables import CHAMPION_MODEL, CURRENT, SERVING_MODEL, WIDE_DEEP_MODEL
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.train import train
from ctr_assets_tests.deliveries import deliver, deliver_feed, impressions
from ctr_assets_tests.evaluation.conftest import RecordingReport
from ctr_assets_tests.kubernetes.fixtures import gcs, gcs_emulator

__all__ = ["gcs", "gcs_emulator"]

DAYS = ["2014-10-21", "2014-10-22"]
UNLABELLED = "2014-10-23"
CONFIG = TrainingConfig(
    hidden=[16, 8], epochs=3, patience=3, batch_size=100, embedding_learning_rate=0.05, device="cpu", precision="fp32"
)


@pytest.fixture(scope="session")
def served_days(spark, tmp_path_factory) -> Store:
    """Raw, vocabulary and encoded tables of three days, the last unlabelled; a model of each labelled one."""
    from ctr_assets.etl.encode import encode
    from ctr_assets.etl.raw import ingest
    from ctr_assets.etl.vocabulary import build

    landing, store = tmp_path_factory.mktemp("landing"), Store(str(tmp_path_factory.mktemp("served")))
    deliver_feed(landing, DAYS, 1500)
    deliver(landing, f"day={DAYS[1]}/more.csv", impressions(DAYS[1], 600, seed=1))
    deliver(landing, f"day={UNLABELLED}/impressions.csv.gz", impressions(UNLABELLED, 700, labelled=False))
    days = [*DAYS, UNLABELLED]
    ingest(spark, store, str(landing), days, max_quarantined_share=0.0, created_by={})
    build(spark, store, days, None, {}, {})
    encode(spark, store, days, {})
    for day, window in ((DAYS[0], DAYS[:1]), (DAYS[1], DAYS)):
        train(store, day, window, CONFIG, log=lambda line: None)
    return store


@pytest.fixture
def store(served_days: Store, tmp_path: Path) -> Store:
    """A copy that may be changed; nothing is promoted yet."""
    return copy_of(served_days, tmp_path)


def copy_of(store: Store, folder: Path) -> Store:
    """Its tables under another folder."""
    shutil.copytree(store.url, folder / "store")
    return Store(str(folder / "store"))


def crown(store: Store, day: str, **more: Any) -> Manifest:
    """Make the model of a day the champion, without a contest; ``more`` are properties that one would have left."""
    model = store.manifest(WIDE_DEEP_MODEL, day)
    version = store.begin(CHAMPION_MODEL, CURRENT)
    files = [copy_file(store, model, file, version.folder) for file in model.files]
    properties = {**model.properties, "day": day, "model_version": model.version, **more}
    return version.commit(files, model.columns, inputs=[model], properties=properties)


def publish(store: Store, files: dict[str, bytes], day: str) -> Manifest:
    """Commit these files as the model to serve, whatever is in them."""
    version = store.begin(SERVING_MODEL, CURRENT)
    described = [write_bytes(store, version.folder, name, content) for name, content in files.items()]
    return version.commit(described, {}, properties={"day": day})


def files_of(store: Store, committed: Manifest) -> dict[str, bytes]:
    """The committed files, to publish them again."""
    return {file.name: store.read(committed, file) for file in committed.files}


def export_champion(store: Store) -> tuple[Manifest, dict]:
    """Run the job; the committed version and what was reported of it."""
    report = RecordingReport()
    run(Params(store_url=store.url, code_version="1"), report)
    return store.manifest(SERVING_MODEL, CURRENT), report.metadata


def scored_bare(model: str, rows: Path) -> list[tuple[str, float]]:
    """Id and probability of each row of a delivered CSV, by a process that imports nothing of ours."""
    script = str(Path(__file__).parent / "bare.py")
    command = [sys.executable, "-I", script, model, str(rows)]
    run = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    assert run.returncode == 0, run.stderr
    pairs = (line.split(",") for line in run.stdout.splitlines())
    return [(id, float(probability)) for id, probability in pairs]
