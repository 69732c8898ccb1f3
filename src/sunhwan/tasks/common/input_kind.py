"""Input kind: from a cell of a table to the tensor that an input layer takes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged, pad
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import InputLayer
from sunhwan.tasks.common.interface import PretrainedParts
from sunhwan.tasks.common.questions import Question
from sunhwan.text import Vocabulary


class InputKind(ABC):
    """A kind of input: cell → tensor (T, …), tensors → batch, and the layer that takes the batch.

    A cell is what a column holds or a user types. What was learned from the training data, a
    vocabulary or a scale, goes into the model folder through `to_dict` and `input_kind_from_dict`.
    """

    kind: ClassVar[str]
    vocabulary: Vocabulary | None = None
    """Of one that reads tokens."""

    @property
    def reads_files(self) -> bool:
        """Whether a cell names a file."""
        return False

    @abstractmethod
    def encode(self, cell: str, folder: Path, where: str) -> Tensor:
        """One cell → its steps (T, …). Names of files are looked for from `folder`.

        DataError, TextError: the cell cannot be read; `where` is said as its place.
        """

    @abstractmethod
    def layer(self, config: ModelConfig) -> InputLayer:
        """A fresh input layer for these."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold and `input_kind_from_dict` reads back."""

    @abstractmethod
    def summary(self) -> str:
        """In a few words what it is."""

    def pretrained_parts(self, encoder: Encoder) -> list[PretrainedParts]:
        """Where an encoder of these reads tokens: none, unless it reads text."""
        return []

    def shown(self, cells: Sequence[str]) -> str:
        """A question's cells in one line."""
        return " | ".join(cells)

    def sequences(self, cells: int) -> int:
        """How many inputs a question of so many cells is: one a cell."""
        return cells

    def read(self, question: Question) -> tuple[Tensor, ...]:
        """A question → its inputs."""
        return tuple(self.encode(cell, question.folder, question.where) for cell in question.cells)

    def collate(self, rows: Sequence[Tensor]) -> Ragged:
        """Encoded cells → a batch."""
        return pad(rows)
