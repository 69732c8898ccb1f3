"""Listing of all settings, with their defaults and meanings."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, NamedTuple, cast

from sunhwan.config.sections import SECTIONS, Value
from sunhwan.config.task_settings import added_settings


class Setting(NamedTuple):
    """One documented setting, for listings."""

    name: str
    default: Value
    help: str
    choices: tuple[str, ...]


def settings() -> Iterator[Setting]:
    """Every setting with its default and meaning, in order; those of some tasks after those of all."""
    for section, kind in SECTIONS.items():
        for f in fields(kind):
            yield _setting(section, f)
        for f, tasks in added_settings(section).values():
            yield _setting(section, f, f"of {', '.join(tasks)}: ")


def _setting(section: str, f: Any, prefix: str = "") -> Setting:
    default, help = cast(Value, f.default), prefix + f.metadata["help"]
    return Setting(f"{section}.{f.name}", default, help, tuple(f.metadata["choices"]))
