"""How float32 matrix products are computed."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

_backends: Any = torch.backends  # its stubs do not know the newer switches


@cache
def made_by_intel() -> bool:
    """Whether the processor says so; False where it does not tell."""
    told = platform.processor()
    with suppress(OSError):
        told += Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")[:4096]
    return "GenuineIntel" in told


@contextmanager
def fast_products(enabled: bool = True) -> Iterator[None]:
    """Let float32 matrix products take the fastest route of the processor.

    PyTorch sends float32 products on a CPU to MKL, which on processors not made by Intel reaches
    about half the rate of oneDNN's kernels; there, allowing bfloat16 is the switch that changes the
    route. Sums stay in float32, and where oneDNN finds the float32 kernel faster, it rounds
    nothing. On Intel's MKL is as fast, and much faster on the small products of a step. On CUDA the
    switch is TF32. The previous settings come back at the end.
    """
    settings: list[tuple[Any, str]] = [
        (_backends.cuda.matmul, "tf32"),
        (_backends.cudnn.rnn, "tf32"),
    ]
    if not made_by_intel():
        settings.append((_backends.mkldnn.matmul, "bf16"))
    before = [setting.fp32_precision for setting, _ in settings]
    try:
        if enabled:
            for setting, precision in settings:
                setting.fp32_precision = precision
        yield
    finally:
        for (setting, _), precision in zip(settings, before, strict=True):
            setting.fp32_precision = precision
