"""Model information for the page."""

from typing import Any

from sunhwan.serve.models import Loaded, Served
from sunhwan.serve.reports import parts_of
from sunhwan.store import Run
from sunhwan.tasks import TASKS, Task


def described(served: Served) -> dict[str, Any]:
    """A model as /api/models lists it. Reads files: not for the event loop."""
    loaded, reason = served.look()
    name = loaded.task.name if loaded else Run(served.folder).config().task.name
    return {
        "id": served.name,
        "task": name,
        **_kind(TASKS[name]),
        "ready": loaded is not None,
        "reason": reason or None,
        "training": served.is_run and Run(served.folder).in_training,
        "facts": loaded.task.facts() if loaded else {},
        "vocabulary": _vocabulary(loaded) if loaded else None,
        "stacks": loaded.stacks if loaded else [],
        "labels": loaded.task.labels if loaded else None,
        "inputs": loaded.task.columns_asked if loaded else [],
        "has": parts_of(served),
    }


def _kind(task: type[Task]) -> dict[str, Any]:
    """What the page needs to know of a task to show its models."""
    english, korean = task.titles
    return {
        "title": {"en": english, "ko": korean},
        "continues_text": task.command == "sample",
        "forecasts": task.forecasts,
        "labels_steps": task.labels_steps,
        "options": list(task.options),
    }


def _vocabulary(loaded: Loaded) -> dict[str, Any] | None:
    found = loaded.task.main_vocabulary
    return None if found is None else {"kind": found.kind, "size": len(found)}
