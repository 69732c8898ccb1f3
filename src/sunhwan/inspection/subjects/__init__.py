"""Subjects: trained models as inspection sees them, one kind a file."""

from importlib import import_module

from sunhwan.errors import UsageError
from sunhwan.inspection.subjects.base import Observation, Passage, StackRun, Subject
from sunhwan.inspection.subjects.classifier import ClassifierSubject
from sunhwan.inspection.subjects.encoder_decoder import EncoderDecoderSubject
from sunhwan.inspection.subjects.examples import ExampleSubject
from sunhwan.inspection.subjects.forecaster import ForecasterSubject
from sunhwan.inspection.subjects.language_model import LanguageModelSubject
from sunhwan.inspection.subjects.tagger import TaggerSubject
from sunhwan.tasks import Task

__all__ = [
    "ClassifierSubject",
    "EncoderDecoderSubject",
    "ExampleSubject",
    "ForecasterSubject",
    "LanguageModelSubject",
    "Observation",
    "Passage",
    "StackRun",
    "Subject",
    "TaggerSubject",
    "subject_of",
    "text_subject_of",
]


def subject_of(task: Task) -> Subject:
    """The model of a task, to be looked into; UsageError for one that reads no sequence."""
    module, _, name = task.subject.partition(":")
    if name:
        subject: Subject = getattr(import_module(module), name)(task)
        return subject
    raise _nothing(task)


def text_subject_of(task: Task) -> Subject:
    """The same, for what asks about a text that was typed; UsageError for a forecaster too."""
    subject = subject_of(task)
    if subject.as_forecaster() is not None:
        raise _nothing(task)
    return subject


def _nothing(task: Task) -> UsageError:
    return UsageError(
        f"there is nothing to look into step by step in a {task.title} "
        f"{task.config.task.kind or 'numbers'}: take one that reads or writes text"
    )
