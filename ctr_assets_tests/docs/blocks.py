"""Every block that pages are filled with, and the pages that there are."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ctr_assets import settings
from ctr_assets_tests.docs import bench, commands, graph, metrics, models, storage
from ctr_assets_tests.docs.badges import badges
from ctr_assets_tests.docs.graph_picture import pictures
from ctr_assets_tests.docs.markdown import filled

ROOT: Final = Path(__file__).parents[2]

BLOCKS: Final[dict[str, Callable[[], str]]] = {
    "assets": graph.assets,
    "bench": bench.bench,
    "bench_runs": bench.bench_runs,
    "checks": graph.checks,
    "cluster": models.cluster,
    "commands": commands.commands,
    "jobs": graph.jobs,
    "launchpad": models.launchpad,
    "made_from": storage.made_from,
    "manifest": storage.manifest,
    "metadata": models.metadata,
    "policies": models.policies,
    "schedules": graph.schedules,
    "sensors": graph.sensors,
    "server_metrics": metrics.server_metrics,
    "settings": settings.markdown_table,
    "tables": storage.tables,
}
"""Name in ``<!-- name -->`` → what is written there."""


def pages() -> list[Path]:
    """The README and every page of the site."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def renewed() -> dict[Path, str]:
    """Every file that is made from the code, wholly or in blocks, as it should be."""
    return {page: filled(page.read_text(), BLOCKS) for page in pages()} | pictures() | badges()
