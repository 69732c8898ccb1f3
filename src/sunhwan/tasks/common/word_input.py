"""Input kind of words: each by its own vector and by its letters."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.config import Config, ModelConfig
from sunhwan.data import Ragged, pad
from sunhwan.models.encoder import Encoder
from sunhwan.models.inputs import InputLayer, WordInput
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.interface import PretrainedParts
from sunhwan.tasks.common.recipe import kind_of_text
from sunhwan.text import Vocabulary, build_vocabulary, normalize

SPELLED = 64
"""Of a longer word the first and the last half of so many letters are read."""


class WordsKind(InputKind):
    """Words → (T, 1 + C): each word's id, and the ids of its letters, −1 behind them."""

    kind = "words"

    def __init__(self, words: Vocabulary, letters: Vocabulary) -> None:
        self.words, self.letters = words, letters

    @classmethod
    def fit(cls, sentences: Iterable[Sequence[str]], config: Config) -> "WordsKind":
        """The vocabularies of these words, and of the letters they are spelled in: `text.vocabulary`."""
        text = config.text
        tokens = [_token(word) for words in sentences for word in words]
        # A vector that is learned from one place says little, and UNK is to be learned too.
        often = max(Counter(tokens).values(), default=1)
        known = build_vocabulary(
            "words",
            tokens,
            min_count=min(max(text.min_count, 2), often),
            max_size=text.max_size or None,
        )
        spelling = kind_of_text(tokens) if text.vocabulary in ("", "words") else text.vocabulary
        return cls(known, build_vocabulary(spelling, tokens))

    def encode(self, cell: str, folder: Path, where: str) -> Tensor:
        return self.encode_words(cell.split())

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Words → (T, 1 + C), C as many letters as the longest has, at least 1."""
        tokens = [_token(word) for word in words]
        spelled = [_ends(self.letters.encode(token)) for token in tokens]
        width = max([1, *map(len, spelled)])
        ids = np.full((len(tokens), 1 + width), -1, np.int64)
        ids[:, 0] = self.words.encode(" ".join(tokens))
        for row, letters in zip(ids, spelled, strict=True):
            row[1 : 1 + len(letters)] = letters
        return torch.from_numpy(ids)

    def knows(self, word: str) -> bool:
        """Whether the word has a vector: whether training saw it often enough, twice at least."""
        return int(self.words.encode(_token(word))[0]) != self.words.unk_id

    def collate(self, rows: Sequence[Tensor]) -> Ragged:
        width = max(row.shape[1] for row in rows)
        return pad([functional.pad(row, (0, width - row.shape[1]), value=-1) for row in rows])

    def layer(self, config: ModelConfig) -> InputLayer:
        return WordInput(
            len(self.words),
            len(self.letters),
            config.embedding_size,
            config.letter_size,
            config.cells[0],
            word_dropout=config.word_dropout,
        )

    def pretrained_parts(self, encoder: Encoder) -> list[PretrainedParts]:
        inputs = encoder.inputs
        assert isinstance(inputs, WordInput)
        letters = (
            PretrainedParts(self.letters, (inputs.letters.weight,), inputs.onward),
            PretrainedParts(self.letters, (), inputs.back),
        )
        return [PretrainedParts(self.words, (inputs.words.weight,), encoder.recurrent, letters)]

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "words": self.words.to_dict(),
            "letters": self.letters.to_dict(),
        }

    def summary(self) -> str:
        return f"{len(self.words):,} words spelled in {len(self.letters)} {self.letters.kind}"


def _token(word: str) -> str:
    """A word as the vocabulary holds it: in one piece."""
    return re.sub(r"\s", "_", normalize(word)) or "_"


def _ends(letters: np.ndarray) -> np.ndarray:
    half = SPELLED // 2
    return letters if len(letters) <= SPELLED else np.append(letters[:half], letters[-half:])
