"""Phrases of a report: sentences, names of layers and units, and numbers, in one language."""

import re
from collections.abc import Mapping
from typing import Any

from sunhwan.errors import UsageError
from sunhwan.messages import LANGUAGES, catalogue, message

HELD_OUT = "the validation text"


class Phrases:
    """The phrases of one language: `Phrases("ko")("flow.title")`.

    directions: how many each stack of the model has. UsageError for a language not of LANGUAGES.
    """

    def __init__(self, language: str, directions: Mapping[str, int] | None = None) -> None:
        if language not in LANGUAGES:
            raise UsageError(f"language {language!r} must be one of {', '.join(LANGUAGES)}")
        self.language, self.directions = language, directions or {}

    def __call__(self, key: str, **values: Any) -> str:
        """The text of a key, with values for the names that stand in braces in it."""
        return message("report", key, self.language, **values)

    def stack(self, name: str) -> str:
        """What a stack is called; a model's only one needs no name."""
        return self(f"stack.{name}") if f"stack.{name}" in catalogue()["report"] else name

    def unit(self, name: str, count: int = 2) -> str:
        """What a step reads, one or several of it."""
        found = self(f"unit.{name}")
        return found.removesuffix("s") if count == 1 and self.language == "en" else found

    def input(self, name: str) -> str:
        """What a forecaster reads, as `Layout.columns` names it; a column of the file by its own name."""
        known = catalogue()["report"]
        for key, pattern in (("time_of", "time of (.+)"), ("steps_before", "(.+) steps before")):
            if found := re.fullmatch(pattern, name):
                period = f"period.{found[1]}"
                return self(f"input.{key}", what=self(period) if period in known else found[1])
        key = f"input.{name.replace(' ', '_')}"
        return self(key) if key in known else name

    def layer(self, one: Any, *, stack: bool = True) -> str:
        """The layer, counted from 1, of anything that has `stack`, `layer` and `direction`."""
        named = [self.stack(one.stack)] if stack else []
        named.append(self("layer", number=one.layer + 1))
        if one.direction == "backward":
            named.append(self("backward"))
        return " ".join(named).strip()

    def layer_at(self, stack: str, place: int) -> str:
        """The same of its place among the layers of both directions, as traces and units have it."""
        level, second = divmod(place, self.directions.get(stack, 1))
        named = [self.stack(stack), self("layer", number=level + 1)]
        return " ".join([*named, self("backward")] if second else named).strip()

    def place(self, one: Any, *, stack: bool = True) -> str:
        """The layer and the field of its state."""
        return f"{self.layer(one, stack=stack)} {one.field}"

    def unit_name(self, one: Any) -> str:
        """A single unit: its layer, field and number."""
        return f"{self.layer_at(one.stack, one.layer)} {one.field}[{one.index}]"

    def feature(self, one: Any) -> str:
        """What a feature of a result is called; one that a user has brought has one name."""
        name: str = one.korean if self.language == "ko" else one.feature
        return name

    def horizon(self, lag: int | None, lags: int) -> str:
        """A horizon, or what it lies beyond."""
        return f"> {lags:,}" if lag is None else f"{lag:,}"

    def where(self, place: str) -> str:
        """Where a passage is from, as `Subject` says it."""
        for key, between in (("from", ", from token "), ("line", ", line ")):
            text, found, number = place.rpartition(between)
            if found and number.isdecimal():
                return self(key, text=self.where(text), number=self.count(int(number)))
        return self("held_out") if place == HELD_OUT else place

    def count(self, number: int | float | None) -> str:
        """A number with commas; None: a dash."""
        if number is None:
            return "–"
        return f"{number:,}" if isinstance(number, int) else f"{number:,.3g}"

    def share(self, value: float) -> str:
        """0 … 1 as a percentage."""
        percent = 100 * value
        return f"{percent:.0f} %" if percent >= 10 or not percent else f"{percent:.2g} %"

    def bytes(self, count: float) -> str:
        """An amount of memory."""
        for name in ("B", "kB", "MB"):
            if count < 1000:
                return f"{count:.3g} {name}"
            count /= 1000
        return f"{count:.3g} GB"
