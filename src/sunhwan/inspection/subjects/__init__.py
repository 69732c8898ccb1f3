"""Subjects: trained models as inspection sees them, one kind a file."""

from importlib import import_module

from sunhwan.errors import UsageError
from sunhwan.inspection.subjects.base import Observation, Passage, StackRun, Subject
from sunhwan.inspection.subjects.classifier import ClassifierSubject
from sunhwan.inspection.subjects.encoder_decoder import EncoderDecoderSubject
from sunhwan.inspection.subjects.examples import ExampleSubject
from sunhwan.inspection.subjects.language_model import LanguageModelSubject
from sunhwan.inspection.subjects.tagger import TaggerSubject
from sunhwan.tasks import Task

__all__ = [
    "ClassifierSubject",
    "EncoderDecoderSubject",
    "ExampleSubject",
    "LanguageModelSubject",
    "Observation",
    "Passage",
    "StackRun",
    "Subject",
    "TaggerSubject",
    "subject_of",
]


def subject_of(task: Task) -> Subject:
    """The model of a task, to be looked into; UsageError for one that reads no sequence of tokens."""
    module, _, name = task.subject.partition(":")
    if name:
        subject: Subject = getattr(import_module(module), name)(task)
        return subject
    raise UsageError(
        f"there is nothing to look into step by step in a {task.title} "
        f"{task.config.task.kind or 'numbers'}: inspect one that reads or writes text"
    )
