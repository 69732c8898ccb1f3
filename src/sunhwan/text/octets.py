"""Vocabulary of the 256 byte values, in which no text has an unknown token."""

import codecs
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sunhwan.text.decoding import normalize
from sunhwan.text.vocabulary import EOS, Decoder, Ids, Vocabulary, printable

_BYTES = tuple(chr(b) if 0x20 <= b < 0x7F else f"0x{b:02X}" for b in range(256))


@dataclass(frozen=True, repr=False)
class ByteVocabulary(Vocabulary):
    """UTF-8 bytes: the id is the value of the byte, and EOS, where there is one, is 256.

    Normalisation: `sunhwan.text.normalize`. Decoding puts U+FFFD where bytes are not UTF-8;
    EOS decodes to nothing and ends an unfinished character.
    """

    kind: ClassVar[str] = "bytes"
    tokens: tuple[str, ...] = _BYTES

    @classmethod
    def of(cls, *, eos: bool = False) -> "ByteVocabulary":
        """The 256 bytes, with EOS at 256 if asked."""
        return cls((*_BYTES, EOS), eos_id=256) if eos else cls()

    def normalize(self, text: str) -> str:
        return normalize(text)

    def encode(self, text: str) -> Ids:
        return np.frombuffer(normalize(text).encode(), np.uint8).astype(np.int64)

    def decoder(self) -> Decoder:
        return _ByteDecoder(self)

    def _text(self, ids: Ids) -> str:
        ends = np.flatnonzero(ids == 256)
        pieces = np.split(ids, ends)
        return "".join(_decoded(piece[piece < 256]) for piece in pieces)

    def _label(self, token_id: int) -> str:
        return printable(chr(token_id)) if token_id in b" \n\t" else self.tokens[token_id]

    def _problem(self) -> str | None:
        if self.unk_id is not None:
            return "bytes know no UNK"
        if self.tokens != (_BYTES if self.eos_id is None else (*_BYTES, EOS)):
            return "its tokens are not the 256 bytes in order, then EOS if any"
        return super()._problem()

    def _token_problem(self, token: str) -> str | None:
        return None  # `_problem` has compared them all


def _decoded(values: Ids) -> str:
    return values.astype(np.uint8).tobytes().decode("utf-8", "replace")


class _ByteDecoder(Decoder):
    def __init__(self, vocabulary: ByteVocabulary) -> None:
        self._vocabulary = vocabulary
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        token_id = self._vocabulary._checked_id(token_id)
        return self.flush() if token_id == 256 else self._utf8.decode(bytes((token_id,)))

    def flush(self) -> str:
        text = self._utf8.decode(b"", final=True)
        self._utf8.reset()
        return text
