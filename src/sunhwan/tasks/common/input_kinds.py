"""The input kinds: text and frames here; how one is chosen, fitted and stored."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sunhwan.config import Config, ModelConfig
from sunhwan.data.frames import FRAME_SUFFIXES, read_frames
from sunhwan.data.numbers import is_number
from sunhwan.errors import DataError, StoreError
from sunhwan.files import is_plain
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import FrameInput, InputLayer, TokenInput
from sunhwan.tasks.common.columns import is_image
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.interface import PretrainedParts
from sunhwan.tasks.common.questions import Question, check_files, file_of, names_a_file
from sunhwan.tasks.common.recipe import kind_of_text
from sunhwan.tasks.common.vector_input import LabelsKind, VectorKind
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.text import Vocabulary, build_vocabulary, vocabulary_from_dict


class TextKind(InputKind):
    """Text as the tokens of a vocabulary; an empty one has no steps."""

    kind = "text"

    vocabulary: Vocabulary

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    @classmethod
    def fit(cls, cells: Sequence[str], config: Config) -> "TextKind":
        """The vocabulary of these texts; of many, what occurs once becomes UNK, which is so learned."""
        text = config.text
        twice = len(cells) >= 1_000 and text.vocabulary != "bytes"
        vocabulary = build_vocabulary(
            text.vocabulary,
            cells,
            min_count=max(text.min_count, 2 if twice else 1),
            max_size=text.max_size or None,
            unk=text.unknown == "unk",
        )
        return cls(vocabulary)

    def encode(self, cell: str, folder: Path, where: str) -> Tensor:
        return torch.from_numpy(self.vocabulary.encode(cell).astype(np.int64))

    def layer(self, config: ModelConfig) -> InputLayer:
        return TokenInput(
            len(self.vocabulary), config.embedding_size, token_dropout=config.embedding_dropout
        )

    def pretrained_parts(self, encoder: Encoder) -> list[PretrainedParts]:
        assert isinstance(encoder.inputs, TokenInput)
        return [
            PretrainedParts(self.vocabulary, (encoder.inputs.embedding.weight,), encoder.recurrent)
        ]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "vocabulary": self.vocabulary.to_dict()}

    def summary(self) -> str:
        return f"{len(self.vocabulary)} {self.vocabulary.kind}"


class FramesKind(InputKind):
    """Sequences of vectors out of files, each feature scaled to mean 0 and deviation 1."""

    kind = "frames"
    reads_files = True

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        self.mean = np.array(mean, np.float32)
        self.deviation = np.array(deviation, np.float32)

    @classmethod
    def fit(cls, files: Sequence[tuple[str, Path, str]]) -> "FramesKind":
        """The scale of the training files, each given as cell, folder and place."""
        count, total, squares = 0, np.zeros(0), np.zeros(0)
        for cell, folder, where in files:
            frames = _frames(cell, folder, where).astype(np.float64)
            if not count:
                total, squares = np.zeros((2, frames.shape[1]))
            if len(total) != frames.shape[1]:
                raise DataError(
                    f"{where}: {cell} has {frames.shape[1]} features a frame, but those before "
                    f"have {len(total)}: give files of one kind"
                )
            count += len(frames)
            total += frames.sum(0)
            squares += np.square(frames).sum(0)
        mean = total / max(count, 1)
        deviation = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        deviation[deviation < 1e-6] = 1.0
        return cls(mean.tolist(), deviation.tolist())

    def encode(self, cell: str, folder: Path, where: str) -> Tensor:
        frames = _frames(cell, folder, where)
        if frames.shape[1] != len(self.mean):
            raise DataError(
                f"{where}: {cell} has {frames.shape[1]} features a frame, but the model reads "
                f"{len(self.mean)}: give a file of the kind it was trained on"
            )
        return torch.from_numpy((frames - self.mean) / self.deviation)

    def layer(self, config: ModelConfig) -> InputLayer:
        return FrameInput(len(self.mean), config.embedding_size)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }

    def summary(self) -> str:
        return f"frames of {len(self.mean)} numbers"


def input_kind_from_dict(record: Any) -> InputKind:
    """The inverse of `InputKind.to_dict`; StoreError for a damaged record."""
    kind = record.get("kind") if isinstance(record, Mapping) else None
    try:
        if kind == "text":
            return TextKind(vocabulary_from_dict(record["vocabulary"]))
        if kind == "words":
            words, letters = (vocabulary_from_dict(record[part]) for part in ("words", "letters"))
            return WordsKind(words, letters)
        if kind == "frames":
            return FramesKind(record["mean"], record["deviation"])
        if kind == "vector":
            return VectorKind(record["mean"], record["deviation"], record["image_size"])
        if kind == "labels":
            return LabelsKind(record["labels"])
    except (KeyError, TypeError, ValueError):
        pass
    raise StoreError(f"The stored input of kind {kind!r} is damaged or of a later version")


def fit_input_kind(config: Config, questions: Sequence[Question]) -> InputKind:
    """The kind that the complete configuration names, fitted to the training questions."""
    if config.task.kind == "frames" or (config.task.kind == "vector" and config.task.image_size):
        check_files(questions)
    if config.task.kind == "frames":
        return FramesKind.fit([(c, q.folder, q.where) for q in questions for c in q.cells])
    if config.task.kind == "vector":
        return VectorKind.fit(questions, config.task.image_size)
    if config.task.kind == "labels":
        return LabelsKind.fit(questions)
    if config.task.kind == "words":
        return WordsKind.fit([cell.split() for q in questions for cell in q.cells], config)
    return TextKind.fit([cell for q in questions for cell in q.cells], config)


def complete_kind(config: Config, questions: Sequence[Question], *, words: bool = False) -> Config:
    """The configuration with the kind of the input and the size of images, where left to auto.

    By the first questions: frames where they name files of vectors or sound; a vector where each is an
    image or numbers in several cells; else text, or where the task prefers words and no kind of token
    was asked for, words of texts that `made_of_words`.
    """
    some = questions[:20]
    kind, size = config.task.kind, config.task.image_size
    images = all(len(question.cells) == 1 and is_image(question.cells[0]) for question in some)
    if not kind:
        cells = [(cell, question.folder) for question in some for cell in question.cells if cell]
        numbers = len(some[0].cells) > 1 and all(is_number(cell) for cell, _ in cells)
        if cells and not images and all(_is_file(cell, folder) for cell, folder in cells):
            kind = "frames"
        else:
            kind = "vector" if images or numbers else "text"
        if kind == "text" and words and not config.text.vocabulary and made_of_words(questions):
            kind = "words"
    if kind == "vector" and images:
        size = size or IMAGE_SIZE
    task = dataclasses.replace(config.task, kind=kind, image_size=size)
    return dataclasses.replace(config, task=task)


FEWEST, SAMPLE, MOST_WORDS, AGAIN = 500, 2_000, 200, 0.5


def made_of_words(questions: Sequence[Question]) -> bool:
    """Whether texts are several words each, most of which recur, and not Korean.

    A network that reads characters has to learn what a word is before what it says. Korean words are
    stem and endings in one, and half of them come but once: jamo read these. Of few texts most words
    come but once, and of long ones their letters cost more than they tell.
    """
    if len(questions) < FEWEST:
        return False
    cells = [cell for question in questions[:SAMPLE] for cell in question.cells]
    if kind_of_text(cells) == "jamo":
        return False
    texts = [cell.split() for cell in cells]
    counts = Counter(word for words in texts for word in words)
    total = counts.total()
    again = total - sum(count == 1 for count in counts.values())
    return 3 * len(texts) <= total <= MOST_WORDS * len(texts) and again >= AGAIN * total


def _is_file(cell: str, folder: Path) -> bool:
    """Whether a cell names sound or an array, or a table that is there."""
    if names_a_file(cell):
        return True
    return Path(cell).suffix.lower() in FRAME_SUFFIXES and is_plain(folder / cell)


IMAGE_SIZE = 32
"""To this side images are reduced by default."""


def _frames(cell: str, folder: Path, where: str) -> np.ndarray:
    return read_frames(file_of(cell, folder, where))
