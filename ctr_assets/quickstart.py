"""The demo, end to end: make impressions with a known click model, materialize the whole graph, print what came out.

    python -m ctr_assets.quickstart --rows 200000 --home data/demo

Every step is a command that a person could type; this module types them and reads the instance afterwards.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import dagster as dg
import numpy as np

from ctr_assets.days import shift
from ctr_assets.demo.calendar import MAX_ROWS
from ctr_assets.evaluation.scored import NAMES
from ctr_assets.oracle import best_reachable, held_out_impression
from ctr_assets.serving import HTTP_PORT, SERVED_NAME
from ctr_assets.serving.session import MODEL_NAME, ServedModel
from ctr_assets.storage import Store
from ctr_assets.tables import CURRENT, SERVING_MODEL

FIRST_DAY: Final = "2014-10-21"
DAYS: Final = 10
TABLES: Final = ("raw_impressions", "impression_profile", "feature_vocabulary", "encoded_features")
EVALUATED: Final = ("evaluation_metrics", "evaluation_report")
IN_USE: Final = ("champion_model", "serving_model", "click_predictions")
BY_THE_DAY: Final = ("wide_deep_model", "logistic_baseline")
MODELS: Final = (*BY_THE_DAY, "gbt_baseline", *EVALUATED, "champion_validation")
_FINISHED = re.compile(r'STEP_SUCCESS - Finished execution of step "(\w+)" in (\S+?)\.?$')


class DemoFailedError(RuntimeError):
    """A step of the demo failed; the message names its log."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ctr_assets.quickstart", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="impressions to make over ten days (default 200000)")
    parser.add_argument("--home", type=Path, default=Path("data/demo"), help="folder of the demo (default data/demo)")
    args = parser.parse_args(argv)
    if not DAYS <= args.rows <= MAX_ROWS:
        parser.error(f"--rows is {args.rows}: expected {DAYS}, one a day, to {MAX_ROWS}")
    try:
        run_demo(args.rows, args.home.absolute())
    except DemoFailedError as e:
        print(f"\n{e}", file=sys.stderr)
        return 1
    return 0


def run_demo(rows: int, home: Path) -> None:
    """Run every step in ``home`` and print the results. Raises :class:`DemoFailedError` at the first that fails."""
    started = time.monotonic()
    landing, truth = home / "landing", home / "truth"
    days = [shift(FIRST_DAY, i) for i in range(DAYS)]
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home / "dagster"),
        "CTR_LANDING_URL": str(landing),
        "CTR_STORE_URL": str(home / "store"),
        "CTR_TRUTH_FOLDER": str(truth),
    }
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    print(f"1. {rows:,} impressions over {DAYS} days -> {landing}")
    generate = ["ctr_assets.demo", "--rows", str(rows), "--landing", str(landing), "--truth", str(truth)]
    # Its own progress bar is worth seeing: at 40 million impressions it runs for minutes.
    if subprocess.run([sys.executable, "-m", *generate], env=environment).returncode:
        raise DemoFailedError("Failed: making the impressions; its error is above")
    print("2. Tables of all days, one run")
    _materialize(environment, home, TABLES, "--partition-range", f"{days[0]}...{days[-1]}")
    print(f"3. Wide & Deep and its baselines of {days[-2]} and {days[-1]}, side by side")
    with ThreadPoolExecutor() as beside:
        last_two = ("--partition-range", f"{days[-2]}...{days[-1]}")
        gbt = beside.submit(_materialize, environment, home, ("gbt_baseline",), *last_two)
        for day in days[-2:]:
            _materialize(environment, home, BY_THE_DAY, "--partition", day)
        gbt.result()
    print(f"4. Evaluation of {days[-2]}, on the next day too; the first champion")
    _materialize(environment, home, (*EVALUATED, "champion_model"), "--partition", days[-2])
    print(f"5. The champion on {days[-1]}, a day it never saw; that day's model against it")
    # The contest last and by itself: the day's model might become the champion that is validated.
    _materialize(environment, home, (*EVALUATED, "champion_validation"), "--partition", days[-1])
    print(f"6. The better of the two as one file, and its click probability of every impression of {days[-1]}")
    _materialize(environment, home, IN_USE, "--partition", days[-1])
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        _print_assets(instance)
        for day in days[-2:]:
            _print_models(instance, Store(str(home / "store")), day, truth)
        champion = _metadata(instance, "champion_model", None)
        print(f"\nChampion: {champion['decision']}")
        print(f"Report: {_metadata(instance, 'evaluation_report', days[-1])['path']}")
    _print_prediction(Store(str(home / "store")), days[-1], truth)
    print(f"\nThe whole demo took {time.monotonic() - started:.0f} s. Look at it: make dev")


def _materialize(environment: dict[str, str], home: Path, assets: tuple[str, ...], *arguments: str) -> None:
    launch = [str(Path(sys.executable).with_name("dg")), "launch", "-m", "ctr_assets.definitions"]
    _run([*launch, "--assets", ",".join(assets), *arguments], environment, home / f"{assets[0]}.log")


def _run(command: list[str], environment: dict[str, str], log: Path) -> None:
    """Run a step, its output in ``log``; print each asset as it finishes."""
    with log.open("w") as file:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            if found := _FINISHED.search(line):
                print(f"   {found[1]:<20} {found[2]:>10}", flush=True)
        if process.wait():
            raise DemoFailedError(f"Failed: {' '.join(command)}\nIts output is in {log}; the end of it:\n{_tail(log)}")


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text().splitlines()[-lines:])


def _print_assets(instance: dg.DagsterInstance) -> None:
    print(f"\n{'asset':<20} {'partitions':>10} {'rows':>12} {'seconds':>9} {'rows/s':>9}")
    for asset in (*TABLES, *MODELS, "click_predictions"):
        latest = list(_newest_by_partition(instance, asset))
        rows = sum(int(metadata.get("dagster/row_count", 0)) for metadata in latest)
        # A range run reports its own time with each of its days: count a run once.
        seconds = sum({metadata["seconds"] for metadata in latest})
        print(f"{asset:<20} {len(latest):>10} {rows:>12,} {seconds:>9.1f} {rows / seconds:>9,.0f}")


def _print_models(instance: dg.DagsterInstance, store: Store, day: str, truth: Path) -> None:
    metadata = _metadata(instance, "evaluation_metrics", day)
    best = best_reachable(store, day, truth)
    for rows_of, reachable in best.items():
        print(f"\nModels of {day} on {rows_of.replace('_', ' ')} rows ({reachable.rows:,})")
        print(f"  {'':<20} {'ROC AUC':>8} {'logloss':>8} {'calibration':>12} {'of the way to the best AUC':>27}")
        for key, name in NAMES.items():
            auc, loss, calibration = (
                metadata[f"{rows_of}/{key}/{metric}"] for metric in ("roc_auc", "logloss", "calibration_ratio")
            )
            share = (auc - 0.5) / (reachable.roc_auc - 0.5)
            print(f"  {name:<20} {auc:>8.4f} {loss:>8.4f} {calibration:>12.3f} {share:>27.1%}")
        print(f"  {'best reachable':<20} {reachable.roc_auc:>8.4f} {reachable.logloss:>8.4f} {'':>12} {1:>27.1%}")


def _print_prediction(store: Store, day: str, truth: Path) -> None:
    """One impression through the exported file, beside what its click was drawn by; and how to ask a server."""
    exported = store.manifest(SERVING_MODEL, CURRENT)
    model = ServedModel(store.file_path(exported, store.file(exported, MODEL_NAME)))
    impression = held_out_impression(store, day, truth, model.columns)
    (predicted,) = model.predict({name: np.array([value], object) for name, value in impression.columns.items()})
    shown = ("hour", "banner_pos", "site_id", "app_id", "device_model")
    named = ", ".join(f"{name} {impression.columns[name]}" for name in shown if name in impression.columns)
    print(f"\nAn impression that no model has learnt from ({named}, …)")
    print(f"  click probability by {MODEL_NAME} of {exported.properties['day']}: {predicted:.4f}")
    print(f"  true click probability: {impression.click_probability:.4f}")
    print("\nAsk a server the same:\n  make serve")
    body = json.dumps({"instances": [impression.columns]}, separators=(",", ":"))
    print(f"  curl -s localhost:{HTTP_PORT}/v1/models/{SERVED_NAME}:predict -d '{body}'")


def _newest_by_partition(instance: dg.DagsterInstance, asset: str) -> Iterator[dict[str, Any]]:
    key = dg.AssetKey(asset)
    for partition in sorted(instance.get_materialized_partitions(key)):
        yield _metadata(instance, asset, partition)


def _metadata(instance: dg.DagsterInstance, asset: str, partition: str | None) -> dict[str, Any]:
    partitions = None if partition is None else [partition]
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=partitions), limit=1
    ).records
    materialization = records[0].asset_materialization
    assert materialization is not None
    return {key: value.value for key, value in materialization.metadata.items()}


if __name__ == "__main__":
    raise SystemExit(main())
