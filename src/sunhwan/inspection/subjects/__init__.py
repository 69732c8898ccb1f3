"""Subjects: trained models as inspection sees them, one kind a file."""

from sunhwan.errors import UsageError
from sunhwan.inspection.subjects.base import Passage, Seen, StackRun, Subject
from sunhwan.inspection.subjects.classifier import ClassifierSubject
from sunhwan.inspection.subjects.encoder_decoder import EncoderDecoderSubject
from sunhwan.inspection.subjects.examples import ExampleSubject
from sunhwan.inspection.subjects.language_model import LanguageModelSubject
from sunhwan.inspection.subjects.tagger import TaggerSubject
from sunhwan.tasks import Classify, EncoderDecoderTask, LanguageModelTask, Tag, Task

__all__ = [
    "ClassifierSubject",
    "EncoderDecoderSubject",
    "ExampleSubject",
    "LanguageModelSubject",
    "Passage",
    "Seen",
    "StackRun",
    "Subject",
    "TaggerSubject",
    "subject_of",
]


def subject_of(task: Task) -> Subject:
    """The model of a task, to be looked into; UsageError for one that reads no sequence of tokens."""
    if isinstance(task, LanguageModelTask):
        return LanguageModelSubject(task)
    if isinstance(task, EncoderDecoderTask):
        return EncoderDecoderSubject(task)
    if isinstance(task, Classify) and task.input_kind.kind in ("text", "frames"):
        return ClassifierSubject(task)
    if isinstance(task, Tag):
        return TaggerSubject(task)
    raise UsageError(
        f"there is nothing to look into step by step in a model to {task.name} "
        f"{task.config.task.kind or 'numbers'}: inspect one that reads or writes text"
    )
