"""Creatives: what is shown. A creative (C14) belongs to a campaign (C17), which fixes the size (C15 x C16), C18, C19
and C21, as in 96-100 % of the real rows. C20 is drawn independently of all else."""

import numpy as np

from ctr_assets.demo.made_up import add_parent, long_table, number_tail
from ctr_assets.demo.published import published
from ctr_assets.demo.table import MIN_TAIL_ROWS, Table

# Smallest made-up values, so that made-up ones have the published ones' number of digits.
FIRST_MADE_UP = {"C14": 20_000, "C17": 2_000, "C19": 1_000, "C20": 100_000}


def build_creatives(last_age: int) -> Table:
    """All creatives: columns C14, C15, C16, C17, C18, C19, C21.

    Args:
        last_age: last day of the run, in days since 2014-10-21.
    """
    figures = published()
    campaigns = _table("C17", figures.head["C17"], figures.rows)
    add_parent(campaigns, "C17", "C18", _floats(figures.short_counts("C18")), position=1)
    add_parent(campaigns, "C17", "C19", _all_c19(), position=2)
    add_parent(campaigns, "C17", "C21", _floats(figures.short_counts("C21")), position=3)
    add_parent(campaigns, "C17", "size", _floats(figures.sizes), position=0)
    creatives = _table("C14", figures.head["C14"], figures.rows)
    values = campaigns.columns["C17"].astype(str)
    add_parent(creatives, "C14", "C17", dict(zip(values, campaigns.rows, strict=True)), position=0)
    code_of = {value: code for code, value in enumerate(values)}
    campaign = np.array([code_of[value] for value in creatives.columns["C17"].astype(str)])
    for column in ("C18", "C19", "C21"):
        creatives.columns[column] = campaigns.columns[column][campaign]
    width_height = np.array([size.split(b"x") for size in campaigns.columns["size"]])[campaign]
    creatives.columns["C15"], creatives.columns["C16"] = width_height[:, 0], width_height[:, 1]
    return creatives.extended("C14", last_age, number_tail(FIRST_MADE_UP["C14"]))


def build_c20() -> Table:
    """C20: -1 in 47 % of the rows; the others' head from a sample, the tail a power law up to 172 values."""
    figures = published()
    present = figures.rows - figures.c20_missing_rows
    head = {value: int(share * present) for value, share in figures.c20_head_share.items()}
    table = _table("C20", {"-1": figures.c20_missing_rows, **head}, figures.rows)
    table.first_age[:] = 0  # All but the rarest C20 values of the test day are known in the real data.
    return table


def _floats(counts: dict[str, int]) -> dict[str, float]:
    return {value: float(rows) for value, rows in counts.items()}


def _table(column: str, head: dict[str, int], total: int) -> Table:
    tail = number_tail(FIRST_MADE_UP[column])
    return long_table(column, _floats(head), tail, float(total), published().cardinality[column])


def _all_c19() -> dict[str, float]:
    """C19: the published values, and made-up ones up to the published cardinality, which share the rows left over."""
    figures = published()
    counts = _floats(figures.short_counts("C19"))
    spare = (value for value in number_tail(FIRST_MADE_UP["C19"]) if value not in counts)
    missing = figures.cardinality["C19"] - len(counts)
    left = max((figures.rows - sum(counts.values())) / max(missing, 1), MIN_TAIL_ROWS)
    return counts | {next(spare): left for _ in range(missing)}
