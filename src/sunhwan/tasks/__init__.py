"""Tasks: what a model is asked, from files to figures and answers; one folder a task."""

from sunhwan.tasks.classify.task import Classify
from sunhwan.tasks.common.encoder_decoder_task import EncoderDecoderTask
from sunhwan.tasks.common.interface import Prepared, Stream, Task
from sunhwan.tasks.common.results import Answer, Listing, Review, Scores
from sunhwan.tasks.describe.task import Describe
from sunhwan.tasks.forecast.task import Forecast
from sunhwan.tasks.language_model.task import LanguageModelTask
from sunhwan.tasks.tag.task import Tag
from sunhwan.tasks.translate.task import Translate

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (LanguageModelTask, Classify, Tag, Translate, Describe, Forecast)
}

__all__ = [
    "TASKS",
    "Answer",
    "Classify",
    "Describe",
    "EncoderDecoderTask",
    "Forecast",
    "LanguageModelTask",
    "Listing",
    "Prepared",
    "Review",
    "Scores",
    "Stream",
    "Tag",
    "Task",
    "Translate",
]
