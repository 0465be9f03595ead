"""A model for each of many demo days, and what it loses on every row of the days from its window on.

Every fifth day there is another one whose training was broken off, and every eighth day several that differ by their
seed alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ctr_assets.evaluation.metrics import logloss_of_rows
from ctr_assets.evaluation.scored import RowsOf, score_rows
from ctr_assets.evaluation.uncertainty import Clusters, read_clusters
from ctr_assets.storage import Store
from ctr_assets.tables import ENCODED_FEATURES, WIDE_DEEP_MODEL
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.score import Scorer
from ctr_assets.training.train import train

WINDOW = 3
CONFIG = TrainingConfig(hidden=[64, 32], epochs=2, batch_size=2048)
"""About as good on 80,000 rows as the default, and ten times as fast."""
BROKEN_OFF = CONFIG.model_copy(update={"epochs": 1, "batch_size": 16_384})
BROKEN_EVERY, RESEEDED_EVERY, SEEDS = 5, 8, 8
Losses = npt.NDArray[np.float32]


@dataclass
class Day:
    """The rows of one day, its test split and all of them, and what models lose on each: nats, shape ``(n,)``."""

    clusters: dict[RowsOf, Clusters]
    losses: dict[tuple[str, RowsOf], Losses] = field(default_factory=dict)

    @property
    def known(self) -> set[str]:
        """The models that were scored on the day."""
        return {model for model, _ in self.losses}


def broken_off(day: str) -> str:
    """Name of the day's model whose training was broken off."""
    return f"{day} broken off"


def replay_models(store: Store, days: Sequence[str]) -> dict[str, Day]:
    """Train and score. A model goes by the name of its day; others have it in front of theirs."""
    encoded = {day: store.manifest(ENCODED_FEATURES, day) for day in days}
    found = {
        day: Day({rows_of: read_clusters(store, [encoded[day]], rows_of) for rows_of in (RowsOf.TEST, RowsOf.ALL)})
        for day in days
    }
    for position in range(WINDOW - 1, len(days)):
        day, window, later = days[position], days[position - WINDOW + 1 : position + 1], days[position + 1 :]
        lasting, seeds = {day: CONFIG}, {}
        if position % BROKEN_EVERY == 0:
            lasting[broken_off(day)] = BROKEN_OFF
        if (position - WINDOW + 1) % RESEEDED_EVERY == 0:
            seeds = {f"{day} seed {n}": CONFIG.model_copy(update={"seed": n}) for n in range(1, SEEDS)}
        for name, config in {**lasting, **seeds}.items():
            train(store, day, list(window), config, log=lambda line: None)
            scorer = Scorer.load(store, store.manifest(WIDE_DEEP_MODEL, day))
            scored = [(each, RowsOf.TEST) for each in window]
            if name in lasting:
                scored += [(each, rows_of) for each in later for rows_of in (RowsOf.TEST, RowsOf.ALL)]
            for each, rows_of in scored:
                labels, probabilities = score_rows(store, [encoded[each]], rows_of, scorer)
                found[each].losses[name, rows_of] = logloss_of_rows(labels, probabilities).astype(np.float32)
    return found
