"""What the server counts, as Prometheus reads it."""

from prometheus_client.metrics import MetricWrapperBase

from ctr_assets.serving import metrics
from ctr_assets_tests.docs.markdown import code, table


def server_metrics() -> str:
    """Every metric of ``ctr_assets.serving.metrics``."""
    found = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    described = sorted((family for metric in found for family in metric.describe()), key=lambda family: family.name)
    return table(("metric", "type", "meaning"), [(code(_name(f)), f.type, f.documentation) for f in described])


def _name(family) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name
