"""Print the manifest of a job, to read it or to run it by hand: ``… render spark JOB … | kubectl create -f -``."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import yaml

from ctr_assets.jobs import PYTORCH_JOBS, SPARK_JOBS
from ctr_assets.launch.job import JobDescription
from ctr_assets.launch.kubernetes.names import labels, resource_name
from ctr_assets.launch.kubernetes.pytorch_job import pytorch_job
from ctr_assets.launch.kubernetes.settings import KubernetesSettings, override, read_settings
from ctr_assets.launch.kubernetes.spark_application import spark_application
from ctr_assets.launch.kubernetes.train_job import train_job
from ctr_assets.problems import SettingsError

BY_HAND = "by-hand"
"""Run id and code location of a resource that no Dagster run owns: the orphan sweeper leaves it alone."""


def render(kind: str, job_name: str, params_json: str, name: str | None, settings: KubernetesSettings) -> str:
    """The manifest as YAML. The job reports on its own log. Raises ValueError or SettingsError: what to change.

    ``kind`` is spark, pytorchjob or trainjob.
    """
    try:
        params = json.loads(params_json)
    except json.JSONDecodeError as e:
        raise ValueError(f"--params is not JSON: {e}") from e
    if not isinstance(params, dict):
        raise ValueError(f"--params must be a JSON object, got {params_json}")
    day = params.get("day", "")
    job = JobDescription(job_name, params, tuple(params.get("days", [day])))
    name = name or resource_name(BY_HAND, job_name, job.partitions, 0)
    owner = labels(BY_HAND, BY_HAND, job_name, job.partitions, BY_HAND, 0)
    if kind == "spark":
        manifest = spark_application(job, name, owner, {}, settings.cluster, settings.spark)
    else:
        build = train_job if kind == "trainjob" else pytorch_job
        manifest = build(job, name, owner, {}, settings.cluster, settings.pytorch)
    return as_yaml(manifest)


def as_yaml(manifest: dict[str, Any]) -> str:
    """YAML in the order of the manifest, with nothing abbreviated."""
    return yaml.dump(manifest, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=120)


def changes(engine: str, assignments: Sequence[str]) -> dict[str, Any]:
    """``field=value`` pairs as nested settings; a field without a part is the engine's. Raises ValueError."""
    nested: dict[str, Any] = {}
    for assignment in assignments:
        field, equals, value = assignment.partition("=")
        if not equals:
            raise ValueError(f"--set {assignment}: expected field=value")
        part, dot, rest = field.partition(".")
        if not dot:
            part, rest = engine, field
        try:
            nested.setdefault(part, {})[rest] = yaml.safe_load(value)
        except yaml.YAMLError as e:
            raise ValueError(f"--set {assignment}: the value is not YAML") from e
    return nested


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ctr_assets.launch", description=__doc__)
    command = parser.add_subparsers(required=True).add_parser("render", help="print the manifest of a job as YAML")
    command.add_argument("engine", choices=["spark", "pytorch"])
    command.add_argument(
        "--pytorch-kind",
        choices=["pytorchjob", "trainjob"],
        default="pytorchjob",
        help="what a PyTorch job becomes (default: pytorchjob)",
    )
    command.add_argument("job", choices=[*SPARK_JOBS, *PYTORCH_JOBS], metavar="JOB", help="a job of ctr_assets.jobs")
    command.add_argument("--params", required=True, metavar="JSON", help="the job's parameters (see its Params class)")
    command.add_argument("--name", help="name of the resource; by default the same for the same job and days")
    command.add_argument("--settings", metavar="FILE.yaml", help="settings file with cluster, spark and pytorch")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        dest="assignments",
        help="change one setting: executors=4, or of another part: cluster.namespace=ml; the value is YAML",
    )
    args = parser.parse_args(argv)
    try:
        settings = read_settings(args.settings) if args.settings else KubernetesSettings()
        settings = override(settings, changes(args.engine, args.assignments))
        kind = "spark" if args.engine == "spark" else args.pytorch_kind
        print(render(kind, args.job, args.params, args.name, settings), end="")
    except (SettingsError, ValueError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    return 0


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


if __name__ == "__main__":
    raise SystemExit(main())
