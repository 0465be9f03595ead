"""A Spark job inside the run, on the session of dagster-pyspark: one JVM a run. Laptop only."""

import os
import sys
from typing import Any, Final

import dagster as dg
from dagster import PipesSession
from dagster_pipes import PipesContext, PipesDefaultContextLoader, PipesDefaultMessageWriter, PipesMappingParamsLoader

from ctr_assets.jobs.__main__ import run_job_reporting
from ctr_assets.launch.java import class_archive_option, find_java_home
from ctr_assets.launch.job import Footprint, JobDescription, Outcome
from ctr_assets.launch.launcher import JobLauncher

LOCAL_SPARK_CONFIG: Final = {
    "spark.master": "local[*]",
    "spark.driver.memory": "2g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "true",
    "spark.sql.shuffle.partitions": "4",
    "spark.log.level": "ERROR",
    # G1's concurrent threads compete with the tasks on a laptop: fitting the GBT took a third longer with them.
    "spark.driver.extraJavaOptions": f"-XX:+UseParallelGC {class_archive_option()}",
    # What a Python worker frees stays its own: each new page cost 2 us, and without this a file took 70,000 of them.
    "spark.executorEnv.GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=1073741824",
}
"""Session settings of a laptop run: all cores, nothing listens beyond loopback."""


def start_session(settings: dict[str, str]) -> Any:
    """This process's ``SparkSession``, with these settings if it is the first."""
    from dagster_pyspark import LazyPySparkResource  # here, not above: it takes 0.4 s of loading the definitions

    # The workers must be this very interpreter, and the session reads both when it starts its JVM.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("JAVA_HOME", find_java_home())
    return LazyPySparkResource(spark_config=settings).spark_session


class LocalSparkLauncher(JobLauncher):
    """Runs the job's ``run`` on the run's shared Spark session and lets it report through the same Pipes messages."""

    def execute(self, context: dg.AssetExecutionContext, job: JobDescription, session: PipesSession) -> Outcome:
        spark = start_session(LOCAL_SPARK_CONFIG)
        spark.sparkContext.setJobDescription(f"{job.name} {' '.join(job.partitions)}")
        # Not open_dagster_pipes(): it keeps one context a process, and a run's process runs several jobs.
        pipes = PipesContext(
            PipesMappingParamsLoader(session.get_bootstrap_env_vars()),
            PipesDefaultContextLoader(),
            PipesDefaultMessageWriter(),
        )
        with pipes:
            run_job_reporting(job.name, job.arguments[-1], pipes)
        return Outcome()

    def footprint(self, job: JobDescription) -> Footprint:
        return Footprint(cores=os.cpu_count() or 1)
