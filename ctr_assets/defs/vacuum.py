"""The job that deletes what nobody can read any more."""

from collections import Counter
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field, FiniteFloat

from ctr_assets.defs.places import Places
from ctr_assets.plain_text import in_markdown, markdown_table
from ctr_assets.storage import Store
from ctr_assets.storage.vacuum import delete_garbage, find_garbage


class VacuumConfig(dg.Config):
    """How long what is unreadable is kept."""

    keep_days: FiniteFloat = Field(
        default=14,
        ge=1,
        le=3650,
        description="Days a version or checkpoint is kept at least; must be longer than any job takes to write one",
    )
    dry_run: bool = Field(default=False, description="Only report what would be deleted")


@dg.op
def delete_unreadable(context: dg.OpExecutionContext, config: VacuumConfig, places: Places) -> None:
    """Versions that no manifest names and checkpoints that no training took up, older than `keep_days`."""
    store = Store(places.store_url)
    left_out: list[str] = []
    found = find_garbage(store, keep_days=config.keep_days, now=datetime.now(UTC), tell=left_out.append)
    for why in left_out:
        context.log.warning(why)
    gone = [garbage for garbage in found if config.dry_run or delete_garbage(store, garbage)]
    counts = Counter(garbage.table for garbage in gone)
    sizes: Counter[str] = Counter()
    for garbage in gone:
        context.log.info(f"{'Would delete' if config.dry_run else 'Deleted'} {garbage.path} ({garbage.bytes:,} bytes)")
        sizes[garbage.table] += garbage.bytes
    rows = [(table, f"{counts[table]:,}", f"{sizes[table]:,}") for table in sorted(counts)]
    context.add_output_metadata(
        {
            "deleted": 0 if config.dry_run else len(gone),
            "bytes": sum(sizes.values()),
            "dry_run": config.dry_run,
            "left_out": dg.MetadataValue.md("\n".join(f"* {in_markdown(why)}" for why in left_out) or "nothing"),
            "tables": dg.MetadataValue.md(markdown_table(("table", "deleted", "bytes"), rows)),
        }
    )


@dg.job(description="Delete versions that no manifest names, and abandoned checkpoints")
def vacuum() -> None:
    delete_unreadable()
