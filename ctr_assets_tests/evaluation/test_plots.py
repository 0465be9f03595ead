import struct

import numpy as np
import pytest

from ctr_assets.evaluation.metrics import Assessment, assess
from ctr_assets.evaluation.plots import draw_all


def _assessments(labels: np.ndarray) -> dict[str, Assessment]:
    rng = np.random.default_rng(0)
    n = len(labels)
    noisy = np.clip(0.1 + 0.2 * labels + rng.normal(0, 0.05, n), 0, 1).astype(np.float32)
    return {
        "wide_deep": assess(labels, noisy),
        "gbt": assess(labels, rng.random(n, dtype=np.float32)),
        "constant": assess(labels, np.full(n, 0.17, np.float32)),
    }


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param((np.random.default_rng(1).random(20_000) < 0.17).astype(np.int8), id="a day"),
        pytest.param(np.zeros(100, np.int8), id="no clicks"),
        pytest.param(np.ones(1, np.int8), id="one row"),
        pytest.param(np.zeros(0, np.int8), id="no rows"),
    ],
)
def test_every_picture_is_a_small_png_640_pixels_wide(labels: np.ndarray):
    pictures = draw_all(_assessments(labels), "next day")
    assert set(pictures) == {"roc", "precision_recall", "reliability", "score_distribution"}
    for name, png in pictures.items():
        assert png.startswith(b"\x89PNG\r\n"), name
        assert struct.unpack(">II", png[16:24]) == (640, 480), name
        assert len(png) < 60_000, name
    assert len(set(pictures.values())) == 4


def test_the_same_assessments_give_the_same_picture():
    assessments = _assessments((np.random.default_rng(1).random(2000) < 0.17).astype(np.int8))
    assert draw_all(assessments, "test") == draw_all(assessments, "test")
