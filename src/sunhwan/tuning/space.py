"""The search space: for each setting a range of numbers, or a choice of values."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sunhwan.config import Config, parse_assignment, settings
from sunhwan.errors import UsageError, quoted
from sunhwan.tasks import TASKS

DIGITS = 3
WIDE = 10
"""Largest over smallest of a range that is searched by its logarithm."""


class Range(NamedTuple):
    """Numbers from `low` to `high`: whole ones, or of three digits; `log`: evenly by the logarithm."""

    low: float
    high: float
    whole: bool
    log: bool

    def suggest(self, trial: Any, name: str) -> int | float:
        """A value that the study wants to be tried."""
        if self.whole:
            return int(trial.suggest_int(name, int(self.low), int(self.high), log=self.log))
        return float(f"{trial.suggest_float(name, self.low, self.high, log=self.log):.{DIGITS}g}")

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}{' by its logarithm' if self.log else ''}"


class Choice(NamedTuple):
    """One of some values."""

    values: tuple[Any, ...]

    def suggest(self, trial: Any, name: str) -> Any:
        """A value that the study wants to be tried."""
        return trial.suggest_categorical(name, self.values)

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


Space = Mapping[str, Range | Choice]


def default_space(config: Config) -> Space:
    """Around what is chosen automatically: the learning rate, the hidden size, dropout, weight decay."""
    completed = TASKS[config.task.name].prepare(config).config
    rate, size = completed.training.learning_rate, max(completed.model.sizes)
    return {
        "training.learning_rate": Range(_digits(rate / 4), _digits(rate * 4), False, True),
        "model.hidden_size": Range(max(size // 2, 1), 2 * size, True, True),
        "model.dropout": Range(0.0, 0.6, False, False),
        "training.weight_decay": Range(0.01, 1.0, False, True),
    }


def parse_space(assignments: Iterable[str], config: Config) -> Space:
    """`section.key=LOW..HIGH` or `section.key=A,B,C` → the space.

    UsageError for what is neither; ConfigError for a value that the setting cannot have.
    """
    whole = {s.name for s in settings() if type(s.default) is int}
    space: dict[str, Range | Choice] = {}
    for assignment in assignments:
        name, _ = parse_assignment(assignment)
        text = assignment.partition("=")[2].strip()
        if name in space:
            raise UsageError(f"--space {name} is given twice")
        found = _range(name, text, name in whole) if ".." in text else _choice(name, text)
        for value in found.values if isinstance(found, Choice) else found[:2]:
            config.override({name: int(value) if name in whole else value}, "--space")
        space[name] = found
    return space


def _range(name: str, text: str, whole: bool) -> Range:
    ends = text.split("..")
    try:
        low, high = map(float, ends)
    except ValueError:
        low = high = math.nan
    if not (low < high and math.isfinite(high - low)):
        raise UsageError(
            f"--space {name}={text}: write LOW..HIGH, two numbers, the smaller one first"
        )
    if whole and (low != int(low) or high != int(high)):
        raise UsageError(f"--space {name}={text}: {name} is a whole number")
    return Range(low, high, whole, low > 0 and high / low >= WIDE)


def _choice(name: str, text: str) -> Choice:
    values = tuple(parse_assignment(f"{name}={value.strip()}")[1] for value in text.split(","))
    if len(values) < 2 or len(set(map(repr, values))) < len(values) or "" in values:
        raise UsageError(
            f"--space {name}={quoted(text)}: name two values or more, each once, such as A,B, or a range "
            "LOW..HIGH"
        )
    return Choice(values)


def _digits(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
