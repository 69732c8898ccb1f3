"""The configuration of a run: its sections ↔ TOML."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self, get_type_hints

import tomli_w

from sunhwan.config.sections import DataConfig, ModelConfig, TaskConfig, TextConfig, TrainingConfig
from sunhwan.config.task_settings import added_settings, task_settings
from sunhwan.config.values import check_names, convert, read_toml
from sunhwan.errors import ConfigError
from sunhwan.registry import TASKS


@dataclass(frozen=True)
class Config:
    """All settings of a run, in sections."""

    task: TaskConfig = field(default_factory=TaskConfig)
    text: TextConfig = field(default_factory=TextConfig)
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=lambda: task_settings(TaskConfig().name).model())
    training: TrainingConfig = field(default_factory=TrainingConfig)

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], where: str = "the configuration", *, saved: bool = False
    ) -> Self:
        """Sections of keys → Config; ConfigError names an unknown key or an unusable value.

        A key of another task is left out where it has its default, as versions before 0.2 wrote it;
        saved: whatever it has, for nothing reads it.
        """
        sections = {}
        task = _task_of(values)
        kinds = task_settings(task).sections()
        check_names(values, kinds, "section", where)
        for name, kind in kinds.items():
            given = values.get(name, {})
            if not isinstance(given, Mapping):
                raise ConfigError(f"[{name}] in {where} must be a section of key = value lines")
            types = get_type_hints(kind)
            given = _without_others(given, name, types, task, where, saved)
            check_names(given, types, "key", f"[{name}] of {where}")
            sections[name] = kind(
                **{
                    f.name: convert(given[f.name], types[f.name], f, f"{name}.{f.name} in {where}")
                    for f in fields(kind)
                    if f.name in given
                }
            )
        return cls(**sections)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file; ConfigError names the file, the line or the key."""
        return cls.from_dict(read_toml(path)[1], str(path))

    @property
    def source_setting(self) -> str:
        """The setting that names what the task reads."""
        return task_settings(self.task.name).source

    @property
    def reads_running_text(self) -> bool:
        """Whether the task reads one running text, and no separate examples."""
        return task_settings(self.task.name).running_text

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that the task reads: files, or built-in names; () where none was named."""
        return self.text.corpus if self.source_setting == "text.corpus" else self.data.source

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain values, ready for TOML or JSON."""
        return {
            section: {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in values.items()
            }
            for section, values in dataclasses.asdict(self).items()
        }

    def to_toml(self) -> str:
        """The whole configuration as TOML text."""
        return tomli_w.dumps(self.to_dict())

    def override(self, assignments: Mapping[str, Any], where: str = "--set") -> Self:
        """A copy with `section.key` values replaced; values may be TOML text, as typed in a shell."""
        values = self.to_dict()
        for name, value in assignments.items():
            section, dot, key = name.partition(".")
            if not dot:
                raise ConfigError(
                    f"{where} {name}: write section.key=value, say model.hidden_size=64"
                )
            values.setdefault(section, {})[key] = value
        return type(self).from_dict(values, where)


def with_source(config: Config) -> tuple[Config, tuple[str, ...]]:
    """The configuration with its sources in the setting of its task, and a notice where they moved.

    ConfigError: a source stands where its task does not read it.
    """
    moved = config.text.corpus != TextConfig().corpus
    if config.data.batches != "streams" and not config.reads_running_text:
        raise ConfigError(
            "data.batches is a setting of language models, the examples of other tasks are apart anyway: "
            "leave it out"
        )
    if config.data.bptt_length and not config.reads_running_text:
        raise ConfigError(
            "data.bptt_length is a setting of language models, the examples of other tasks are read as a "
            "whole: leave it out"
        )
    if config.data.bptt_length and config.data.batches == "sentences":
        raise ConfigError(
            "data.bptt_length says how far a stream's gradient goes back, and a sentence is read as a "
            "whole: leave it out, or set data.batches to 'streams'"
        )
    if config.model.input == "number" and not config.reads_running_text:
        raise ConfigError("model.input 'number' is for language models: leave it out")
    if config.source_setting == "text.corpus":
        if config.data.source:
            raise ConfigError("data.source is not read by a language model: use text.corpus")
        return config, ()
    if not moved:
        return config, ()
    if config.data.source:
        raise ConfigError("text.corpus is read by language models alone: leave it out")
    source = {"data.source": config.text.corpus, "text.corpus": TextConfig().corpus}
    return config.override(source), (
        f"text.corpus of the task {config.task.name} is now called data.source: rename it, for from "
        "version 0.3 on it will be refused",
    )


def _task_of(values: Mapping[str, Any]) -> str:
    """The task that sections are of; that of no task where its name is wrong, which is said later."""
    section = values.get("task", {})
    name = section.get("name") if isinstance(section, Mapping) else None
    return name if isinstance(name, str) and name in TASKS else Config().task.name


def _without_others(
    given: Mapping[str, Any],
    section: str,
    types: Mapping[str, Any],
    task: str,
    where: str,
    saved: bool,
) -> Mapping[str, Any]:
    unknown = given.keys() - types.keys()
    others = {key: added for key, added in added_settings(section).items() if key in unknown}
    for key, (f, tasks) in others.items():
        value = tuple(given[key]) if isinstance(given[key], list) else given[key]
        if not saved and value != f.default:
            raise ConfigError(
                f"{section}.{key} in {where} is a setting of {' and '.join(tasks)}, and the task is "
                f"{task}: leave it out"
            )
    return {key: value for key, value in given.items() if key not in others}
