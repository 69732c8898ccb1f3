"""Documents as one long sequence of token ids."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sunhwan.errors import DataError
from sunhwan.text import Document, Vocabulary


class Tokens(NamedTuple):
    """A corpus in ids.

    ids: (L,) int64, the documents one after another. With an EOS in the vocabulary each document
        begins with it and the last one also ends with it, so that a model that has just been reset
        reads EOS and predicts a first token, and predicts EOS where a document ends.
    starts: positions in ids at which a document begins, ascending.
    characters: how many characters of normalised text the ids stand for.
    unknown: how many ids are UNK.
    """

    ids: Tensor
    starts: Tensor
    characters: int
    unknown: int = 0

    @property
    def targets(self) -> int:
        """How many tokens a model can be asked to predict: each but the first."""
        return max(len(self.ids) - 1, 0)

    def is_start(self) -> Tensor:
        """(L,) bool: where the state must be the initial one, at each document's start and the first id."""
        mask = torch.zeros(len(self.ids), dtype=torch.bool)
        mask[self.starts] = True
        mask[0] = True
        return mask

    def digest(self) -> str:
        """SHA-256 of the ids and starts: whether two corpora are the same to a model."""
        sha = hashlib.sha256(self.ids.numpy().tobytes())
        sha.update(self.starts.numpy().tobytes())
        return sha.hexdigest()


def encode(vocabulary: Vocabulary, documents: Sequence[Document], what: str = "the text") -> Tokens:
    """Encode documents; DataError when fewer than two tokens come out, since nothing can be predicted."""
    eos = vocabulary.eos_id
    parts: list[np.ndarray] = []
    starts, position, characters = [], 0, 0
    for document in documents:
        ids = vocabulary.encode(document.text)
        if eos is not None:
            ids = np.concatenate(([eos], ids))
        starts.append(position)
        position += len(ids)
        characters += len(document.text)
        parts.append(ids)
    if eos is not None:
        parts.append(np.array([eos]))
    joined = np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64)
    if len(joined) < 2 or not characters:
        raise DataError(
            f"{what} has {len(joined)} token{'s' * (len(joined) != 1)}, but at least 2 are needed to "
            "predict one from another: give a longer text"
        )
    unknown = 0 if vocabulary.unk_id is None else int((joined == vocabulary.unk_id).sum())
    return Tokens(
        torch.from_numpy(joined), torch.tensor(starts, dtype=torch.int64), characters, unknown
    )
