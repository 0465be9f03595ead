"""The runs of one purpose: a run and everything that retries it."""

import dagster as dg

from ctr_assets.private_dagster import ROOT_RUN_ID_TAG


def run_group(instance: dg.DagsterInstance, root_run_id: str) -> list[dg.RunRecord]:
    """Records of the root and of all its retries, in no order; empty when the instance knows none of them."""
    retries = instance.get_run_records(dg.RunsFilter(tags={ROOT_RUN_ID_TAG: root_run_id}))
    return [*instance.get_run_records(dg.RunsFilter(run_ids=[root_run_id])), *retries]
