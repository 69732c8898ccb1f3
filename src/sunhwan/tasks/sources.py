"""What a model reads, from a cell of a table to the tensor that its input layer takes."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sunhwan.config import Config, ModelConfig
from sunhwan.data import Ragged, pad
from sunhwan.data.frames import FRAME_SUFFIXES, read_frames
from sunhwan.errors import DataError, StoreError
from sunhwan.models.inputs import FrameInput, InputLayer, TokenInput
from sunhwan.tasks.rows import Question
from sunhwan.text import Vocabulary, build_vocabulary, vocabulary_from_dict


class Source(ABC):
    """A kind of input: cell → tensor (T, …), tensors → batch, and the layer that takes the batch.

    A cell is what a column holds or a user types. What was learned from the training data, a
    vocabulary or a scale, goes into the model folder through `to_dict` and `source_from_dict`.
    """

    kind: ClassVar[str]

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
        """What JSON can hold and `source_from_dict` reads back."""

    @abstractmethod
    def said(self) -> str:
        """In a few words what it is."""

    def collate(self, rows: Sequence[Tensor]) -> Ragged:
        """Encoded cells → a batch."""
        return pad(rows)


class TextSource(Source):
    """Text as the tokens of a vocabulary; an empty one is read as UNK, or the first token."""

    kind = "text"

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    @classmethod
    def fit(cls, cells: Iterable[str], config: Config) -> "TextSource":
        """The vocabulary of these texts."""
        text = config.text
        vocabulary = build_vocabulary(
            text.vocabulary,
            cells,
            min_count=text.min_count,
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

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "vocabulary": self.vocabulary.to_dict()}

    def said(self) -> str:
        return f"{len(self.vocabulary)} {self.vocabulary.kind}"


class FramesSource(Source):
    """Sequences of vectors out of files, each feature scaled to mean 0 and deviation 1."""

    kind = "frames"

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        self.mean = np.array(mean, np.float32)
        self.deviation = np.array(deviation, np.float32)

    @classmethod
    def fit(cls, files: Sequence[tuple[str, Path, str]]) -> "FramesSource":
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

    def said(self) -> str:
        return f"frames of {len(self.mean)} numbers"


def source_from_dict(record: Any) -> Source:
    """The inverse of `Source.to_dict`; StoreError for a damaged record."""
    kind = record.get("kind") if isinstance(record, Mapping) else None
    try:
        if kind == "text":
            return TextSource(vocabulary_from_dict(record["vocabulary"]))
        if kind == "frames":
            return FramesSource(record["mean"], record["deviation"])
    except (KeyError, TypeError, ValueError):
        pass
    raise StoreError(f"The stored input of kind {kind!r} is damaged or of a later version.")


def fit_source(config: Config, questions: Sequence[Question]) -> Source:
    """The kind that the complete configuration names, fitted to the training questions."""
    if config.task.kind == "frames":
        return FramesSource.fit([(c, q.folder, q.where) for q in questions for c in q.cells])
    return TextSource.fit([cell for q in questions for cell in q.cells], config)


def guess_kind(cells: Sequence[str], folder: Path) -> str:
    """ "frames" where the cells name files of vectors or sound that are there, else "text"."""
    some = [cell for cell in cells[:20] if cell]
    files = some and all(Path(cell).suffix.lower() in FRAME_SUFFIXES for cell in some)
    return "frames" if files and any((folder / cell).is_file() for cell in some) else "text"


def _frames(cell: str, folder: Path, where: str) -> np.ndarray:
    path = folder / cell
    if not cell or not path.is_file():
        raise DataError(f"{where}: there is no file {cell!r} in {folder}: check the name")
    return read_frames(path)
