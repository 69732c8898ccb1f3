"""The vocabulary of characters (Unicode code points)."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from sunhwan.text.decoding import normalize
from sunhwan.text.vocabulary import REPLACEMENT, Decoder, Ids, Vocabulary

Codes: TypeAlias = npt.NDArray[np.uint32]

_PART = 1 << 15
_END = 0x110000  # stands for EOS among code points; no character has it


@dataclass(frozen=True, repr=False)
class CharacterVocabulary(Vocabulary):
    """One id for each character.

    Normalisation: `sunhwan.text.normalize`, then every unseen character becomes U+FFFD, which
    is UNK. Without UNK it is dropped instead, and the rest is normalised again, since dropping
    can bring letters and marks together. EOS decodes to nothing; no text encodes to it.
    """

    kind: ClassVar[str] = "characters"

    def normalize(self, text: str) -> str:
        codes = self._codes(text).copy()
        if self.unk_id is not None:
            codes[self._look_up(codes) == self.unk_id] = ord(REPLACEMENT)
        return to_text(self._merge(codes))

    def encode(self, text: str) -> Ids:
        return self._look_up(self._codes(text))

    def may_be_cut(self, around: str) -> bool:
        # What is dropped can bring letters and marks together.
        return self.unk_id is not None or self.normalize(around) == around

    def decoder(self) -> Decoder:
        return _CharacterDecoder(self)

    def _codes(self, text: str) -> Codes:
        """The code points to look up; where there is no UNK, all of them are known."""
        codes = self._split(code_points(normalize(text)))
        if self.unk_id is None:
            while not (known := self._look_up(codes) >= 0).all():
                codes = self._split(code_points(normalize(to_text(self._merge(codes[known])))))
        return codes

    def _look_up(self, codes: Codes) -> Ids:
        ids = np.empty(len(codes), np.int64)
        for start in range(0, len(codes), _PART):  # what lies between stays in the cache
            part = codes[start : start + _PART].astype(np.intp)
            self._table.take(part, mode="clip", out=ids[start : start + _PART])
        return ids

    @cached_property
    def _table(self) -> Ids:
        """Code point → id; its last place stands for all the code points beyond."""
        known = self._code_of_id <= 0x10FFFF
        if self.unk_id is not None:
            known[self.unk_id] = False
        codes = self._code_of_id[known]
        table = np.full(int(codes.max()) + 2, -1 if self.unk_id is None else self.unk_id, np.int64)
        table[codes] = np.flatnonzero(known)
        return table

    @cached_property
    def _code_of_id(self) -> Codes:
        special = {self.unk_id: ord(REPLACEMENT), self.eos_id: _END}
        return np.array(
            [special[i] if i in special else ord(t) for i, t in enumerate(self.tokens)], np.uint32
        )

    def _text(self, ids: Ids) -> str:
        codes = self._merge(self._code_of_id[ids])
        return to_text(codes[codes != _END])

    def _token_problem(self, token: str) -> str | None:
        if len(token) != 1:
            return "is not one character"
        if token == REPLACEMENT and self.unk_id is not None:
            return "is how UNK is decoded"
        return None if normalize(token) == token else "is a character that normalising removes"

    def _split(self, codes: Codes) -> Codes:
        """Characters → the parts that are tokens."""
        return codes

    def _merge(self, codes: Codes) -> Codes:
        """The inverse of `_split`."""
        return codes


class _CharacterDecoder(Decoder):
    def __init__(self, vocabulary: CharacterVocabulary) -> None:
        self._vocabulary = vocabulary

    def push(self, token_id: int) -> str:
        return self._vocabulary.decode((token_id,))

    def flush(self) -> str:
        return ""


def code_points(text: str) -> Codes:
    """Text without surrogates → its code points, read-only, of shape (T,)."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.uint32, copy=False)


def to_text(codes: Codes) -> str:
    """The inverse of `code_points`."""
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le")
