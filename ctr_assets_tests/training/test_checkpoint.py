"""A damaged checkpoint is set aside, and trainings that share checkpoints do not trip each other up."""

import json
import os
import re
from contextlib import suppress

import pytest
import torch

from ctr_assets.storage import CommitConflictError, Store, UnreadableError
from ctr_assets.tables import WIDE_DEEP_MODEL
from ctr_assets.training.checkpoint import Checkpoints
from ctr_assets.training.publish import read_weights
from ctr_assets.training.train import OvertakenError
from ctr_assets_tests.damaging import DAMAGES, damage_file
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.training.conftest import DAYS
from ctr_assets_tests.training.interrupted import train_until_killed
from ctr_assets_tests.training.racing import train_beside_others
from ctr_assets_tests.training.test_train import TINY, train_on, weights_bytes

ROUNDS = {"local": 8, "gcs": 4}
"""Of a race; each takes four seconds of CPU in object storage."""
OVERFITTING = TINY.model_copy(update={"embedding_learning_rate": 0.3, "epochs": 4, "patience": 4})
"""Its best epoch is not its last."""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    store = Store(str(tmp_path_factory.mktemp("unbroken")))
    write_days(store, DAYS, rows_per_day=1200)
    return weights_bytes(store, train_on(store).manifest)


@pytest.fixture(params=["local", "gcs"])
def place(request, tmp_path) -> Store:
    """Three encoded days on a disk and in object storage."""
    place = Store(str(tmp_path / "place") if request.param == "local" else f"{request.getfixturevalue('gcs').uri}/s")
    write_days(place, DAYS, rows_per_day=1200)
    return place


def checkpoints_of(store: Store) -> dict[str, str]:
    """Name -> path of the files in the one folder of checkpoints."""
    store.fs.invalidate_cache()
    return {path.rsplit("/", 1)[-1]: path for path in sorted(store.fs.find(store.path("checkpoints")))}


def state(epoch: int) -> dict:
    return {"curve": [{}] * epoch, "trainer": {"model": {"weight": torch.arange(1000.0)}}}


def killed_before_the_commit(store: Store, monkeypatch) -> list[str]:
    """A training that ends with all its checkpoints and no model; the names of the checkpoints."""
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "keep_only", lambda *_: None)
        patched.setattr("ctr_assets.training.train.publish", stop)
        with pytest.raises(InterruptedError):
            train_on(store)
    return list(checkpoints_of(store))


def stop(*_):
    raise InterruptedError


@pytest.mark.parametrize("how", [how for how in DAMAGES if how not in ("missing", "grown")])
def test_a_damaged_checkpoint_is_set_aside_and_the_weights_are_those_of_an_unbroken_run(
    place, unbroken, monkeypatch, how
) -> None:
    assert killed_before_the_commit(place, monkeypatch) == ["epoch-0001.pt", "epoch-0002.pt", "epoch-0003.pt"]
    damage_file(place, checkpoints_of(place)["epoch-0003.pt"], how)
    told: list[str] = []
    after = train_on(place, log=told.append).manifest
    assert told[1].startswith("warning: the checkpoint of epoch 3 is set aside")
    assert "/epoch-0003.pt under " in told[1]
    assert told[2].startswith("resumed after epoch 2")
    assert weights_of(place) == unbroken_weights(unbroken)
    assert after.version == place.manifest(WIDE_DEEP_MODEL, DAYS[-1]).version
    (kept,) = checkpoints_of(place)
    assert re.fullmatch(r"epoch-0003\.pt\.[0-9a-f]{8}\.damaged", kept)


def test_when_every_checkpoint_is_damaged_training_starts_again(store, unbroken, monkeypatch) -> None:
    killed_before_the_commit(store, monkeypatch)
    for path in checkpoints_of(store).values():
        damage_file(store, path, "cut off")
    told: list[str] = []
    assert weights_bytes(store, train_on(store, log=told.append).manifest) == unbroken
    assert [re.findall(r"^warning: .* epoch (\d) is set aside", line) for line in told[1:4]] == [["3"], ["2"], ["1"]]
    assert told[4].startswith("epoch 1:")
    assert len(checkpoints_of(store)) == 3


def test_training_does_not_go_on_from_a_checkpoint_whose_best_epoch_is_damaged(store, monkeypatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("ctr_assets.training.train.publish", stop)
        with pytest.raises(InterruptedError):
            train_on(store, OVERFITTING)
    best, newest = checkpoints_of(store)
    assert newest == "epoch-0004.pt"
    damage_file(store, checkpoints_of(store)[best], "flipped")
    told: list[str] = []
    resumed = train_on(store, OVERFITTING, log=told.append)
    assert told[1].startswith(f"warning: the checkpoint of epoch {resumed.best.epoch} is set aside")
    assert not any("resumed" in line for line in told)
    assert best in f"epoch-{resumed.best.epoch:04d}.pt"
    alone = train_on(store, OVERFITTING)
    assert weights_bytes(store, resumed.manifest) == weights_bytes(store, alone.manifest)


@pytest.mark.long
def test_a_killed_training_whose_checkpoint_is_cut_off_goes_on_from_the_one_before(store, unbroken, processes) -> None:
    killed = processes.Process(target=train_until_killed, args=(store.url, TINY, "between the files and the manifest"))
    killed.start()
    killed.join()
    damage_file(store, checkpoints_of(store)["epoch-0003.pt"], "cut off")
    assert weights_bytes(store, train_on(store).manifest) == unbroken


def test_what_is_no_state_of_that_epoch_is_refused_and_named(tmp_path) -> None:
    checkpoints = Checkpoints(Store(str(tmp_path)), WIDE_DEEP_MODEL, DAYS[0], "0123")
    name = f"checkpoints/{WIDE_DEEP_MODEL}/{DAYS[0]}/0123/epoch-0002.pt under {tmp_path}"
    for wrong in (state(1), {}, [1], {"curve": [1, 2]}, {"curve": [1, 2], "trainer": {}}):
        checkpoints.save(2, wrong)  # type: ignore[arg-type]
        with pytest.raises(UnreadableError, match=f"^{re.escape(name)} cannot be read"):
            checkpoints.load(2)
    checkpoints.save(2, state(2))
    assert checkpoints.load(2)["trainer"]["model"]["weight"].sum() == 499_500


# ------------------------------------------------------------------------------------- several trainings at once


def test_a_slower_training_deletes_nothing_of_one_that_is_ahead(tmp_path) -> None:
    checkpoints = Checkpoints(Store(str(tmp_path)), WIDE_DEEP_MODEL, DAYS[0], "0123")
    for epoch in range(1, 6):
        checkpoints.save(epoch, state(epoch))
    checkpoints.keep_only(2, 1)
    assert checkpoints.epochs() == [1, 2, 3, 4, 5]
    checkpoints.keep_only(5, 3)
    assert checkpoints.epochs() == [3, 5]


@pytest.mark.parametrize("work", ["keep_only", "remove", "load", "set_aside"])
def test_what_another_training_deleted_meanwhile_is_no_bare_error(place, monkeypatch, work) -> None:
    mine, other = (Checkpoints(place, WIDE_DEEP_MODEL, DAYS[0], "0123") for _ in range(2))
    for epoch in (1, 2, 3):
        mine.save(epoch, state(epoch))
    names = Checkpoints._names

    def then_the_other_removes_all(self):
        found = names(self)
        if self is mine:
            other.remove()
        return found

    monkeypatch.setattr(Checkpoints, "_names", then_the_other_removes_all)
    if work == "load":
        epochs = mine.epochs()
        with pytest.raises(UnreadableError, match=r"epoch-0003\.pt under .* cannot be read \(it is not there\)"):
            mine.load(epochs[-1])
    else:
        {"keep_only": lambda: mine.keep_only(3, 2), "remove": mine.remove, "set_aside": lambda: mine.set_aside(9)}[
            work
        ]()
    assert other.epochs() == [] or work == "set_aside"


def test_a_checkpoint_is_saved_though_another_training_removes_all_in_the_middle(tmp_path, monkeypatch) -> None:
    checkpoints = Checkpoints(Store(str(tmp_path)), WIDE_DEEP_MODEL, DAYS[0], "0123")
    replace, makedirs = os.replace, checkpoints.store.fs.makedirs
    removed: list[object] = []

    def removing(function, *args, **options):
        result = function(*args, **options) if function is makedirs else None
        if len(removed) < 4:
            removed.append(function)
            Checkpoints(checkpoints.store, WIDE_DEEP_MODEL, DAYS[0], "0123").remove()
        return function(*args, **options) if function is replace else result

    monkeypatch.setattr(os, "replace", lambda *args: removing(replace, *args))
    monkeypatch.setattr(checkpoints.store.fs, "makedirs", lambda *args, **o: removing(makedirs, *args, **o))
    checkpoints.save(1, state(1))
    assert removed == [makedirs, makedirs, makedirs, makedirs]
    assert checkpoints.load(1)["curve"] == [{}]
    assert list(checkpoints_of(checkpoints.store)) == ["epoch-0001.pt"]


@pytest.mark.long
@pytest.mark.parametrize("point", ["save", "keep_only", "load", "epochs", "remove"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_whole_training_of_the_same_in_the_middle_of_another(place, unbroken, monkeypatch, point, number) -> None:
    """At its n-th call of the point, before and after which the other trains, commits and deletes all checkpoints."""
    original, calls = getattr(Checkpoints, point), []

    def interrupted(self, *args):
        result = original(self, *args) if number == 1 else None
        calls.append(args)
        if len(calls) == number:
            train_on(place)
        return result if number == 1 else original(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, point, interrupted)
        with suppress(OvertakenError, CommitConflictError):
            train_on(place)
    assert weights_of(place) == unbroken_weights(unbroken)


def weights_of(store: Store) -> dict[str, list]:
    return {name: w.tolist() for name, w in read_weights(store, store.manifest(WIDE_DEEP_MODEL, DAYS[-1])).items()}


def unbroken_weights(content: bytes) -> dict[str, list]:
    import safetensors.torch

    return {name: weight.tolist() for name, weight in safetensors.torch.load(content).items()}


def test_a_training_whose_best_checkpoint_another_took_away_says_that_it_was_overtaken(store, monkeypatch) -> None:
    whole = train_on(store, OVERFITTING).manifest
    load = Checkpoints.load

    def load_after_the_other(self, epoch):
        self.remove()
        return load(self, epoch)

    monkeypatch.setattr(Checkpoints, "load", load_after_the_other)
    with pytest.raises(OvertakenError, match=f"epoch {whole.properties['metrics']['best_epoch']}, the best, is gone"):
        train_on(store, OVERFITTING)
    assert store.manifest(WIDE_DEEP_MODEL, DAYS[-1]) == whole


@pytest.mark.long
def test_two_processes_that_train_the_same_at_once_end_well_or_say_why(
    request, place, processes, tmp_path, unbroken
) -> None:
    environment = {} if place.is_local else request.getfixturevalue("gcs").environment
    # Each round has checkpoints of its own; every other has its best epoch early. The last is the one that is compared.
    rounds = [TINY, OVERFITTING] * (ROUNDS["local" if place.is_local else "gcs"] // 2)
    configs = [config.model_copy(update={"seed": seed}) for seed, config in enumerate(rounds, 1)] + [TINY]
    barrier = processes.Barrier(2)
    outs = [tmp_path / f"{number}.json" for number in range(2)]
    racers = [
        processes.Process(target=train_beside_others, args=(place.url, environment, configs, barrier, out))
        for out in outs
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(300)
        if racer.exitcode is None:
            barrier.abort()
            racer.kill()
    outcomes = [json.loads(out.read_text()) for out in outs]
    for of_round in zip(*outcomes, strict=True):
        errors = [outcome["error"] for outcome in of_round if outcome["error"]]
        assert len(errors) < 2, errors
        assert all(re.match("OvertakenError|CommitConflictError", error) for error in errors), errors
    assert len(outcomes[0]) == len(configs)
    assert place.manifest(WIDE_DEEP_MODEL, DAYS[-1]).version in {outcome[-1]["version"] for outcome in outcomes}
    assert weights_of(place) == unbroken_weights(unbroken)
    assert checkpoints_of(place) == {}
