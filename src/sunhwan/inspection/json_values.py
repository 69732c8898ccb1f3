"""Results as values that JSON can hold."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def json_values(value: Any) -> Any:
    """Results → dictionaries, lists, texts and numbers of 5 significant digits.

    NaN and infinities become None, a complex number [real, imaginary].
    """
    if isinstance(value, np.ndarray):
        return json_values(value.tolist())
    if isinstance(value, np.generic):
        return json_values(value.item())
    if isinstance(value, bool | str | int) or value is None:
        return value
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    if isinstance(value, complex):
        return [json_values(value.real), json_values(value.imag)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: json_values(getattr(value, field.name)) for field in fields}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: json_values(inner) for name, inner in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): json_values(inner) for name, inner in value.items()}
    return [json_values(inner) for inner in value]
