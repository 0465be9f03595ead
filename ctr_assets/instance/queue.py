"""The queue of runs: a pool's limit holds from the very first run on."""

from dagster import DagsterRun

from ctr_assets.private_dagster import QueuedRunCoordinator, SubmitRunContext


class LimitedRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, which gives each pool its limit before a run of it is queued.

    Dagster's own (1.13.27) gives a pool ``concurrency.pools.default_limit`` in the pass over the queue that first meets
    it, and that very pass does not heed it yet: on a fresh instance it starts every run that is queued.
    """

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Queue a run."""
        concurrency = context.dagster_run.run_op_concurrency
        if concurrency is not None and self._instance.global_op_concurrency_default_limit is not None:
            self._limit(set(concurrency.all_pools or ()))
        return super().submit_run(context)

    def _limit(self, pools: set[str]) -> None:
        storage = self._instance.event_log_storage
        for pool in sorted(pools - {limit.name for limit in storage.get_pool_limits()}):
            storage.initialize_concurrency_limit_to_default(pool)
