"""All tables that impressions are drawn from, built once per process."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ctr_assets.demo.creatives import build_c20, build_creatives
from ctr_assets.demo.devices import build_device_classes, build_models
from ctr_assets.demo.placements import build_placements, is_app_traffic
from ctr_assets.demo.table import Table


@dataclass(frozen=True)
class Vocabulary:
    """The tables.

    Attributes:
        placements: see `placements.build_placements`.
        is_app: shape (len(placements),), bool, whether the placement is app traffic.
        creatives: see `creatives.build_creatives`.
        c20: column C20.
        device_classes: see `devices.build_device_classes`, site traffic's entries first, then app traffic's.
        app_classes_start: index of the first entry of app traffic in `device_classes`.
        models: column device_model, all groups one after the other.
        model_groups: index ranges of the groups in `models`.
        model_group_of_class: shape (len(device_classes),), the model group of each device class.
    """

    placements: Table
    is_app: NDArray[np.bool_]
    creatives: Table
    c20: Table
    device_classes: Table
    app_classes_start: int
    models: Table
    model_groups: tuple[slice, ...]
    model_group_of_class: NDArray[np.int64]


@lru_cache(maxsize=2)
def build_vocabulary(last_age: int) -> Vocabulary:
    """The vocabulary of a run; the same for every seed.

    Args:
        last_age: last day of the run, in days since 2014-10-21; each day from the eleventh on adds values.
    """
    placements = build_placements(last_age)
    site_classes, app_classes = build_device_classes()
    device_classes = site_classes.concatenate(app_classes)
    groups = build_models(last_age)
    models, slices = groups[0].table, [slice(0, len(groups[0].table))]
    for group in groups[1:]:
        slices.append(slice(len(models), len(models) + len(group.table)))
        models = models.concatenate(group.table)
    group_of_type = {kind.encode(): i for i, group in enumerate(groups) for kind in group.device_types}
    return Vocabulary(
        placements=placements,
        is_app=is_app_traffic(placements),
        creatives=build_creatives(last_age),
        c20=build_c20(),
        device_classes=device_classes,
        app_classes_start=len(site_classes),
        models=models,
        model_groups=tuple(slices),
        model_group_of_class=np.array([group_of_type[kind] for kind in device_classes.columns["device_type"]]),
    )
