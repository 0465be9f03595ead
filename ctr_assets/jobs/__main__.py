"""Command line of the jobs. Reports through Dagster Pipes when Dagster launched it, on the terminal otherwise."""

import argparse
import logging
import os
import sys
from importlib import import_module
from typing import Any

from dagster_pipes import PipesContext, PipesEnvVarParamsLoader, open_dagster_pipes

from ctr_assets.jobs import PYTORCH_JOBS, SPARK_JOBS
from ctr_assets.jobs.report import PipesReport, Report, SilentReport, TerminalReport


def run_job(name: str, params_json: str, report: Report) -> None:
    """Validate the parameters and run the job to its end. Raises whatever the job raises."""
    module: Any = import_module(f"ctr_assets.jobs.{name}")
    params = module.Params.model_validate_json(params_json)
    if name in SPARK_JOBS:
        from pyspark.sql import SparkSession

        module.run(params, report, SparkSession.builder.appName(name).getOrCreate())
    else:
        module.run(params, report)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ctr_assets.jobs", description=__doc__)
    parser.add_argument("name", choices=[*SPARK_JOBS, *PYTORCH_JOBS])
    parser.add_argument("--params", required=True, metavar="JSON", help="the job's parameters (see its Params class)")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    if int(os.environ.get("RANK", "0")) != 0:
        run_job(args.name, args.params, SilentReport())
    elif PipesEnvVarParamsLoader().is_dagster_pipes_process():
        pipes: PipesContext
        with open_dagster_pipes() as pipes:
            run_job(args.name, args.params, PipesReport(pipes))
    else:
        run_job(args.name, args.params, TerminalReport())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
