"""The trained torch model behind our own server, in place of the exported one: ``python -m … STORE HTTP_PORT``."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ctr_assets.crosses import pair_of
from ctr_assets.features import FEATURE_BY_NAME, HOUR_COLUMN, HOUR_OF_DAY
from ctr_assets.jobs.serving_model import vocabulary_of
from ctr_assets.serving.export import input_columns
from ctr_assets.serving.server import ClickModel, serve
from ctr_assets.serving.session import Columns
from ctr_assets.serving.watch import Champion
from ctr_assets.storage import Store
from ctr_assets.storage.vocabulary import read_values
from ctr_assets.tables import CHAMPION_MODEL, CURRENT
from ctr_assets.training.score import Scorer


class TrainedModel:
    """The champion as it was trained, with the look-up of each value that it needs; has what a server asks of one."""

    def __init__(self, store: Store) -> None:
        champion = store.manifest(CHAMPION_MODEL, CURRENT)
        scorer = Scorer.load(store, champion, device="cpu")
        layout = scorer.model.layout
        self.features, self.columns, self._frozen = layout.features, input_columns(layout), scorer.frozen
        self._ids: dict[str, dict[Any, int]] = {}
        for name, values in read_values(store, vocabulary_of(store, champion), layout.features).items():
            keys = map(pair_of, values) if FEATURE_BY_NAME[name].is_cross else values
            self._ids[name] = {key: id for id, key in enumerate(keys, 1)}

    @torch.no_grad()
    def predict_counting(self, columns: Columns) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        given = {name: values.tolist() for name, values in columns.items()}
        given[HOUR_OF_DAY] = [hour[6:8] for hour in given[HOUR_COLUMN]]
        ids = np.empty((len(given[HOUR_COLUMN]), len(self.features)), np.int32)
        for position, name in enumerate(self.features):
            of = FEATURE_BY_NAME[name].columns
            keys = zip(*(given[column] for column in of), strict=True) if len(of) > 1 else given[of[0]]
            find = self._ids[name].get
            ids[:, position] = [find(key, 0) for key in keys]
        probabilities = self._frozen(self._frozen.find(ids)).numpy()
        return probabilities, (ids == 0).sum(axis=0)


def main(store_url: str, port: int) -> None:
    torch.set_num_threads(1)
    model, trained = ClickModel("ctr", 10_000), TrainedModel(Store(store_url))
    model.change(Champion(trained, "2014-10-30", "as it was trained", {}))  # type: ignore[arg-type]
    serve(model, http_port=port, grpc_port=0, max_body_bytes=16 << 20)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
