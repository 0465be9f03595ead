"""The training and the validation rows of a window, as loaders."""

from collections.abc import Sequence
from typing import Final

from ctr_assets.features import Split
from ctr_assets.storage import Store
from ctr_assets.storage.prefetch import map_ahead
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.distributed import Ranks
from ctr_assets.training.loader import READ_AHEAD, Loader
from ctr_assets.training.rowgroups import RowGroup, find_row_groups, read_row_group
from ctr_assets.training.window import Window

EVALUATION_BATCH_ROWS: Final = 32_768
CLICK_RATE_ROW_GROUPS: Final = 64


class NoTrainingRowsError(LookupError):
    """The window holds no rows to train on, or none to stop early by."""


def open_training_rows(
    store: Store, window: Window, columns: Sequence[str], config: TrainingConfig, ranks: Ranks
) -> Loader:
    """The training rows, shuffled anew each epoch. Raises :class:`NoTrainingRowsError` when there are none."""
    groups = _groups(store, window, Split.TRAIN)
    return Loader(
        store,
        groups,
        columns,
        batch_rows=config.rows_of_a_step(sum(group.rows for group in groups), ranks.world_size),
        buffer_rows=config.shuffle_buffer_rows,
        seed=config.seed,
        rank=ranks.rank,
        world_size=ranks.world_size,
    )


def open_validation_rows(store: Store, window: Window, columns: Sequence[str], ranks: Ranks) -> Loader:
    """The validation rows as they lie. Raises :class:`NoTrainingRowsError` when there are none."""
    return Loader(
        store,
        _groups(store, window, Split.VALIDATION),
        columns,
        batch_rows=EVALUATION_BATCH_ROWS,
        buffer_rows=1,
        shuffle=False,
        rank=ranks.rank,
        world_size=ranks.world_size,
    )


def click_rate(loader: Loader) -> float:
    """Share of clicks among a loader's rows (of at most 64 row groups, 4 M rows); never 0 or 1, so a logit exists."""
    sample = loader.groups[:: -(-len(loader.groups) // CLICK_RATE_ROW_GROUPS)]
    labels = list(map_ahead(lambda group: read_row_group(loader.store, group, ["label"]).sum(), sample, READ_AHEAD))
    return (float(sum(labels)) + 0.5) / (sum(group.rows for group in sample) + 1)


def _groups(store: Store, window: Window, split: Split) -> list[RowGroup]:
    groups = find_row_groups(store, window.encoded, split)
    if not groups:
        raise NoTrainingRowsError(
            f"the window {window.days[0]}..{window.days[-1]} holds 0 {split.value} rows: lengthen the "
            "window or materialize days that have labelled rows"
        )
    return groups
