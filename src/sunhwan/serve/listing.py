"""What is known of a model, for the page."""

from typing import Any

from sunhwan.serve.models import Loaded, Served
from sunhwan.serve.reports import parts_of
from sunhwan.store import Run
from sunhwan.tasks import Forecast, LanguageModelTask


def described(served: Served) -> dict[str, Any]:
    """A model as /api/models lists it. Reads files: not for the event loop."""
    loaded, reason = served.look()
    return {
        "id": served.name,
        "task": loaded.task.name if loaded else _task_of(served),
        "ready": loaded is not None,
        "reason": reason or None,
        "training": served.is_run and Run(served.folder).in_training,
        "facts": loaded.found.facts() if loaded else {},
        "vocabulary": _vocabulary(loaded) if loaded else None,
        "stacks": loaded.stacks if loaded else [],
        "labels": getattr(loaded.task, "labels", None) if loaded else None,
        "inputs": _inputs(loaded) if loaded else [],
        "has": parts_of(served),
    }


def _task_of(served: Served) -> str:
    """Of a run that has no model yet."""
    return Run(served.folder).config().task.name


def _vocabulary(loaded: Loaded) -> dict[str, Any] | None:
    task: Any = loaded.task
    kind = getattr(task, "input_kind", None)
    found = getattr(kind, "vocabulary", None) or getattr(task, "vocabulary", None)
    return found and {"kind": found.kind, "size": len(found)}


def _inputs(loaded: Loaded) -> list[str]:
    """The columns that a question has; none where a series may have any."""
    task: Any = loaded.task
    if isinstance(task, LanguageModelTask):
        return []
    if isinstance(task, Forecast):
        return [*task.reading.targets, *task.reading.inputs]
    columns = getattr(task, "columns", None)
    return list(columns.inputs if columns else task.config.task.input or ("text",))
