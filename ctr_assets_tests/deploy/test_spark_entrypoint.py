"""The entry point of the Spark image, run as spark-operator's pods run it: the driver for real, the executor's line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from ctr_assets.launch.java import find_java_home
from ctr_assets.launch.kubernetes.spark_conf import gcs_conf
from ctr_assets_tests.deploy.files import DOCKER

ENTRYPOINT = str(DOCKER / "spark-entrypoint.sh")
SPARK_HOME = str(Path(pyspark.__file__).parent)
PARAMS = '{"days": ["2014-10-21"], "note": "two  spaces, $HOME, \\"quotes\\""}'


def test_it_is_executable():
    assert os.access(ENTRYPOINT, os.X_OK)


def test_a_driver_runs_the_main_file_with_its_arguments_and_properties(tmp_path):
    properties = {
        **gcs_conf(),
        "spark.master": "local[1]",
        "spark.submit.deployMode": "cluster",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    }
    file = tmp_path / "spark.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    environment = {
        **os.environ,
        "JAVA_HOME": find_java_home(),
        "SPARK_HOME": SPARK_HOME,
        "SPARK_DRIVER_BIND_ADDRESS": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PROBE": str(tmp_path / "told.json"),
    }
    main_file = f"local://{Path(__file__).parent / 'probe_job.py'}"
    operators = ["--properties-file", str(file), "--class", "org.apache.spark.deploy.PythonRunner", main_file]
    line = [ENTRYPOINT, "driver", *operators, "encoded_features", "--params", PARAMS]
    run = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "told.json").read_text()) == {
        "arguments": ["encoded_features", "--params", PARAMS],
        "bind_address": "127.0.0.1",
        "block_size": "67108864",
        "python": sys.executable,
        "rows": 3,
    }


@pytest.fixture
def fake_java(tmp_path):
    """A java that prints its arguments, one a line: what the executor's line is, not whether a JVM starts."""
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    java.chmod(0o755)
    return tmp_path


def test_an_executor_gets_the_options_that_spark_put_into_the_environment(fake_java):
    environment = {
        "PATH": os.environ["PATH"],
        "JAVA_HOME": str(fake_java),
        "SPARK_HOME": "/spark",
        "SPARK_CONF_DIR": "/opt/spark/conf",
        "SPARK_JAVA_OPT_0": "-Dspark.driver.port=7078",
        "SPARK_JAVA_OPT_1": "-Da=two words",
        "SPARK_EXECUTOR_MEMORY": "4096m",
        "SPARK_EXECUTOR_CORES": "4",
        "SPARK_EXECUTOR_ID": "1",
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@driver-svc:7078",
        "SPARK_APPLICATION_ID": "spark-1",
        "SPARK_EXECUTOR_POD_IP": "10.0.0.7",
        "SPARK_EXECUTOR_POD_NAME": "x-exec-1",
        "SPARK_RESOURCE_PROFILE_ID": "0",
    }
    run = subprocess.run([ENTRYPOINT, "executor"], env=environment, capture_output=True, text=True, timeout=20)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "-Dspark.driver.port=7078",
        "-Da=two words",
        "-Xms4096m",
        "-Xmx4096m",
        "-cp",
        "/opt/spark/conf:/spark/jars/*",
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        "--driver-url",
        "spark://CoarseGrainedScheduler@driver-svc:7078",
        "--executor-id",
        "1",
        "--cores",
        "4",
        "--app-id",
        "spark-1",
        "--hostname",
        "10.0.0.7",
        "--resourceProfileId",
        "0",
        "--podName",
        "x-exec-1",
    ]


def test_a_missing_variable_is_named(fake_java):
    environment = {"PATH": os.environ["PATH"], "JAVA_HOME": str(fake_java), "SPARK_HOME": "/spark"}
    run = subprocess.run([ENTRYPOINT, "executor"], env=environment, capture_output=True, text=True, timeout=20)
    assert run.returncode != 0
    assert "SPARK_EXECUTOR_MEMORY: unbound variable" in run.stderr


def test_the_executors_class_is_in_the_installed_spark():
    jars = list(Path(SPARK_HOME, "jars").glob("spark-kubernetes_*.jar"))
    assert len(jars) == 1


def test_anything_else_is_run_as_it_is():
    run = subprocess.run([ENTRYPOINT, "echo", "a b"], capture_output=True, text=True, timeout=20)
    assert run.stdout == "a b\n"
