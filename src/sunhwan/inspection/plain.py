"""What was found inside a model as values that JSON holds."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Progress = Callable[[float], None]
"""Told from time to time which share, 0 … 1, of the work is done."""


def quietly(done: float) -> None:
    """A `Progress` that says nothing."""


def plain(value: Any) -> Any:
    """Results → dictionaries, lists, texts and numbers of 5 significant digits.

    NaN and infinities become None, a complex number [real, imaginary].
    """
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, bool | str | int) or value is None:
        return value
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    if isinstance(value, complex):
        return [plain(value.real), plain(value.imag)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(inner) for name, inner in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value]
