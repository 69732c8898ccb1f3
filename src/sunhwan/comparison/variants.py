"""Variants: the settings that a comparison tries."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sunhwan.config import Config
from sunhwan.errors import UsageError
from sunhwan.tasks import TASKS, Task

MOST_VARIANTS = 100


class Variant(NamedTuple):
    """One choice of settings, by its name: `lstm 128`."""

    name: str
    settings: Mapping[str, Any]


def cross(axes: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """Each value of each setting with each value of all others.

    axes: setting → values. A cell or a size is named by its value, another setting by key=value;
    a setting with one value is named nowhere. UsageError: a value twice, or too many variants.
    """
    for setting, values in axes.items():
        twice = [value for value in values if list(values).count(value) > 1]
        if twice:
            raise UsageError(f"{setting}: {twice[0]} is named twice")
    found = []
    for values in itertools.product(*axes.values()):
        settings = dict(zip(axes, values, strict=True))
        told = [_named(name, value) for name, value in settings.items() if len(axes[name]) > 1]
        found.append(Variant(" ".join(told) or "model", settings))
    if len(found) > MOST_VARIANTS:
        raise UsageError(
            f"{len(found)} variants are more than {MOST_VARIANTS}: compare fewer at a time"
        )
    return found


def _named(setting: str, value: Any) -> str:
    if setting == "model.cell":
        return str(value).rpartition(":")[2]
    if setting == "model.hidden_size":
        return str(value)
    return f"{setting.partition('.')[2]}={value}"


def with_parameters(variants: Sequence[Variant], config: Config, wanted: int) -> list[Variant]:
    """The variants, each with the hidden size at which its model has about `wanted` parameters.

    The embedding keeps one size in all. UsageError where even one hidden unit needs more.
    """
    prepared = TASKS[config.task.name].prepare(config)
    completed, preprocessing = prepared.config, prepared.task.preprocessing()
    found = []
    for variant in variants:
        settings = {"model.embedding_size": completed.model.embedding_size, **variant.settings}
        size = _fitting_size(completed.override(settings), prepared.task, preprocessing, wanted)
        found.append(Variant(variant.name, {**settings, "model.hidden_size": size}))
    return found


def _fitting_size(config: Config, task: Task, preprocessing: Any, wanted: int) -> int:
    """The hidden size with the number of parameters nearest to `wanted`."""

    def parameters(size: int) -> int:
        made = type(task).restored(config.override({"model.hidden_size": size}), preprocessing)
        return sum(p.numel() for p in made.model.parameters())

    if parameters(1) > wanted:
        raise UsageError(
            f"--parameters {wanted:,}: one hidden unit makes {parameters(1):,} already, most of them of "
            "the vocabulary: allow more, or set a smaller model.embedding_size or text.max_size"
        )
    low, high = 1, 2
    while parameters(high) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parameters(middle) < wanted else (low, middle)
    return min(low, high, key=lambda size: abs(parameters(size) - wanted))
