"""Scores a delivered CSV with nothing but onnxruntime and numpy: ``python -I bare.py MODEL.onnx ROWS.csv[.gz]``.

Prints ``id,probability`` a line. Stands alone: it is run where nothing of this project may be imported.
"""

import csv
import gzip
import sys

import numpy
import onnxruntime  # type: ignore[import-untyped]

OURS_AND_HEAVY = {"ctr_assets", "ctr_assets_tests", "torch", "pyarrow", "pyspark", "dagster", "onnx", "pandas"}


def main(model: str, rows: str) -> None:
    with (gzip.open if rows.endswith(".gz") else open)(rows, "rt", newline="") as file:
        delivered = list(csv.DictReader(file))
    session = onnxruntime.InferenceSession(model)
    columns = {i.name: numpy.array([row[i.name] for row in delivered], dtype=object) for i in session.get_inputs()}
    (probabilities,) = session.run(["click_probability"], columns)
    loaded = OURS_AND_HEAVY & {name.split(".")[0] for name in sys.modules}
    assert not loaded, loaded
    for row, probability in zip(delivered, probabilities.tolist(), strict=True):
        sys.stdout.write(f"{row['id']},{probability!r}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
