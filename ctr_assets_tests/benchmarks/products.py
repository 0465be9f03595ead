"""How fast this machine multiplies the matrices of a step: what a training could reach at most."""

import time
from itertools import pairwise
from statistics import median

import torch

ROUNDS = 21


def floating_point_operations(widths: list[int]) -> int:
    """Of a row in a step: one product forwards and two backwards a layer, each a multiplication and an addition."""
    return 6 * sum(a * b for a, b in pairwise(widths))


def product_rows_per_second(widths: list[int], batch_rows: int, dtype: torch.dtype) -> float:
    """Rows a second of nothing but the products of a step, layer by layer, with the threads of this process."""
    layers = [
        (torch.randn(batch_rows, a).to(dtype), torch.randn(b, a).to(dtype), torch.randn(batch_rows, b).to(dtype))
        for a, b in pairwise(widths)
    ]

    def seconds() -> float:
        began = time.perf_counter()
        for inputs, weight, gradient in layers:
            torch.mm(inputs, weight.T)
            torch.mm(gradient, weight)
            torch.mm(gradient.T, inputs)
        return time.perf_counter() - began

    return batch_rows / median([seconds() for _ in range(ROUNDS + 3)][3:])
