"""Subjects: trained models as inspection sees them, one kind a file."""

from sunhwan.errors import UsageError
from sunhwan.inspection.subjects.base import Passage, Seen, Stack, Subject
from sunhwan.inspection.subjects.classifier import LabelSubject
from sunhwan.inspection.subjects.encoder_decoder import WritingSubject
from sunhwan.inspection.subjects.examples import ExampleSubject
from sunhwan.inspection.subjects.language_model import TextSubject
from sunhwan.inspection.subjects.tagger import TagSubject
from sunhwan.tasks import Classify, EncoderDecoderTask, LanguageModelTask, Tag, Task

__all__ = [
    "ExampleSubject",
    "LabelSubject",
    "Passage",
    "Seen",
    "Stack",
    "Subject",
    "TagSubject",
    "TextSubject",
    "WritingSubject",
    "subject_of",
]


def subject_of(task: Task) -> Subject:
    """The model of a task, to be looked into; UsageError for one that reads no sequence of tokens."""
    if isinstance(task, LanguageModelTask):
        return TextSubject(task)
    if isinstance(task, EncoderDecoderTask):
        return WritingSubject(task)
    if isinstance(task, Classify) and task.input_kind.kind in ("text", "frames"):
        return LabelSubject(task)
    if isinstance(task, Tag):
        return TagSubject(task)
    raise UsageError(
        f"there is nothing to look into step by step in a model to {task.name} "
        f"{task.config.task.kind or 'numbers'}: inspect one that reads or writes text"
    )
