"""Parity: an exported file must say what the model says, or it is not written."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sunhwan.errors import ConfigError

Numbers = dict[str, npt.NDArray[Any]]

Wanted = npt.NDArray[Any] | Callable[[Numbers], npt.NDArray[Any]]
"""What an output must be; or a function of all outputs, for what is chosen by them."""

BOUND = 1e-5
"""How far a number may be off, of itself where it is above 1."""
ROUNDING = 10
"""A model that magnifies its own rounding may be off by so many times what it is off in float32."""


class Check(NamedTuple):
    """What a file is given, what it must say, and what that would be in float64."""

    file: str
    given: Numbers
    wanted: Mapping[str, Wanted]
    exact: Callable[[], Mapping[str, Wanted]]
    where: str


def verify(folder: Path, checks: Iterable[Check], bound: float = BOUND) -> float:
    """The largest deviation of the files of a folder; ConfigError where it is above the bound."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    sessions: dict[str, Any] = {}
    largest = 0.0
    for check in checks:
        if check.file not in sessions:
            path = str(folder / check.file)
            sessions[check.file] = onnxruntime.InferenceSession(
                path, options, ["CPUExecutionProvider"]
            )
        names = list(check.wanted)
        found = dict(zip(names, sessions[check.file].run(names, check.given), strict=True))
        for name, answer in check.wanted.items():
            off = deviation(found[name], answer(found) if callable(answer) else answer)
            if off <= bound:
                largest = max(largest, off)
                continue
            allowed = bound + (_rounding(check, name) if isinstance(answer, np.ndarray) else 0)
            if not off <= allowed:
                raise ConfigError(
                    f"{check.file} is not written: {name} is off by {off:.1e} at {check.where}, and at "
                    f"most {allowed:.1e} is allowed"
                )
            largest = max(largest, off)
    return largest


def _rounding(check: Check, name: str) -> float:
    """How far the model in float32 is from itself in float64."""
    wanted, exact = check.wanted[name], check.exact()[name]
    assert isinstance(wanted, np.ndarray)
    assert isinstance(exact, np.ndarray)
    return ROUNDING * deviation(wanted.astype(np.float64), exact)


def deviation(found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> float:
    """The largest difference, relative where numbers are above 1; infinite for another shape."""
    if found.shape != wanted.shape:
        return float("inf")
    if not wanted.size or np.array_equal(found, wanted):
        return 0.0
    return float(np.max(np.abs(found - wanted) / np.maximum(1.0, np.abs(wanted))))
