import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from ctr_assets.training.calibration import PRIOR_SD, fit_shift


def rows(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are 0.4 too low, and labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.6, 1, count)
    return logits - 0.4, (rng.random(count) < 1 / (1 + np.exp(-logits))).astype(np.float32)


def test_the_shift_is_the_most_probable_one() -> None:
    logits, labels = rows(500)

    def negative_log_posterior(shift: float) -> float:
        z = logits + shift
        return float(np.sum(np.logaddexp(0, z) - labels * z) + shift**2 / (2 * PRIOR_SD**2))

    best = minimize_scalar(negative_log_posterior, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10}).x
    assert fit_shift(logits, labels) == pytest.approx(best, abs=1e-6)


def test_many_rows_are_predicted_as_often_to_be_clicked_as_they_are() -> None:
    logits, labels = rows(400_000)
    predicted = 1 / (1 + np.exp(-(logits + fit_shift(logits, labels))))
    assert predicted.mean() == pytest.approx(labels.mean(), rel=0.005)


def test_few_rows_move_little() -> None:
    logits, labels = rows(100)
    assert abs(fit_shift(logits, labels)) < 0.1
    assert fit_shift(np.zeros(0), np.zeros(0, np.float32)) == 0


@pytest.mark.parametrize("label", [0, 1])
def test_rows_of_one_class_give_a_finite_shift(label: int) -> None:
    shift = fit_shift(np.full(1000, -1.6), np.full(1000, label, np.float32))
    assert np.isfinite(shift)
    assert (shift > 0) == bool(label)


def test_rows_spread_over_processes_give_the_same_shift() -> None:
    logits, labels = rows(1000)
    halves = [(logits[:300], labels[:300]), (logits[300:], labels[300:])]

    def of_both(sums: np.ndarray) -> np.ndarray:
        """What the other half adds, at the shift that the first half is asked at."""
        shifts.append(shift_of(sums))
        probability = 1 / (1 + np.exp(-(halves[1][0] + shifts[-1])))
        return sums + np.array([(probability - halves[1][1]).sum(), (probability * (1 - probability)).sum()])

    shifts: list[float] = []

    def shift_of(sums: np.ndarray) -> float:
        """The shift at which the first half's gradient is what it is."""
        low, high = -5.0, 5.0
        for _ in range(200):
            middle = (low + high) / 2
            gradient = (1 / (1 + np.exp(-(halves[0][0] + middle))) - halves[0][1]).sum()
            low, high = (middle, high) if gradient < sums[0] else (low, middle)
        return (low + high) / 2

    assert fit_shift(*halves[0], of_both) == pytest.approx(fit_shift(logits, labels), abs=1e-6)
