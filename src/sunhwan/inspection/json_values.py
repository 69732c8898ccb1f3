"""Results as values that JSON can hold."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def json_values(value: Any, digits: int = 5) -> Any:
    """Results → dictionaries, lists, texts and numbers of so many significant digits.

    NaN and infinities become None, a complex number [real, imaginary].
    """
    if isinstance(value, np.ndarray):
        return json_values(value.tolist(), digits)
    if isinstance(value, np.generic):
        return json_values(value.item(), digits)
    if isinstance(value, bool | str | int) or value is None:
        return value
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, complex):
        return [json_values(value.real, digits), json_values(value.imag, digits)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: json_values(getattr(value, field.name), digits) for field in fields}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: json_values(inner, digits) for name, inner in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): json_values(inner, digits) for name, inner in value.items()}
    return [json_values(inner, digits) for inner in value]
