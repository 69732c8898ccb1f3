"""How float32 matrix products are computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_backends: Any = torch.backends  # its stubs do not know the newer switches


@contextmanager
def fast_products(enabled: bool = True) -> Iterator[None]:
    """Let oneDNN compute float32 products on the CPU, in bfloat16 where the processor has units for it.

    PyTorch sends float32 products to MKL, which on processors not made by Intel reaches about half
    the rate of oneDNN's kernels; allowing bfloat16 is the switch that changes the route. Sums stay
    in float32. Where oneDNN finds the float32 kernel faster, it rounds nothing. On CUDA the same
    switch is TF32. The previous settings come back at the end.
    """
    settings: tuple[tuple[Any, str], ...] = (
        (_backends.mkldnn.matmul, "bf16"),
        (_backends.cuda.matmul, "tf32"),
        (_backends.cudnn.rnn, "tf32"),
    )
    before = [setting.fp32_precision for setting, _ in settings]
    try:
        if enabled:
            for setting, precision in settings:
                setting.fp32_precision = precision
        yield
    finally:
        for (setting, _), precision in zip(settings, before, strict=True):
            setting.fp32_precision = precision
