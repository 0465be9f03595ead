"""Benchmarks of the whole path, beside the original study's approach and the libraries a user would pick instead.

Every contender runs in a process of its own on the same rows, one after the other, with the same number of threads.
The seconds of one table were taken in one run: compare the lines with one another, not with another machine's.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ctr_assets.demo.calendar import Drift
from ctr_assets.features import FEATURES
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY
from ctr_assets_tests.benchmarks.accidents_ours import ACCIDENTS
from ctr_assets_tests.benchmarks.data import REPLAYED_DAYS, Data, read_once
from ctr_assets_tests.benchmarks.measuring import Figures, measure, ours, repeated
from ctr_assets_tests.benchmarks.page import Line, Page
from ctr_assets_tests.benchmarks.quality_ours import FORMER

FIRST_DAY = "2014-10-21"
DAY_ROWS = 408_000
"""Of the day after so many ids: two raw files."""
GPU_ROWS = 10_000_000
PEERS = Path(__file__).parent / "peers"


class Bench(Data):
    """The sections, over data that is made once and kept in ``folder``."""

    def tables(self) -> Iterator[Line]:
        """Landing CSV to encoded features, ten days in one range run."""
        section = "tables: CSV to encoded_features"
        plain = repeated(self.repeats, lambda: self._tables(self.landing(self.rows)))
        yield Line(section, "ours", plain, f"{plain['bytes'] / plain['rows']:.1f} bytes a row on disk")
        gzipped = self._tables(self.landing(self.rows, gzip=True))
        yield Line(section, "ours, ten gzip files", gzipped, f"{gzipped['seconds'] / plain['seconds']:.2f} x plain")
        archive = self._tables(self.one_archive(self.rows))
        yield Line(section, "ours, one gzip file", archive, f"{archive['seconds'] / plain['seconds']:.2f} x plain")
        if self.peer_python.exists():
            polars = repeated(self.repeats, lambda: self._polars(self.landing(self.rows)))
            yield Line(section, "Polars, in memory", polars, f"ours takes {plain['seconds'] / polars['seconds']:.2f} x")
        original = measure(
            ours("tables_original", self.landing(self.original_rows), self.clean("original")), self.threads
        )
        times = (original["seconds"] / original["rows"]) / (plain["seconds"] / plain["rows"])
        yield Line(section, "original study's approach", original, f"ours is {times:.0f} x as fast a row")

    def new_day(self) -> Iterator[Line]:
        """One more day, beside the same day alone."""
        landing, rows = self.landing(self.rows), self.rows
        store = self.clean("nine-days")
        measure(ours("tables_ours", landing, store, "--days", 9), self.threads)
        tenth = ("--first-day", "2014-10-30", "--days", 1)
        added = measure(ours("tables_ours", landing, store, *tenth, "--previous-day", "2014-10-29"), self.threads)
        alone = measure(ours("tables_ours", landing, self.clean("one-day"), *tenth), self.threads)
        ratio = f"{added['seconds'] / alone['seconds']:.2f} x the day alone"
        yield Line("one more day", f"ours, after nine of {rows // 10:,}", added, ratio)
        yield Line("one more day", "ours, the day alone", alone)

    def ids(self) -> Iterator[Line]:
        """One day after so many known ids, and after so many days."""
        landing, store = self.landing(DAY_ROWS, days=1), self.clean("ids")
        alone: Figures = {}
        for known in (0, 1_000_000, 10_000_000, 30_000_000):
            found = measure(ours("ids_ours", landing, store, known), self.threads)
            alone = alone or found
            steps, written = (
                ", ".join(f"{table} {show(found[of][table])}" for table in (FEATURE_VOCABULARY, ENCODED_FEATURES))
                for of, show in (("steps", "{:.2f} s".format), ("written", "{:,} bytes".format))
            )
            ratio = f"{steps}; {written}; {found['seconds'] / alone['seconds']:.2f} x after none"
            yield Line("tables of a day", f"ours, after {known:,} ids", found, ratio)
        for known in (1_000_000, 10_000_000, 30_000_000, 100_000_000):
            found = measure(ours("ids_ours", landing, store, known, "--look-up"), self.threads)
            yield Line("look-up of values, half of them known", f"ours, among {known:,} ids", found)

    def history(self) -> Iterator[Line]:
        """The same small day after ever more days."""
        for of in measure(ours("history_ours", self.clean("history")), self.threads)["lines"]:
            told = (
                f"vocabulary {of['vocabulary']:.2f} s, encode {of['encode']:.2f} s, check {of['check']:.2f} s, tick "
                f"{of['tick']:.2f} s, vacuum {of['vacuum']:.2f} s; {of['bytes']:,.0f} bytes (mean so far "
                f"{of['mean_bytes']:,.0f}, most {of['most_bytes']:,}), {of['segments']} segments, manifest "
                f"{of['manifest']:,} bytes"
            )
            seconds = of["vocabulary"] + of["encode"]
            yield Line("a day's cost against history", f"ours, day {of['day']:,}", {"seconds": seconds}, told)

    def accidents(self) -> Iterator[Line]:
        """Deliveries that went wrong, beside clean ones."""
        clean: dict[bool, float] = {}
        for name, accident in ACCIDENTS.items():
            found = measure(ours("accidents_ours", name, self.clean("accident")), self.threads)
            a_row = found["seconds"] / found["rows"]
            is_gzip = accident.name.endswith(".gz")
            ratio = f"{a_row / clean.setdefault(is_gzip, a_row):.2f} x a clean row"
            ratio = f"{found['kept']:,} kept, {found['quarantined']:,} quarantined of {found['lines'] - 1:,}; {ratio}"
            yield Line("taking in a delivery", name, found, ratio)

    def loading(self) -> Iterator[Line]:
        """Parquet to shuffled tensors."""
        loaded = repeated(self.repeats, lambda: self._ours(self.encoded(self.rows), "load"))
        yield Line("loading: Parquet to shuffled batches", "ours", loaded)

    def training(self) -> Iterator[Line]:
        """Both presets' architectures, from Parquet, end to end, in fp32, and in bf16 where the CPU has it."""
        from ctr_assets.training.precision import cpu_computes_bf16  # torch takes seconds to import

        original = {"preset": "original", "batch_size": 8192}
        config = {"hidden": [400, 400, 400], "batch_size": 10_000, "embedding_learning_rate": 1e-3}
        store = self.encoded(self.rows)
        contenders = {"original preset, batch 8192": original, "default preset": {}, "400-400-400": config}
        for name, of in contenders.items():
            for precision in ("fp32", "bf16") if cpu_computes_bf16() else ("fp32",):
                run = partial(self._ours, store, "train", {**of, "precision": precision})
                found = repeated(self.repeats, run)
                yield Line("training", f"ours, {name}, {precision}", found, _beside_product(found))

    def quality(self) -> Iterator[Line]:
        """Models of nine days on the tenth, three seeds each."""
        store = self.linked("quality")
        contenders = {
            "ours, default preset": ("wide_deep", {}),
            "ours, the default preset before": ("wide_deep", FORMER),
            "logistic regression": ("logistic", {}),
            "Spark's GBT": ("gbt", {}),
        }
        for contender, (model, config) in contenders.items():
            command = ours("quality_ours", store, model, "--train-days", 9, "--config", json.dumps(config))
            found = measure(command, self.threads)
            told = (f"{name} {found[name]:.4f} ± {found[f'{name}_sd']:.4f}" for name in ("roc_auc", "logloss"))
            calibration = f"calibration {found['calibration_ratio']:.3f} ± {found['calibration_ratio_sd']:.3f}"
            yield Line("quality on the day after", contender, found, ", ".join([*told, calibration]))

    def continued(self) -> Iterator[Line]:
        """Each day's model gone on from the day before, beside one of the whole window so far."""
        kinds = {"window": "ours, from scratch on all days so far", "continued": "ours, from the day before"}
        found = {kind: measure(ours("continued_ours", self.linked(kind), kind), self.threads) for kind in kinds}
        for day, of_window in found["window"]["days"].items():
            for kind, contender in kinds.items():
                of_day = found[kind]["days"][day]
                told = f"next day: logloss {of_day['logloss']:.5f}, AUC {of_day['auc']:.5f}"
                if kind == "continued":
                    ratios = [f"{of_day[name] / of_window[name]:.3f} x" for name in ("cpu_seconds", "bytes_read")]
                    worse = of_day["logloss"] / of_window["logloss"] - 1
                    told += f" ({worse:+.2%}); {ratios[0]} the CPU, {ratios[1]} the bytes"
                figures = {"rows": of_day["rows"], "seconds": of_day["cpu_seconds"]}
                yield Line(f"a model of {day}, CPU seconds", contender, figures, told)

    def peers(self) -> Iterator[Line]:
        """The same Wide & Deep, rows and batches by other libraries."""
        section = "training: default fields x 16, 400-400-400, batch 10000"
        task = self.task(self.peer_rows)
        # Adam at the same rate for all weights, as the others train.
        rows = {"embedding_optimizer": "adam", "embedding_learning_rate": 1e-3}
        config = {"hidden": [400, 400, 400], "batch_size": 10_000, **rows}
        us = repeated(self.repeats, lambda: self._ours(task / "store", "train", config))
        yield Line(section, "ours, from Parquet", us, f"{_quality(us)}; {_beside_product(us)}")
        for script in sorted(PEERS.glob("*_wide_deep.py")):
            if not self.peer_python.exists():
                break
            command = [str(self.peer_python), str(script), str(task), "--threads", str(self.threads)]
            peer = measure([*command, "--batch-rows", "10000", "--seed", "0"], self.threads)
            times = f"ours is {us['rows_per_second'] / peer['rows_per_second']:.1f} x as fast"
            yield Line(section, peer["library"], peer, f"{_quality(peer)}; {times}")

    def gpu(self) -> Iterator[Line]:
        """One GPU: both presets' architectures, that of NVIDIA's Wide & Deep, and FuxiCTR's on the same card."""
        import torch  # seconds, which the other sections need not wait for

        if not torch.cuda.is_available():
            print("no GPU here")
            return
        section, task = f"one {torch.cuda.get_device_name()}", self.task(GPU_ROWS)
        large = {"preset": "gpu", "device": "cuda"}
        contenders = {
            "gpu preset": large,
            "original preset, batch 65536": {**large, "preset": "original", "batch_size": 65_536},
            "gpu preset, 5 x 1024 units": {**large, "hidden": [1024] * 5},
            "gpu preset, 400-400-400, batch 10000": {**large, "hidden": [400] * 3, "batch_size": 10_000},
        }
        for name, config in contenders.items():
            command = ours("gpu_ours", task / "store", "--config", json.dumps(config))
            us = repeated(self.repeats, partial(measure, command, self.threads))
            told = (
                f"{us['precision']}, rows {us['order']}; busy {us['busy']:.0%} of the time; loading and look-up alone"
            )
            yield Line(section, f"ours, {name}", us, f"{told} {us['loading_rows_per_second']:,.0f} rows/s")
        if self.peer_python.exists():
            command = [str(self.peer_python), str(PEERS / "fuxictr_wide_deep.py"), str(task), "--gpu", "0"]
            peer = measure(command, self.threads)
            times = f"ours is {us['rows_per_second'] / peer['rows_per_second']:.1f} x as fast"
            yield Line(section, f"{peer['library']}, 400-400-400, batch 10000", peer, times)

    def vocabulary(self) -> Iterator[Line]:
        """One step as a table grows."""
        sizes = (100_000, 1_000_000, 10_000_000)
        steps = measure(ours("steps_ours", *sizes), self.threads)["step_seconds"]
        first = steps[str(sizes[0])]
        for size in sizes:
            seconds = steps[str(size)]
            ratio = f"{seconds / first:.2f} x of {sizes[0]:,} ids"
            yield Line("a training step", f"ours, {size:,} ids", {"seconds": seconds}, ratio)

    def parts(self) -> Iterator[Line]:
        """Each fast part of training beside the plain PyTorch that it stands in for, on one thread."""
        for part, (seconds, plain) in measure(ours("parts_ours"), 1)["parts"].items():
            told = f"{seconds * 1e3:.2f} ms of CPU, plain PyTorch {plain * 1e3:.2f} ms: {plain / seconds:.1f} x as fast"
            yield Line("a batch, by parts", f"ours, {part}", {"seconds": seconds}, told)

    def promotion(self) -> Iterator[Line]:
        """Rules of promotion, replayed over days of which every one has a model."""
        for drift in Drift:
            store = self.replayed(drift)
            for of in measure(ours("replay_rules", store, FIRST_DAY, REPLAYED_DAYS), 1)["lines"]:
                told = (
                    f"mean next-day logloss {of['logloss']:.5f} over {of['days']} days, {of['changes']} changes; "
                    f"with broken trainings {of['logloss_with_accidents']:.5f}, {of['broken_days']} days in use; "
                    f"{of['reseeded_changes']} of {of['reseeded']} other seeds promoted"
                )
                yield Line(f"promotion: {drift} drift", of["rule"], {"seconds": of["seconds"]}, told)

    def scoring(self) -> Iterator[Line]:
        """Encoded Parquet to predictions on disk: bare, and as click_predictions, with every row's id."""
        store = self.encoded(self.rows)
        self._ours(store, "train")
        scored = repeated(self.repeats, lambda: self._ours(store, "score"))
        yield Line("scoring", "ours, default preset", scored)
        predicted = repeated(self.repeats, lambda: self._ours(store, "predict"))
        ratio = f"{predicted['rows_per_second'] / scored['rows_per_second']:.2f} x as fast a row as bare"
        yield Line("scoring", "ours, click_predictions", predicted, ratio)

    def serving(self) -> Iterator[Line]:
        """The champion asked over HTTP; requests are the rows of its first lines."""
        store = self.encoded(self.rows)
        if not (store / "serving_model").exists():
            self._ours(store, "train")
        contenders = {
            "onnx": "ours",
            "torch": "the torch model behind the same server",
            "direct": "onnxruntime in the process",
        }
        found = {what: measure(ours("serving_ours", store, what), self.threads) for what in contenders}
        for what, contender in contenders.items():
            one = {"rows": found[what]["requests"], **found[what]}
            yield Line("serving: one row a request, 16 clients", contender, one, found[what]["busy"])
        for what in ("onnx", "torch"):
            for load, section in (("half", "at half of that load"), ("goal", "at 200 requests/s")):
                yield Line(
                    f"serving: {section}", contenders[what], {"seconds": found[what]["seconds"]}, found[what][load]
                )
        for what, contender in contenders.items():
            many = {"rows": found[what]["many_rows"], "seconds": found[what]["many_seconds"]}
            yield Line("serving: 1,000 rows a request, 2 clients", contender, many, found[what]["many"])

    def metrics(self) -> Iterator[Line]:
        """All figures and curves."""
        yield Line("metrics and curves", "ours", measure(ours("metrics_ours", 12_000_000), self.threads))

    def ranks(self) -> Iterator[Line]:
        """Two processes of one thread beside one of two."""
        store = self.encoded(self.rows)
        one = repeated(self.repeats, lambda: self._ours(store, "train"))
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
        two = repeated(
            self.repeats, lambda: measure([*torchrun, *ours("training_ours", store, "train")[2:]], self.threads // 2)
        )
        ratio = f"{one['seconds'] / two['seconds']:.2f} x as fast"
        yield Line("data-parallel training", "ours, one process of two threads", one)
        yield Line("data-parallel training", "ours, two processes of one thread", two, ratio)

    def growth(self) -> Iterator[Line]:
        """How the costs grow."""
        first: dict[str, float] = {}
        for rows in (1_000_000, 4_000_000, 16_000_000):
            tables, store = self._tables(self.landing(rows)), self.folder / "store"
            for name, found in (
                ("tables", tables),
                ("loading", self._ours(store, "load")),
                ("training, default preset", self._ours(store, "train")),
                ("scoring", self._ours(store, "score")),
            ):
                a_row = found["seconds"] / found["rows"]
                ratio = f"{a_row / first.setdefault(name, a_row):.2f} x a row of 1 M"
                yield Line(f"growth: {name}", "ours", found, ratio)

    def everything(self) -> Iterator[Line]:
        """Forty million rows."""
        landing = read_once(self.landing(40_428_967))
        tables = self._tables(landing)
        yield Line("the whole log", "ours, tables", tables)
        if self.peer_python.exists():
            polars = self._polars(landing)
            ratio = f"ours takes {tables['seconds'] / polars['seconds']:.2f} x"
            yield Line("the whole log", "Polars, in memory, tables", polars, ratio)
        yield Line("the whole log", "ours, one epoch of its training rows", self._ours(self.folder / "store", "train"))

    # ------------------------------------------------------------------------------------------------ runs

    def _tables(self, landing: Path) -> Figures:
        return measure(ours("tables_ours", landing, self.clean("store")), self.threads)

    def _polars(self, landing: Path) -> Figures:
        specification = self.folder / "specification.json"
        specification.write_text(
            json.dumps([{"name": f.name, "columns": f.columns, "min_count": f.min_count} for f in FEATURES])
        )
        script, out = PEERS / "tables_polars.py", self.clean("polars")
        command = [str(self.peer_python), str(script), str(landing), str(out), str(specification)]
        return measure([*command, "--threads", str(self.threads)], self.threads)

    def _ours(self, store: Path, what: str, config: dict[str, Any] | None = None) -> Figures:
        return measure(ours("training_ours", store, what, "--config", json.dumps(config or {})), self.threads)


SECTIONS: dict[str, Callable[[Bench], Iterator[Line]]] = {
    name: getattr(Bench, name)
    for name in (
        *(
            "tables",
            "new_day",
            "ids",
            "history",
            "accidents",
            "loading",
            "training",
            "quality",
            "continued",
            "peers",
            "gpu",
            "vocabulary",
            "parts",
            "promotion",
            "scoring",
            "serving",
            "metrics",
            "ranks",
        ),
        *("growth", "everything"),
    )
}
DEFAULT_SECTIONS = [name for name in SECTIONS if name != "everything"]


def _beside_product(figures: Figures) -> str:
    product = f"{figures['product_gigaflops']:.0f} GFLOP/s"
    return f"{figures['of_product']:.0%} of the speed of the matrix products alone ({product})"


def _quality(figures: Figures) -> str:
    return f"test logloss {figures['test_logloss']:.4f}, AUC {figures['test_auc']:.4f}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ctr_assets_tests.benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all but the last")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="data and the peers' environment")
    parser.add_argument("--pages", type=Path, default=Path("docs/benchmarks"), help="where the run's page is kept")
    parser.add_argument("--rows", type=int, default=4_000_000, help="rows of the tables (default: %(default)s)")
    parser.add_argument("--original-rows", type=int, default=1_000_000, help="rows of the original approach")
    parser.add_argument("--peer-rows", type=int, default=1_000_000, help="training rows of the other libraries")
    parser.add_argument("--replay-seed", type=int, default=2014, help="of the days that promotion is replayed on")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the median counts, where they are short")
    parser.add_argument("--threads", type=int, default=2, help="of every contender (default: %(default)s)")
    options = parser.parse_args(arguments)
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    if not bench.peer_python.exists():
        print(f"{bench.peer_python} is not there: the other libraries are left out (make bench installs them)")
    sections = options.sections or DEFAULT_SECTIONS
    page = Page.new(options.pages, sections=sections, repeats=options.repeats, threads=options.threads)
    print(page.head(), flush=True)
    for name in tqdm(sections, unit="section", disable=None):
        for line in SECTIONS[name](bench):
            page.add(line)
            tqdm.write(line.as_markdown(), file=sys.stdout)
            sys.stdout.flush()
    if page.path.exists():
        print(f"\nKept in {page.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
