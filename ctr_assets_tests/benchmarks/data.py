"""The data that the benchmarks read: made once, and kept in a folder."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from ctr_assets.demo.calendar import Drift
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY, RAW_IMPRESSIONS
from ctr_assets_tests.benchmarks.measuring import environment, measure, ours

REPLAYED_DAYS = 25


class Data:
    """What the options ask for, in ``folder``. A folder that is there was finished."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.folder: Path = options.folder.absolute()
        self.rows, self.original_rows, self.peer_rows = options.rows, options.original_rows, options.peer_rows
        self.repeats, self.threads, self.replay_seed = options.repeats, options.threads, options.replay_seed
        self.peer_python = self.folder / "peers" / "bin" / "python"

    def landing(self, rows: int, *, gzip: bool = False, days: int = 10) -> Path:
        folder = self.folder / f"landing-{rows}{'-gz' if gzip else ''}{'' if days == 10 else f'-{days}-days'}"
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            arguments = ["--rows", str(rows), "--days", str(days)]
            arguments += ["--landing", str(partial), "--truth", str(self.folder / "truth")]
            subprocess.run(
                [sys.executable, "-m", "ctr_assets.demo", *arguments, *(["--gzip"] if gzip else [])],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            partial.rename(folder)
        return folder

    def one_archive(self, rows: int) -> Path:
        """The same rows as one big gzip file, which no engine can split."""
        folder = self.folder / f"landing-{rows}-archive"
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            days = sorted(self.landing(rows).glob("day=*/*.csv"))
            with (partial / "train.gz").open("wb") as out:
                compress = subprocess.Popen(["gzip", "-6"], stdin=subprocess.PIPE, stdout=out)
                assert compress.stdin is not None
                for number, path in enumerate(days):
                    with path.open("rb") as lines:
                        header = lines.readline()
                        compress.stdin.write(b"" if number else header)
                        shutil.copyfileobj(lines, compress.stdin, 1 << 20)
                compress.stdin.close()
                if compress.wait():
                    raise RuntimeError(f"gzip ended with {compress.returncode}: is there room under {self.folder}?")
            partial.rename(folder)
        return folder

    def task(self, train_rows: int) -> Path:
        folder = self.folder / f"task-{train_rows}"
        if not (folder / "task.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            command = ours("training_task", folder, "--train-rows", train_rows)
            subprocess.run(command, check=True, env=environment(self.threads))
        return folder

    def encoded(self, rows: int) -> Path:
        """The tables of the demo's impressions, as they are trained from."""
        folder = self.folder / f"encoded-{rows}"
        if not folder.exists():
            measure(ours("tables_ours", self.landing(rows), partial_folder := self.clean("partial")), self.threads)
            partial_folder.rename(folder)
        return folder

    def replayed(self, drift: Drift) -> Path:
        """The tables of many days of 40,000 rows."""
        name = f"replay-{drift}-{self.replay_seed}"
        store, landing = self.folder / name, self.folder / f"landing-{name}"
        if not store.exists():
            made = ["--rows", 40_000 * REPLAYED_DAYS, "--days", REPLAYED_DAYS, "--drift", drift]
            made += ["--seed", self.replay_seed, "--landing", landing, "--truth", self.folder / f"truth-{name}"]
            command = [sys.executable, "-m", "ctr_assets.demo", *map(str, made)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            built = ours("tables_ours", landing, partial_folder := self.clean("partial"), "--days", REPLAYED_DAYS)
            measure(built, self.threads)
            partial_folder.rename(store)
        return store

    def linked(self, name: str) -> Path:
        """A store of its own on the same encoded days, whose models are its own."""
        store, encoded = self.clean(name), self.encoded(self.rows)
        store.mkdir()
        for table in encoded.iterdir():
            if table.name in (RAW_IMPRESSIONS, FEATURE_VOCABULARY, ENCODED_FEATURES):
                (store / table.name).symlink_to(table)
        return store

    def clean(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder


def read_once(folder: Path) -> Path:
    """The same folder, its files read: whoever comes first would else wait for the disk, and the next would not."""
    for path in sorted(folder.rglob("*.csv")):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass
    return folder
