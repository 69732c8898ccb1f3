"""Input kinds of one step: the numbers, the image or the labels in a row's cells."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sunhwan.config import ModelConfig
from sunhwan.data import read_image
from sunhwan.data.numbers import is_number
from sunhwan.errors import DataError, listed, quoted
from sunhwan.models.inputs import InputLayer
from sunhwan.models.readers import ImageInput, LabelsInput, VectorInput
from sunhwan.tasks.common.columns import is_image
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.questions import Question, file_of

WIDE = 60
"""Of a line of numbers, at most so many characters are shown."""


class StepKind(InputKind):
    """All cells of a question together are a sequence of one step, (1, F)."""

    def sequences(self, cells: int) -> int:
        return 1

    def read(self, question: Question) -> tuple[Tensor, ...]:
        return (self.step(question).unsqueeze(0),)

    def encode(self, cell: str, folder: Path, where: str) -> Tensor:
        return self.step(Question((cell,), where, folder)).unsqueeze(0)

    @abstractmethod
    def step(self, question: Question) -> Tensor:
        """A question → (F); DataError, TextError: it cannot be read."""


class VectorKind(StepKind):
    """Numbers, scaled to mean 0 and deviation 1: each feature alone, an image's pixels alike.

    A cell holds a number, several with spaces between, or the name of an image. image_size: the side
    of the square that the numbers are, row by row, and that images are reduced to; 0: no image.
    """

    kind = "vector"

    def __init__(
        self, mean: Sequence[float], deviation: Sequence[float], image_size: int = 0
    ) -> None:
        self.mean = np.array(mean, np.float32)
        self.deviation = np.array(deviation, np.float32)
        self.image_size = int(image_size)

    @classmethod
    def fit(cls, questions: Sequence[Question], image_size: int = 0) -> "VectorKind":
        """The scale of the training questions."""
        rows = [numbers_of(question, image_size) for question in questions]
        size = image_size**2 or len(rows[0])
        for row, question in zip(rows, questions, strict=True):
            _check_size(len(row), size, question.where)
        values = np.array(rows, np.float64)
        axis = None if image_size else 0
        mean = np.broadcast_to(values.mean(axis), size)
        deviation = np.broadcast_to(values.std(axis), size)
        # What never changes carries nothing, and stays 0.
        deviation = np.where(deviation < 1e-6 * np.maximum(np.abs(mean), 1e-6), 1.0, deviation)
        return cls(mean.tolist(), deviation.tolist(), image_size)

    def step(self, question: Question) -> Tensor:
        numbers = numbers_of(question, self.image_size)
        _check_size(len(numbers), len(self.mean), question.where)
        return torch.from_numpy((numbers - self.mean) / self.deviation)

    def layer(self, config: ModelConfig) -> InputLayer:
        if self.image_size:
            return ImageInput(self.image_size, config.embedding_size)
        return VectorInput(len(self.mean), config.embedding_size)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "image_size": self.image_size,
        }

    @property
    def reads_files(self) -> bool:
        return bool(self.image_size)

    def shown(self, cells: Sequence[str]) -> str:
        line = super().shown(cells)
        return line if len(line) <= WIDE else f"{line[:WIDE]}…"

    def summary(self) -> str:
        if self.image_size:
            return f"images of {self.image_size} × {self.image_size}"
        return f"{len(self.mean)} numbers"


class LabelsKind(StepKind):
    """Labels, one a cell, as their numbers among those that training knew.

    labels: those of each column, in order.
    """

    kind = "labels"

    def __init__(self, labels: Sequence[Sequence[str]]) -> None:
        self.labels = [[str(label) for label in column] for column in labels]
        self._numbers = [{label: n for n, label in enumerate(column)} for column in self.labels]

    @classmethod
    def fit(cls, questions: Sequence[Question]) -> "LabelsKind":
        """The labels of the training questions."""
        columns = zip(*(map(str.strip, question.cells) for question in questions), strict=True)
        return cls([sorted(set(column)) for column in columns])

    def step(self, question: Question) -> Tensor:
        ids = []
        for cell, numbers in zip(question.cells, self._numbers, strict=True):
            if cell.strip() not in numbers:
                known = listed(list(numbers))
                raise DataError(
                    f"{question.where}: {quoted(cell.strip())} was not seen in training, which knew "
                    f"{known}: give one of these or train with it"
                )
            ids.append(numbers[cell.strip()])
        return torch.tensor(ids)

    def layer(self, config: ModelConfig) -> InputLayer:
        return LabelsInput([len(column) for column in self.labels], config.embedding_size)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "labels": self.labels}

    def summary(self) -> str:
        return "labels of " + " × ".join(str(len(column)) for column in self.labels)


def numbers_of(question: Question, image_size: int = 0) -> NDArray[np.float32]:
    """A question → its numbers (F): those in its cells, or an image's pixels, row by row.

    DataError, TextError: a cell is neither, or an image cannot be read.
    """
    cells, where, folder = question[:3]
    if image_size and len(cells) == 1 and is_image(cells[0]):
        return read_image(file_of(cells[0], folder, where), image_size).ravel()
    words = [word for cell in cells for word in cell.split() or [cell]]
    try:
        with np.errstate(over="ignore"):
            numbers = np.array(words, np.float64).astype(np.float32)
    except ValueError:
        numbers = np.full(1, np.nan, np.float32)
    if not np.isfinite(numbers).all() or any("_" in cell for cell in cells):
        # Not before: a large file holds millions of numbers.
        wrong = next((word for word in words if not is_number(word)), None)
        if wrong is not None:
            raise DataError(
                f"{where}: {quoted(wrong)} is not a number: write one such as -0.5 in every cell that is "
                "read, or name other columns with --input"
            )
        raise DataError(f"{where}: a number is too large for float32: write a smaller one")
    return numbers


def _check_size(found: int, needed: int, where: str) -> None:
    if found != needed:
        raise DataError(f"{where} has {found} numbers, but {needed} are needed: give as many")
