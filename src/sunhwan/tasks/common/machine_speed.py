"""Speed of this machine, by which the size of a model with a large output layer is chosen."""

import time
from functools import cache

import torch

ROWS, WIDTH, COLUMNS = 512, 256, 8192
USUAL = 5e10


@cache
def products_a_second() -> float:
    """Multiply-adds a second of a product as large as an output layer's, the best of three.

    Of several processes, which must choose alike, none is asked.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return USUAL
    x, weight = torch.ones(ROWS, WIDTH), torch.ones(WIDTH, COLUMNS)
    x @ weight
    return ROWS * WIDTH * COLUMNS / min(_seconds(x, weight) for _ in range(3))


def _seconds(x: torch.Tensor, weight: torch.Tensor) -> float:
    begun = time.perf_counter()
    x @ weight
    return max(time.perf_counter() - begun, 1e-6)
