"""Questions at random, with which a page is compared with its model, by the kind of input."""

import random
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kinds import FramesKind, TextKind
from sunhwan.tasks.common.questions import Question
from sunhwan.tasks.common.vector_input import LabelsKind, VectorKind
from sunhwan.tasks.common.word_input import WordsKind

LENGTHS = (0, 1, 2, 9, 50)
"""Of texts, in tokens or words, and of frames, of which there is one at least."""
QUESTIONS = 4
"""Of numbers, images and labels."""

SOUND = 40
"""Features of a frame, where it may be of sound, see `data.frames.read_frames`."""


class Scripts(NamedTuple):
    """Files of JavaScript: what makes vectors of an input, and what asks for it on the page."""

    reading: tuple[str, ...]
    asking: tuple[str, ...]


def scripts_of(kind: InputKind) -> Scripts | None:
    """The scripts of a kind; None where no page reads it."""
    reading: tuple[str, ...]
    asking: tuple[str, ...] = ()
    if isinstance(kind, TextKind | WordsKind):
        reading = ("reading.js",)
    elif isinstance(kind, FramesKind):
        sound = ("sound.js",) if len(kind.mean) == SOUND else ()
        reading, asking = ("frame_reading.js", *sound), ("recordings.js",)
    elif isinstance(kind, VectorKind | LabelsKind):
        image = isinstance(kind, VectorKind) and kind.image_size
        reading, asking = ("step_reading.js",), ("drawing.js",) * bool(image)
    else:
        return None
    return Scripts(reading, ("shell.js", "questions.js", *asking))


def random_questions(kind: InputKind) -> list[Any]:
    """Questions as a script is given them: texts, frames, rows of numbers, the numbers of labels."""
    draw = np.random.default_rng(1)
    if isinstance(kind, FramesKind):
        sizes = [(length, len(kind.mean)) for length in LENGTHS[1:]]
        frames = [draw.normal(kind.mean, kind.deviation, size) for size in sizes]
        return [some.astype(np.float32).tolist() for some in frames]
    if isinstance(kind, VectorKind):
        numbers = draw.normal(kind.mean, kind.deviation, (QUESTIONS, len(kind.mean)))
        return list(numbers.astype(np.float32).tolist())
    if isinstance(kind, LabelsKind):
        counts = [len(column) for column in kind.labels]
        return list(draw.integers(0, counts, (QUESTIONS, len(counts))).tolist())
    return list(_texts(kind))


def as_read(kind: InputKind, question: Any) -> Tensor:
    """A question of the page as the model reads it, (T, …)."""
    if isinstance(kind, LabelsKind):
        return torch.tensor([question])
    if isinstance(kind, FramesKind):
        return torch.from_numpy((np.array(question, np.float32) - kind.mean) / kind.deviation)
    if isinstance(kind, VectorKind):
        (steps,) = kind.read(Question(tuple(map(repr, question))))
        return steps
    return kind.encode(question, Path(), "")


def _texts(kind: InputKind) -> list[str]:
    """Texts of the vocabulary's tokens, among them unknown ones."""
    draw = random.Random(1)
    if isinstance(kind, WordsKind):
        words = [*kind.words.tokens, "".join(draw.choices(kind.letters.tokens, k=70)), "Zyxw🙂"]
        words = [word for word in words if word.split() == [word]]
        return [" ".join(draw.choices(words, k=length)) for length in LENGTHS]
    vocabulary = kind.vocabulary
    assert vocabulary is not None
    size = len(vocabulary)
    return [vocabulary.decode(draw.choices(range(size), k=length)) for length in LENGTHS]
