"""Placements: where an advertisement is shown. Each row is either site traffic or app traffic.

A site fixes its domain and category, an app likewise (in the real data in 99-100 % of the rows), and both fix the usual
banner_pos. Site traffic holds the published "no app" values in the app columns, app traffic the "no site" ones. A few
sites of the tail ("networks") have hundreds of domains each, because the published domains outnumber the sites.
"""

import numpy as np
from numpy.typing import NDArray

from ctr_assets.demo.made_up import add_parent, hex_tail, long_table
from ctr_assets.demo.published import published
from ctr_assets.demo.table import MIN_TAIL_ROWS, Table

NO_SITE = {"site_id": b"85f751fd", "site_domain": b"c4e18dd6", "site_category": b"50e219e0"}
NO_APP = {"app_id": b"ecad2386", "app_domain": b"7801e8d9", "app_category": b"07d7df22"}

NETWORK_RANKS = (200, 212)  # The sites with many domains; each has some 10,000 of the 40 M rows.
DOMAINS_OF_ONE_SITE = 4_000  # The most frequent domains; the others belong to the networks.
# Share of site traffic in a banner_pos: 0 is 64 % of the site rows and 93 % of the app rows in a sample of the 21st and
# 22nd. The rare positions are split evenly.
SITE_SHARE_OF_BANNER_POS = {"0": 0.53, "1": 0.89}


def build_placements(last_age: int) -> Table:
    """All placements: columns site_id, site_domain, site_category, app_id, app_domain, app_category, banner_pos.

    Args:
        last_age: last day of the run, in days since 2014-10-21.
    """
    sites = _one_kind("site", NO_SITE, "app", NO_APP).extended("site_id", last_age, hex_tail("site_id"))
    apps = _one_kind("app", NO_APP, "site", NO_SITE).extended("app_id", last_age, hex_tail("app_id"))
    sites.columns.update({column: np.full(len(sites), value) for column, value in NO_APP.items()})
    apps.columns.update({column: np.full(len(apps), value) for column, value in NO_SITE.items()})
    return sites.concatenate(apps)


def is_app_traffic(placements: Table) -> NDArray[np.bool_]:
    """Shape (n,), bool: which placements are apps."""
    is_app: NDArray[np.bool_] = placements.columns["site_id"] == NO_SITE["site_id"]
    return is_app


def _one_kind(kind: str, missing: dict[str, bytes], other_kind: str, other_missing: dict[str, bytes]) -> Table:
    """The placements of one kind ("site" or "app") without the other kind's columns.

    Args:
        missing: values that this kind's columns hold in the other kind's rows.
        other_missing: values that the other kind's columns hold in this kind's rows.
    """
    figures = published()
    identity, domain, category = f"{kind}_id", f"{kind}_domain", f"{kind}_category"
    total = float(figures.head[f"{other_kind}_id"][other_missing[f"{other_kind}_id"].decode()])
    others = float(figures.rows) - total

    def own_rows(column: str, counts: dict[str, int]) -> dict[str, float]:
        missing_value = missing[column].decode()
        return {v: max(n - others, MIN_TAIL_ROWS) if v == missing_value else float(n) for v, n in counts.items()}

    head = {v: float(n) for v, n in figures.head[identity].items() if v.encode() != missing[identity]}
    table = long_table(identity, head, hex_tail(identity), total, figures.cardinality[identity] - 1)
    domain_head = dict(sorted(own_rows(domain, figures.head[domain]).items(), key=lambda item: -item[1]))
    domains = long_table(domain, domain_head, hex_tail(domain), total, figures.cardinality[domain])
    domain_values = domains.columns[domain].astype(str)
    owned = min(len(domains), DOMAINS_OF_ONE_SITE)
    owned_rows = dict(zip(domain_values[:owned], domains.rows[:owned], strict=True))
    add_parent(table, identity, domain, owned_rows, position=0)
    add_parent(table, identity, category, own_rows(category, figures.short_counts(category)), position=1)
    banner_rows = {}
    for value, rows in figures.short_counts("banner_pos").items():
        site_share = SITE_SHARE_OF_BANNER_POS.get(value, 0.5)
        banner_rows[value] = rows * (site_share if kind == "site" else 1 - site_share)
    add_parent(table, identity, "banner_pos", banner_rows, position=2)
    if owned == len(domains):
        return table
    networks = table.take(np.resize(np.arange(*NETWORK_RANKS), len(domains) - owned))
    networks.columns[domain] = domains.columns[domain][owned:]
    networks.rows[:] = domains.rows[owned:]
    networks.first_age[:] = domains.first_age[owned:]
    return table.concatenate(networks)
