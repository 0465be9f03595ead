"""When the model that answers changes: for a committed one that says what it should, and for nothing else."""

import io
import logging
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client import REGISTRY

from ctr_assets.serving import metrics
from ctr_assets.serving.session import MODEL_NAME, PROBABILITY, SAMPLE_NAME
from ctr_assets.serving.watch import RETRY_SECONDS, Champion, RefusedError, Watch, load
from ctr_assets.tables import CURRENT, SERVING_MODEL
from ctr_assets_tests.serving.conftest import DAYS, crown, export_champion, files_of, publish


class Watched:
    """A watch that is asked to look, what it changed to, and a clock that is set by hand."""

    def __init__(self, store) -> None:
        self.now = 0.0
        self.changes: list[Champion] = []
        self.watch = Watch(store, self.changes.append, 1, clock=lambda: self.now)

    def look(self) -> list[str]:
        """The versions so far, after one look more."""
        self.watch.look()
        return [champion.version for champion in self.changes]


@pytest.fixture
def watched(store):
    return Watched(store)


@pytest.fixture
def files(store):
    """Those of a model that is fine."""
    crown(store, DAYS[0])
    committed, _ = export_champion(store)
    return files_of(store, committed)


def refusals():
    return REGISTRY.get_sample_value("ctr_model_refused_total")


def manifest_path(store):
    return store.path(SERVING_MODEL, CURRENT, "manifest.json")


def with_sample(files, change):
    sample = pq.read_table(io.BytesIO(files[SAMPLE_NAME]))
    sink = io.BytesIO()
    pq.write_table(change(sample), sink)
    return {**files, SAMPLE_NAME: sink.getvalue()}


def off_by(difference):
    def change(sample):
        expected = sample[PROBABILITY].to_numpy().copy()
        expected[-1] += np.float32(difference)
        return sample.set_column(sample.num_columns - 1, PROBABILITY, pa.array(expected, pa.float32()))

    return change


def without_node(content):
    model = onnx.load_from_string(content)
    del model.graph.node[0]
    return model.SerializeToString()


BAD = {
    "cut off": lambda files: {**files, MODEL_NAME: files[MODEL_NAME][: len(files[MODEL_NAME]) // 2]},
    "empty": lambda files: {**files, MODEL_NAME: b""},
    "no ONNX": lambda files: {**files, MODEL_NAME: b"\x00\xff" * 500},
    "a broken graph": lambda files: {**files, MODEL_NAME: without_node(files[MODEL_NAME])},
    "no sample": lambda files: {MODEL_NAME: files[MODEL_NAME]},
    "no model": lambda files: {SAMPLE_NAME: files[SAMPLE_NAME]},
    "a sample that is no Parquet": lambda files: {**files, SAMPLE_NAME: b"PAR1"},
    "a sample without a row": lambda files: with_sample(files, lambda sample: sample.slice(0, 0)),
    "a sample without a column": lambda files: with_sample(files, lambda sample: sample.drop(["C14"])),
    "a sample without probabilities": lambda files: with_sample(files, lambda sample: sample.drop([PROBABILITY])),
    "another probability": lambda files: with_sample(files, off_by(2e-5)),
    "NaN": lambda files: with_sample(files, off_by(np.nan)),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_model_is_refused_once_and_the_old_one_goes_on(store, watched, files, bad, caplog):
    fine = watched.look()
    before = refusals()
    published = publish(store, BAD[bad](files), DAYS[0])
    with caplog.at_level(logging.ERROR):
        assert watched.look() == watched.look() == fine
    assert refusals() == before + 1
    (record,) = caplog.records
    assert f"version {published.version} is refused" in record.message
    newer = publish(store, files, DAYS[0])
    assert watched.look() == [*fine, newer.version]


def test_what_is_wrong_with_a_model_is_said(store, files):
    with pytest.raises(RefusedError, match="a probability differs by 2e-05"):
        load(store, publish(store, with_sample(files, off_by(2e-5)), DAYS[0]))
    with pytest.raises(RefusedError, match=r"1 of 448 probabilities are NaN"):
        load(store, publish(store, with_sample(files, off_by(np.nan)), DAYS[0]))
    assert load(store, publish(store, with_sample(files, off_by(5e-6)), DAYS[0])).day == DAYS[0]


def test_a_file_cut_off_after_its_commit_is_refused_and_used_once_it_is_whole(store, watched, files):
    committed = publish(store, files, DAYS[0])
    path = Path(store.file_path(committed, store.file(committed, MODEL_NAME)))
    path.write_bytes(files[MODEL_NAME][:-100])
    assert watched.look() == []
    path.write_bytes(files[MODEL_NAME])
    assert watched.look() == []
    watched.now += RETRY_SECONDS
    assert watched.look() == [committed.version]


def test_a_manifest_that_cannot_be_read_changes_nothing(store, watched, files, caplog):
    fine = watched.look()
    good = Path(manifest_path(store)).read_text()
    Path(manifest_path(store)).write_text("{")
    with caplog.at_level(logging.ERROR):
        assert watched.look() == watched.look() == fine
    assert len(caplog.records) == 1
    Path(manifest_path(store)).write_text(good)
    assert watched.look() == fine


def test_the_same_version_is_loaded_once(watched, files):
    assert watched.look() == watched.look()
    assert len(watched.changes) == 1


def test_nothing_committed_is_said_once(watched, caplog):
    with caplog.at_level(logging.INFO):
        assert watched.look() == watched.look() == []
    assert [record.message.split(" under ")[0] for record in caplog.records] == ["no serving_model is committed"]


def test_the_metrics_tell_the_one_model_that_answers(store, watched, files):
    publish(store, files, DAYS[0])
    watched.look()
    second = publish(store, files, DAYS[1])
    watched.look()
    told = [sample.labels for metric in metrics.MODEL.collect() for sample in metric.samples]
    assert told == [{"day": DAYS[1], "version": second.version}]
