"""The orphan sweeper: deletes custom resources whose run is over. Deployed where jobs are custom resources."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from ctr_assets.launch.kubernetes.launcher import KubernetesLauncher

SWEEP_SECONDS: Final = 60


@dg.sensor(minimum_interval_seconds=SWEEP_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def orphan_sweeper(
    context: dg.SensorEvaluationContext,
    spark_launcher: dg.ResourceParam[KubernetesLauncher],
    pytorch_launcher: dg.ResourceParam[KubernetesLauncher],
) -> dg.SkipReason:
    """Finished resources of finished runs, and whatever a lost worker left behind that no retry has adopted."""
    swept = [*_swept(context, spark_launcher), *_swept(context, pytorch_launcher)]
    return dg.SkipReason(f"Deleted {', '.join(swept)}" if swept else "Nothing is left over")


def _swept(context: dg.SensorEvaluationContext, launcher: KubernetesLauncher) -> Iterator[str]:
    for orphan in launcher.sweep(context.instance):
        context.log.info(f"Deleted {launcher.kind.kind} {orphan.name}: {orphan.reason}")
        yield f"{launcher.kind.kind} {orphan.name}"
