"""Parity: an exported file gives the model's outputs within a bound, or it is not written."""

import copy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from sunhwan.errors import ConfigError
from sunhwan.models import LanguageModel

Numbers = dict[str, npt.NDArray[Any]]

Wanted = npt.NDArray[Any] | Callable[[Numbers], npt.NDArray[Any]]
"""What an output must be; or a function of all outputs, for what is chosen by them."""

BOUND = 1e-5
"""How far a number may be off, of itself where it is above 1."""
ROUNDING = 10
"""A model that magnifies its own rounding may be off by so many times what it is off in float32."""
SHARES = {"fp16": 0.01, "int8": 0.1}
"""With smaller weights: how far all numbers of an output may be off together, see `share`."""


class Check(NamedTuple):
    """One comparison: inputs of a file, expected outputs, and those in float64."""

    file: str
    given: Numbers
    wanted: Mapping[str, Wanted]
    exact: Callable[[], Mapping[str, Wanted]]
    where: str


def verify(folder: Path, checks: Iterable[Check], weights: str = "fp32") -> float:
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

            def exact(check: Check = check, name: str = name) -> npt.NDArray[Any] | None:
                value = check.exact()[name]
                return value if isinstance(value, np.ndarray) else None

            off = checked(
                check.file,
                f"{name} is",
                found[name],
                answer(found) if callable(answer) else answer,
                exact,
                where=f" at {check.where}",
                weights=weights,
            )
            largest = max(largest, off)
    return largest


def checked(
    file: str,
    what: str,
    found: npt.NDArray[Any],
    wanted: npt.NDArray[Any],
    exact: Callable[[], npt.NDArray[Any] | None],
    *,
    where: str = "",
    weights: str = "fp32",
    bound: float = BOUND,
) -> float:
    """The deviation of an output; ConfigError where neither the bound nor the model's rounding allows it.

    exact: what the model says in float64; None where the output is chosen by others.
    """
    if weights in SHARES:
        return _checked_share(file, what, found, wanted, where, weights)
    off = deviation(found, wanted)
    if off <= bound:
        return off
    true, allowed = exact(), bound
    if true is not None:
        allowed += ROUNDING * deviation(wanted.astype(np.float64), true)
    if not off <= allowed:
        raise ConfigError(
            f"{file} is not written: {what} off by {off:.1e}{where}, and at most {allowed:.1e} is allowed"
        )
    return off


def _checked_share(
    file: str,
    what: str,
    found: npt.NDArray[Any],
    wanted: npt.NDArray[Any],
    where: str,
    weights: str,
) -> float:
    off = share(found, wanted)
    if not off <= SHARES[weights]:
        raise ConfigError(
            f"{file} is not written: with weights in {weights} {what} off by {off:.0%} of its size{where}, "
            f"and at most {SHARES[weights]:.0%} is allowed: export it with larger weights"
        )
    return off


class RandomReading(NamedTuple):
    """Logits (T, V) of a language model for random tokens, read one by one."""

    model: LanguageModel
    tokens: list[int]
    logits: npt.NDArray[np.float32]

    @classmethod
    @torch.no_grad()
    def of(cls, model: LanguageModel, steps: int = 333) -> "RandomReading":
        """The reading of so many tokens."""
        draw = torch.Generator().manual_seed(1)
        ids = torch.randint(model.vocabulary_size, (1, steps), generator=draw)
        return cls(model, ids[0].tolist(), model(ids)[0][0].numpy())

    def check(
        self, file: str, found: npt.NDArray[Any], weights: str = "fp32", bound: float = BOUND
    ) -> float:
        """The deviation of what a file says to the same tokens, see `checked`."""
        return checked(
            file, "its logits are", found, self.logits, self._exact, weights=weights, bound=bound
        )

    @torch.no_grad()
    def _exact(self) -> npt.NDArray[Any]:
        logits = copy.deepcopy(self.model).double()(torch.tensor([self.tokens]))[0][0]
        found: npt.NDArray[Any] = logits.numpy()
        return found


def deviation(found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> float:
    """The largest difference, relative where numbers are above 1; infinite for another shape."""
    if found.shape != wanted.shape:
        return float("inf")
    if not wanted.size or np.array_equal(found, wanted):
        return 0.0
    return float(np.max(np.abs(found - wanted) / np.maximum(1.0, np.abs(wanted))))


def share(found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> float:
    """The root mean square of the differences, of that of what is wanted; whole numbers must be equal."""
    if found.shape != wanted.shape or wanted.dtype.kind != "f":
        return 0.0 if np.array_equal(found, wanted) else float("inf")
    if np.array_equal(found, wanted):
        return 0.0
    size = float(np.sqrt(np.mean(np.square(wanted, dtype=np.float64))))
    off = float(np.sqrt(np.mean(np.square(found.astype(np.float64) - wanted))))
    return off / size if size else float("inf")
