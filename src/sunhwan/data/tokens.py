"""Documents as one long sequence of token ids."""

import hashlib
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sunhwan.errors import DataError
from sunhwan.text import Document, Vocabulary

_FORGET = 1 << 26
"""Bytes of a mapped file after which its pages are given back."""


class MappedIds:
    """Ids in a file, 16 or 32 bits each, read as they are needed: `ids[where]` is int64."""

    def __init__(self, path: Path, dtype: str, length: int) -> None:
        self._ids = np.memmap(path, dtype, mode="r", shape=(length,))
        self._read = 0

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, where: Tensor | slice) -> Tensor:
        place = where if isinstance(where, slice) else where.numpy()
        found = torch.from_numpy(self._ids[place].astype(np.int64))
        self._read += found.numel() * self._ids.itemsize
        if self._read > _FORGET and hasattr(mmap, "MADV_DONTNEED"):
            # Pages that were read count as memory of this process until the system wants them back.
            self._ids._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
            self._read = 0
        return found


class Tokens(NamedTuple):
    """A corpus in ids.

    ids: (L,) int64, or mapped; the documents one after another. With an EOS in the vocabulary each document
        begins with it and the last one also ends with it, so that a model that has just been reset
        reads EOS and predicts a first token, and predicts EOS where a document ends.
    starts: positions in ids at which a document begins, ascending.
    characters: how many characters of normalised text the ids stand for.
    unknown: how many ids are UNK.
    stored_digest: that of ids that are mapped, which were all seen when they were written.
    """

    ids: Tensor | MappedIds
    starts: Tensor
    characters: int
    unknown: int = 0
    stored_digest: str = ""

    @property
    def targets(self) -> int:
        """How many tokens a model can be asked to predict: each but the first."""
        return max(len(self.ids) - 1, 0)

    def is_start(self, where: Tensor) -> Tensor:
        """Where the state must be the initial one, at each document's start and the first id.

        where: positions in ids, int64 of any shape → bool of that shape.
        """
        place = torch.searchsorted(self.starts, where).clamp(max=max(len(self.starts) - 1, 0))
        return (self.starts[place] == where) | (where == 0)

    def digest(self) -> str:
        """SHA-256 of the ids and starts: whether two corpora are the same to a model."""
        if not isinstance(self.ids, Tensor):
            return self.stored_digest
        sha = hashlib.sha256(self.ids.numpy().tobytes())
        sha.update(self.starts.numpy().tobytes())
        return sha.hexdigest()


def encode(
    vocabulary: Vocabulary,
    documents: Sequence[Document],
    what: str = "the text",
    *,
    line_break: int | None = None,
) -> Tokens:
    """Encode documents; DataError when fewer than two tokens come out, since nothing can be predicted.

    line_break: the token that each document begins with where there is no EOS, so that its first line is
    read as every other one.
    """
    eos = vocabulary.eos_id
    opening = line_break if eos is None else eos
    parts: list[np.ndarray] = []
    starts, position, characters = [], 0, 0
    for document in documents:
        ids = vocabulary.encode(document.text)
        if opening is not None:
            ids = np.concatenate(([opening], ids))
        starts.append(position)
        position += len(ids)
        characters += len(document.text)
        parts.append(ids)
    if eos is not None:
        parts.append(np.array([eos]))
    joined = np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64)
    check_length(len(joined) if characters else min(len(joined), 1), what)
    unknown = 0 if vocabulary.unk_id is None else int((joined == vocabulary.unk_id).sum())
    return Tokens(
        torch.from_numpy(joined), torch.tensor(starts, dtype=torch.int64), characters, unknown
    )


def check_length(length: int, what: str) -> None:
    """DataError where there are too few tokens to predict one from another."""
    if length < 2:
        raise DataError(
            f"{what} has {length} of the 2 tokens that are needed to predict one from another: give a "
            "longer text"
        )
