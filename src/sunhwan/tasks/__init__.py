"""Tasks: what a model is asked, from files to figures; one task a file."""

from sunhwan.tasks.base import Answer, Listing, Prepared, Review, Scores, Stream, Task
from sunhwan.tasks.classify import Classify
from sunhwan.tasks.describe import Describe
from sunhwan.tasks.forecast import Forecast
from sunhwan.tasks.language import WriteText
from sunhwan.tasks.tag import Tag
from sunhwan.tasks.translate import Translate
from sunhwan.tasks.writing import WritingTask

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (WriteText, Classify, Tag, Translate, Describe, Forecast)
}

__all__ = [
    "TASKS",
    "Answer",
    "Classify",
    "Describe",
    "Forecast",
    "Listing",
    "Prepared",
    "Review",
    "Scores",
    "Stream",
    "Tag",
    "Task",
    "Translate",
    "WriteText",
    "WritingTask",
]
