"""A run worker for the tests: executes one run of the scripted asset in an instance on disk, then ends.

Usage: python -m ctr_assets_tests.launch.kubernetes.run_worker ARGUMENTS_JSON, with ``home``, ``kind``, ``launcher``,
``behaviour`` and, for the retry of a lost run, ``retry_of``.
"""

import json
import sys

import dagster as dg

from ctr_assets.private_dagster import PARENT_RUN_ID_TAG, ROOT_RUN_ID_TAG
from ctr_assets_tests.launch.kubernetes.cluster import KINDS
from ctr_assets_tests.launch.scripted import DAYS, scripted
from ctr_assets_tests.private_dagster import InMemoryJob, execute_run

ARGUMENTS = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}


def job() -> dg.JobDefinition:
    launcher = KINDS[ARGUMENTS["kind"]](**ARGUMENTS["launcher"])
    definitions = dg.Definitions(assets=[scripted], resources={"launcher": launcher}, executor=dg.in_process_executor)
    return definitions.resolve_implicit_global_asset_job_def()


def main() -> int:
    definition = job()
    tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}
    with dg.DagsterInstance.from_config(ARGUMENTS["home"]) as instance:
        lost = instance.get_run_by_id(ARGUMENTS["retry_of"]) if "retry_of" in ARGUMENTS else None
        parent, root = (lost.run_id, lost.root_run_id or lost.run_id) if lost else (None, None)
        if parent and root:
            tags |= {PARENT_RUN_ID_TAG: parent, ROOT_RUN_ID_TAG: root}
        run = instance.create_run_for_job(
            definition,
            run_config={"ops": {"scripted": {"config": {"behaviour": ARGUMENTS["behaviour"]}}}},
            tags=tags,
            parent_run_id=parent,
            root_run_id=root,
            asset_selection=frozenset({dg.AssetKey("scripted")}),
        )
        return 0 if execute_run(InMemoryJob(definition), run, instance).success else 1


if __name__ == "__main__":
    raise SystemExit(main())
