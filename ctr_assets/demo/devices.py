"""Devices: device class (C1, device_type, device_conn_type), model, and the millions of device ids and addresses.

Ids and addresses come from a rank by a bijection, so no table is held. A rank is either a returning one, from one
population for all days, or a fresh one, from the day's own; both are heavy-tailed (`floor(size * u ** skew)`). Sizes
and skews are set so that 40,428,967 rows hold the published number of distinct values (6.73 M addresses, 2.69 M ids).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctr_assets.demo.identifiers import hex_values
from ctr_assets.demo.made_up import hex_tail, long_table, salt_of
from ctr_assets.demo.published import published
from ctr_assets.demo.table import Table

DEVICE_COLUMNS = ("C1", "device_type", "device_conn_type")
COMMON_DEVICE_ID = b"a99f214a"  # 82.5 % of all rows: the device gave no id.

PHONE_TYPES = (b"1", b"2")

# Model groups by device type: phones; the type with C1=1002; tablets.
MODEL_GROUPS = (("1", "2"), ("0",), ("4", "5"))
MODEL_GROUP_VALUES = (0.92, 0.04, 0.04)  # Share of the 8,251 models, near the groups' shares of the rows.
C1_OF_DEVICE_TYPE = {"0": ("1002",), "4": ("1010",), "5": ("1010",)}  # Equal published counts; others share the rest.
# Share of site traffic in the rows of a value: a sample of the 21st/22nd has tablets (4, 5) and connections 3 and 5 in
# app traffic only. Scaled so that both kinds add up to the published counts.
SITE_SHARE_OF_DEVICE_TYPE = {"0": 0.81, "1": 0.642, "2": 0.642, "4": 0.0, "5": 0.0}
SITE_SHARE_OF_CONNECTION = {"0": 0.706, "2": 0.366, "3": 0.0, "5": 0.0}
# In the sample, device types 0, 4 and 5 always have an id of their own, phones in site traffic never, and phones in app
# traffic in so many rows (which makes the published 17.5 % of all rows).
OWN_ID_SHARE_OF_APP_PHONES = 0.298

FRESH_BLOCKS = 1_000  # Days before fresh ranks repeat: 1,000 blocks of 2 M are within 32 bits.


@dataclass(frozen=True)
class RankLaw:
    """How ranks of a column of millions of values are drawn.

    Attributes:
        returning: size of the population of all days.
        fresh: size of each day's own population.
        fresh_share: share of the rows with a fresh rank.
        skew: exponent of u; 1 is uniform, more is heavier at the head.
    """

    returning: int
    fresh: int
    fresh_share: float
    skew: float

    def draw(self, rng: np.random.Generator, rows: int, age_days: int) -> NDArray[np.uint32]:
        """Ranks, shape (rows,)."""
        is_fresh = rng.random(rows, dtype=np.float32) < self.fresh_share
        position = rng.random(rows) ** self.skew
        start = self.returning + (age_days % FRESH_BLOCKS) * self.fresh
        return np.where(is_fresh, start + position * self.fresh, position * self.returning).astype(np.uint32)


ADDRESS_LAW = RankLaw(returning=1_800_000, fresh=580_000, fresh_share=0.4, skew=2.0)
DEVICE_ID_LAW = RankLaw(returning=720_000, fresh=320_000, fresh_share=0.6, skew=2.0)


def device_addresses(rng: np.random.Generator, rows: int, age_days: int) -> NDArray[np.bytes_]:
    """device_ip of `rows` impressions of one day: the published head (5 % of the rows), else a drawn rank; dtype S8."""
    figures = published()
    values = hex_values(ADDRESS_LAW.draw(rng, rows, age_days), salt_of("device_ip"))
    return _with_head(rng, values, figures.head["device_ip"], figures.rows)


def device_ids(
    rng: np.random.Generator, device_type: NDArray[np.bytes_], is_app: NDArray[np.bool_], age_days: int
) -> NDArray[np.bytes_]:
    """device_id of n impressions: COMMON_DEVICE_ID where the device gave none, else the published head or a rank.

    Args:
        device_type: shape (n,), texts.
        is_app: shape (n,), whether the impression is app traffic.
        age_days: days since 2014-10-21.
    """
    figures = published()
    gives_id = rng.random(len(is_app)) < OWN_ID_SHARE_OF_APP_PHONES
    has_own = np.where(np.isin(device_type, PHONE_TYPES), is_app & gives_id, True)
    head = dict(figures.head["device_id"])
    total = figures.rows - head.pop(COMMON_DEVICE_ID.decode())
    own = hex_values(DEVICE_ID_LAW.draw(rng, int(has_own.sum()), age_days), salt_of("device_id"))
    ids = np.full(len(is_app), COMMON_DEVICE_ID)
    ids[has_own] = _with_head(rng, own, head, total)
    return ids


def _with_head(
    rng: np.random.Generator, values: NDArray[np.bytes_], head: dict[str, int], total: int
) -> NDArray[np.bytes_]:
    """The values with each head value in its published share of the rows, at random positions."""
    edges = np.cumsum(list(head.values())) / total
    draw = rng.random(len(values))
    chosen = np.flatnonzero(draw < edges[-1])
    values[chosen] = np.array(list(head), dtype="S8")[np.searchsorted(edges, draw[chosen], side="right")]
    return values


def build_device_classes() -> tuple[Table, Table]:
    """DEVICE_COLUMNS of site traffic and of app traffic. Within a kind the connection is independent of the type."""
    figures = published()
    types, connections = figures.short_counts("device_type"), figures.short_counts("device_conn_type")
    c1_counts = figures.short_counts("C1")
    special = {c1 for c1s in C1_OF_DEVICE_TYPE.values() for c1 in c1s}
    other_c1 = tuple(c1 for c1 in c1_counts if c1 not in special)
    tables = []
    for is_app in (False, True):
        entries, rows = [], []
        for kind, kind_rows in types.items():
            type_share = abs(is_app - SITE_SHARE_OF_DEVICE_TYPE[kind])
            c1s = C1_OF_DEVICE_TYPE.get(kind, other_c1)
            for c1 in c1s:
                c1_share = c1_counts[c1] / sum(c1_counts[value] for value in c1s)
                for connection, connection_rows in connections.items():
                    share = abs(is_app - SITE_SHARE_OF_CONNECTION[connection])
                    entries.append((c1, kind, connection))
                    rows.append(kind_rows * type_share * c1_share * connection_rows * share)
        columns = dict(zip(DEVICE_COLUMNS, np.array(entries, dtype="S4").T.copy(), strict=True))
        weights = np.array(rows)
        tables.append(Table(columns, weights / weights.sum() * figures.rows, np.zeros(len(rows), dtype=np.int64)))
    return tables[0], tables[1]


@dataclass(frozen=True)
class ModelGroup:
    """The device models of some device types: column device_model."""

    device_types: tuple[str, ...]
    table: Table


def build_models(last_age: int) -> tuple[ModelGroup, ...]:
    """device_model of each of MODEL_GROUPS; the published head are phones.

    Args:
        last_age: last day of the run, in days since 2014-10-21.
    """
    figures = published()
    types = figures.short_counts("device_type")
    groups = []
    for group, share in zip(MODEL_GROUPS, MODEL_GROUP_VALUES, strict=True):
        total = float(sum(types[kind] for kind in group))
        name = "device_model" + group[0]
        head = {v: float(n) for v, n in figures.head["device_model"].items()} if group[0] == "1" else {}
        tail = hex_tail(name)
        head = head or {next(tail): total * 0.1}  # The other groups' most frequent model has a tenth of their rows.
        table = long_table("device_model", head, tail, total, int(figures.cardinality["device_model"] * share))
        groups.append(ModelGroup(group, table.extended("device_model", last_age, hex_tail(name))))
    return tuple(groups)
