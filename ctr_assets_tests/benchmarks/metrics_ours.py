"""All figures and curves of so many predictions: ``python -m … ROWS``."""

import resource
import sys
import time

import numpy as np

from ctr_assets.evaluation.metrics import assess
from ctr_assets_tests.benchmarks.measuring import tell


def main(rows: int) -> None:
    rng = np.random.default_rng(0)
    probabilities = (1 / (1 + np.exp(2 - rng.standard_normal(rows)))).astype(np.float32)
    labels = (rng.random(rows) < probabilities).astype(np.int8)
    began = time.perf_counter()
    found = assess(labels, probabilities).metrics
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    tell(rows=rows, seconds=seconds, rows_per_second=rows / seconds, roc_auc=found.roc_auc, peak_bytes=peak)


if __name__ == "__main__":
    main(int(sys.argv[1]))
