"""Tasks: what a model is asked, from files to figures; one task a file."""

from sunhwan.tasks.base import Answer, Listing, Prepared, Review, Scores, Stream, Task
from sunhwan.tasks.classify import Classify
from sunhwan.tasks.language import WriteText

TASKS: dict[str, type[Task]] = {task.name: task for task in (WriteText, Classify)}

__all__ = [
    "TASKS",
    "Answer",
    "Classify",
    "Listing",
    "Prepared",
    "Review",
    "Scores",
    "Stream",
    "Task",
    "WriteText",
]
