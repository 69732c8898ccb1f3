"""Questions at random, with which a page is compared with its model, by the kind of input."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.questions import Question
from sunhwan.tasks.common.vector_input import LabelsKind, VectorKind
from sunhwan.tasks.common.word_input import WordsKind

LENGTHS = (0, 1, 2, 9, 50)
"""Of texts, in tokens or words."""
QUESTIONS = 4
"""Of numbers, images and labels."""

READING = {
    "text": "reading.js",
    "words": "reading.js",
    "vector": "step_reading.js",
    "labels": "step_reading.js",
}
"""By kind of input; the file that makes vectors of what is given."""


def scripts_of(kind: InputKind) -> tuple[str, ...]:
    """The files that ask for a question of this kind on the page."""
    image = isinstance(kind, VectorKind) and kind.image_size
    return ("shell.js", "questions.js", "drawing.js") if image else ("shell.js", "questions.js")


def random_questions(kind: InputKind) -> list[Any]:
    """Questions as a page's script is given them: texts, rows of numbers, or the numbers of labels."""
    draw = np.random.default_rng(1)
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
