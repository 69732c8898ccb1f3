"""Tasks, one folder each: from files to training data, network, figures and answers.

To add one: a folder with `settings.py` and `task.py`, and a line in `sunhwan.registry`.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sunhwan import registry

if TYPE_CHECKING:
    from sunhwan.tasks.classify.task import Classify
    from sunhwan.tasks.common.encoder_decoder_task import EncoderDecoderTask
    from sunhwan.tasks.common.interface import Learner, Prepared, Stream, Task
    from sunhwan.tasks.common.results import Answer, Baselines, Listing, Review, Scores
    from sunhwan.tasks.describe.task import Describe
    from sunhwan.tasks.forecast.task import Forecast
    from sunhwan.tasks.language_model.task import LanguageModelTask
    from sunhwan.tasks.tag.task import Tag
    from sunhwan.tasks.translate.task import Translate


class _Tasks(Mapping[str, "type[Task]"]):
    """The registered tasks by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> "type[Task]":
        task: type[Task] = _found(registry.TASKS[name])
        return task

    def __iter__(self) -> Iterator[str]:
        return iter(registry.TASKS)

    def __len__(self) -> int:
        return len(registry.TASKS)


TASKS: Mapping[str, "type[Task]"] = _Tasks()

_COMMON = "sunhwan.tasks.common"
_HOMES = {
    **{place.partition(":")[2]: place for place in registry.TASKS.values()},
    **{n: f"{_COMMON}.results:{n}" for n in ("Answer", "Baselines", "Listing", "Review", "Scores")},
    **{n: f"{_COMMON}.interface:{n}" for n in ("Learner", "Prepared", "Stream", "Task")},
    "EncoderDecoderTask": f"{_COMMON}.encoder_decoder_task:EncoderDecoderTask",
}
"""Each public name, and where it comes from at first use: settings are read without PyTorch."""

__all__ = [
    "TASKS",
    "Answer",
    "Baselines",
    "Classify",
    "Describe",
    "EncoderDecoderTask",
    "Forecast",
    "LanguageModelTask",
    "Learner",
    "Listing",
    "Prepared",
    "Review",
    "Scores",
    "Stream",
    "Tag",
    "Task",
    "Translate",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return _found(_HOMES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
