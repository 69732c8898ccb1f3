"""Offsets: the places in a text where its tokens begin, and the names of tokens."""

from collections.abc import Sequence

from sunhwan.text import Vocabulary

PARTS = ("bytes", "jamo")
"""Vocabularies whose tokens may be parts of a character."""


class TokenOffsets:
    """Token by token, the place in the text at which each one's character begins."""

    def __init__(self, vocabulary: Vocabulary, begun: int = 0) -> None:
        """begun: how long the text is already."""
        self._vocabulary, self._length = vocabulary, begun
        self._in_parts = vocabulary.kind in PARTS
        self._open: list[int] = []  # tokens of a character that is begun and not ended

    def push(self, token: int, certain: str) -> int:
        """certain: the text that a decoder knows to be certain since this token."""
        offset = self._length
        self._length += len(certain)
        if not self._in_parts:
            return offset
        if not certain:
            self._open.append(token)
            return offset
        before = self._vocabulary.decode(self._open)
        if before and not certain.startswith(before):
            self._open = []  # the token has ended the character
            return offset
        # It is a character of its own or, where nothing is certain of that, begins one.
        self._open = [] if len(certain) > len(before) else [token]
        return offset + len(before)


def token_offsets(vocabulary: Vocabulary, ids: Sequence[int]) -> list[int]:
    """The place of each token of a whole text."""
    decoder, offsets = vocabulary.decoder(), TokenOffsets(vocabulary)
    return [offsets.push(token, decoder.push(token)) for token in ids]


def token_name(vocabulary: Vocabulary, token: int) -> str:
    """A token as text; by its printable name where it is none by itself, as a letter of a syllable."""
    text = vocabulary.decode([token])
    part = vocabulary.kind in PARTS and not text.isascii()
    return vocabulary.display(token) if part or not text else text
