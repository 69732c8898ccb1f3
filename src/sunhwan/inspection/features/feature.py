"""Feature: a number for each character of a text, computed from the text up to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sunhwan.errors import UsageError

Values = NDArray[np.float32]
Kind = Literal["binary", "numeric"]


@dataclass(frozen=True)
class Feature:
    """A number for each character of a text, also a name for it in English and Korean.

    kind: "binary" values are 0 and 1. function: a text → as many numbers as it has characters.
    description: what the number is, in a sentence without its end.
    """

    name: str
    kind: Kind
    function: Callable[[str], Sequence[Any] | NDArray[Any]]
    korean: str
    description: str

    def of(self, text: str) -> Values:
        """Its values on a text of C characters, (C); UsageError where the function gives others."""
        found = self.function(text)
        try:
            values = np.asarray(found if isinstance(found, np.ndarray) else list(found), np.float32)
        except (TypeError, ValueError, OverflowError):
            raise UsageError(
                f"the feature {self.name} must give a number or a truth value a character, "
                f"not {type(found).__name__} {str(found)[:40]!r}"
            ) from None
        if values.shape != (len(text),):
            raise UsageError(
                f"the feature {self.name} gave {values.size:,} values for a text of "
                f"{len(text):,} characters: give one a character"
            )
        if not np.isfinite(values).all():
            place = int(np.flatnonzero(~np.isfinite(values))[0])
            raise UsageError(
                f"the feature {self.name} is {values[place]} at character {place:,}: "
                "give numbers that are finite"
            )
        if self.kind == "binary" and not np.isin(values, (0, 1)).all():
            raise UsageError(f"the feature {self.name} is binary: give 0 and 1 alone")
        return values


FEATURES: dict[str, Feature] = {}
"""The features that are always looked for, by name."""

Function = Callable[[str], NDArray[Any]]


def feature(
    name: str, korean: str, description: str, kind: Kind = "binary"
) -> Callable[[Function], Function]:
    """`@feature("name", …)` before a function of a text: it joins `FEATURES`."""

    def registered(function: Function) -> Function:
        FEATURES[name] = Feature(name, kind, function, korean, description)
        return function

    return registered
