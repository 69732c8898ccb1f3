"""Precision of float32 matrix products: exact, or by oneDNN in bfloat16."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

_backends: Any = torch.backends  # its stubs do not know the newer switches


@cache
def _processor() -> frozenset[str]:
    """Words by which the processor tells its maker and what it can do; few outside Linux."""
    told = platform.processor()
    with suppress(OSError):
        told += " " + Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")[:8192]
    return frozenset(told.replace(",", " ").split())


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device has units for products in bfloat16; False where it does not tell."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "mps" or not _processor().isdisjoint({"amx_bf16", "avx512_bf16", "bf16"})


@contextmanager
def fast_products(enabled: bool = True) -> Iterator[None]:
    """Let float32 matrix products take the fastest route of the processor.

    PyTorch sends float32 products on a CPU to MKL, which on processors not made by Intel reaches
    about half the rate of oneDNN's kernels; there, allowing bfloat16 is the switch that changes the
    route. Sums stay in float32, and where oneDNN finds the float32 kernel faster, it rounds
    nothing. On Intel's MKL is as fast, but where there are matrix units (AMX) for bfloat16. On CUDA
    the switch is TF32. The previous settings come back at the end.
    """
    settings: list[tuple[Any, str]] = [
        (_backends.cuda.matmul, "tf32"),
        (_backends.cudnn.rnn, "tf32"),
    ]
    if "GenuineIntel" not in _processor() or "amx_bf16" in _processor():
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
