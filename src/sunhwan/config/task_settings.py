"""Settings of tasks: what each adds to those that all share."""

from dataclasses import fields
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from sunhwan.config.sections import SECTIONS, ModelConfig, TaskConfig, TrainingConfig
from sunhwan.errors import ConfigError
from sunhwan.registry import TASKS


class TaskSettings(NamedTuple):
    """Settings that a task adds to those of all: subclasses of sections with more keys."""

    task: type[TaskConfig] = TaskConfig
    model: type[ModelConfig] = ModelConfig
    training: type[TrainingConfig] = TrainingConfig
    source: str = "data.source"
    """The setting that names what is read."""
    running_text: bool = False
    """Whether it reads one running text, forwards, and predicts how it goes on; else separate examples."""

    def sections(self) -> dict[str, Any]:
        """The sections of a configuration, with the type of each."""
        added = {"task": self.task, "model": self.model, "training": self.training}
        return SECTIONS | added


def task_settings(name: str) -> TaskSettings:
    """The settings of a registered task."""
    package = TASKS[name].partition(":")[0].rpartition(".")[0]
    found: TaskSettings = import_module(f"{package}.settings").SETTINGS
    return found


Section = TypeVar("Section")


def own(section: object, kind: type[Section]) -> Section:
    """A section as the type that a task's settings give it; ConfigError where it is of another task."""
    if not isinstance(section, kind):
        raise ConfigError(
            f"the configuration is of another task: it has a {type(section).__name__}, not a "
            f"{kind.__name__}; set task.name"
        )
    return section


def added_settings(section: str) -> dict[str, tuple[Any, list[str]]]:
    """The keys that tasks add to a section: the field of each, and the names of the tasks."""
    shared = {f.name for f in fields(SECTIONS[section])}
    found: dict[str, tuple[Any, list[str]]] = {}
    for task in TASKS:
        for f in fields(task_settings(task).sections()[section]):
            if f.name not in shared:
                found.setdefault(f.name, (f, []))[1].append(task)
    return found
