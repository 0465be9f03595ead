"""Command line of the jobs. Reports through Dagster Pipes when Dagster launched it, on the terminal otherwise."""

import argparse
import logging
import os
import sys
import threading
import time
from importlib import import_module
from typing import Any

from dagster_pipes import (
    PipesContext,
    PipesDefaultMessageWriter,
    PipesEnvVarParamsLoader,
    PipesMessageWriter,
    open_dagster_pipes,
)
from pydantic import ValidationError

from ctr_assets.jobs import DISTRIBUTED_JOBS, PYTORCH_JOBS, SPARK_JOBS
from ctr_assets.jobs.messages import ContinuedMessageWriter
from ctr_assets.jobs.ranks import take_rank
from ctr_assets.jobs.report import PipesReport, Report, SilentReport, TerminalReport
from ctr_assets.problems import SettingsError, problems


def run_job(name: str, params_json: str, report: Report) -> None:
    """Validate the parameters and run the job to its end. Raises SettingsError, or whatever the job raises."""
    module: Any = import_module(f"ctr_assets.jobs.{name}")
    try:
        params = module.Params.model_validate_json(params_json)
    except ValidationError as e:
        raise SettingsError(problems(f"--params of {name}", e)) from e
    if name in SPARK_JOBS:
        from pyspark.sql import SparkSession

        # The workers must be this very interpreter: on a cluster it is the same path of the same image.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        module.run(params, report, SparkSession.builder.appName(name).getOrCreate())
    else:
        module.run(params, report)


def run_job_reporting(name: str, params_json: str, pipes: PipesContext) -> None:
    """Run a job and tell Dagster what went wrong in one line before the error goes on its way."""
    try:
        run_job(name, params_json, PipesReport(pipes))
    except Exception as e:
        pipes.report_custom_message({"failed": f"{type(e).__name__}: {e}"})
        raise


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ctr_assets.jobs", description=__doc__)
    parser.add_argument("name", choices=[*SPARK_JOBS, *PYTORCH_JOBS])
    parser.add_argument("--params", required=True, metavar="JSON", help="the job's parameters (see its Params class)")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    # Before torch is imported: OpenMP threads that spin while they wait slowed training threefold on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    die_with_launcher()
    take_rank(os.environ)
    if int(os.environ.get("RANK", "0")) != 0:
        if args.name in DISTRIBUTED_JOBS:
            run_job(args.name, args.params, SilentReport())
    elif PipesEnvVarParamsLoader().is_dagster_pipes_process():
        with open_dagster_pipes(message_writer=message_writer()) as pipes:
            run_job_reporting(args.name, args.params, pipes)
    else:
        try:
            run_job(args.name, args.params, TerminalReport())
        except SettingsError as e:
            parser.error(str(e))
    return 0


def message_writer() -> PipesMessageWriter[Any]:
    """Messages go to the file or, on a cluster, to the bucket that the launcher named."""
    if "bucket" not in PipesEnvVarParamsLoader().load_messages_params():
        return PipesDefaultMessageWriter()
    from google.cloud.storage import Client

    return ContinuedMessageWriter(Client(), interval=1.0)


def die_with_launcher(poll_seconds: float = 1.0) -> None:
    """End this process soon after the process that CTR_LAUNCHER_PID names is gone: nobody would hear its report."""
    named = os.environ.get("CTR_LAUNCHER_PID")
    if named is None:
        return
    launcher = int(named)
    is_child = os.getppid() == launcher

    def is_gone() -> bool:
        # A dead parent that nobody has waited for still has its number: ask for our parent instead.
        if is_child:
            return os.getppid() != launcher
        try:
            os.kill(launcher, 0)
        except ProcessLookupError:
            return True
        return False

    def watch() -> None:
        while not is_gone():
            time.sleep(poll_seconds)
        os._exit(1)

    threading.Thread(target=watch, name="launcher-watch", daemon=True).start()


if __name__ == "__main__":
    raise SystemExit(main())
