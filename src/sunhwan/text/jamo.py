"""The vocabulary of Korean letters: 11,172 syllables out of 67 jamo."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sunhwan.text.characters import CharacterVocabulary, Codes
from sunhwan.text.vocabulary import Decoder

# Unicode Standard, section 3.12: syllable = S + (initial · 21 + vowel) · 28 + final
_S, _L, _V, _T = 0xAC00, 0x1100, 0x1161, 0x11A7
_N_L, _N_V, _N_T = 19, 21, 28
_N_S = _N_L * _N_V * _N_T
_LONE = 0x3131, 0x3163
"""Hangul compatibility letters, first and last."""


@dataclass(frozen=True, repr=False)
class JamoVocabulary(CharacterVocabulary):
    """One id for each conjoining letter of a Hangul syllable, and for every other character.

    각 is three ids, U+1100 U+1161 U+11A8. Normalisation: as for characters, with a letter in the
    place of a character. It is lossless: NFC text never holds lone letters side by side that
    would join, so joining them greedily, as NFC does, gives back the syllables it came from.
    EOS decodes to nothing, and no syllable grows across it.
    Labels tell the letters apart: initial ㄱ, vowel ㅏ, final -ㄱ, and a letter that stands alone, (ㅋ).
    """

    kind: ClassVar[str] = "jamo"

    def decoder(self) -> Decoder:
        return _JamoDecoder(self)

    def _label(self, token_id: int) -> str:
        label, code = super()._label(token_id), ord(self.tokens[token_id][0])
        if _T < code < _T + _N_T:
            return f"-{label}"
        return f"({label})" if _LONE[0] <= code <= _LONE[1] else label

    def _token_problem(self, token: str) -> str | None:
        if len(token) == 1 and _S <= ord(token) < _S + _N_S:
            return "is a syllable, not a letter"
        return super()._token_problem(token)

    def _split(self, codes: Codes) -> Codes:
        return split_syllables(codes)

    def _merge(self, codes: Codes) -> Codes:
        return join_syllables(codes)


class _JamoDecoder(Decoder):
    def __init__(self, vocabulary: JamoVocabulary) -> None:
        self._vocabulary = vocabulary
        self._held = ""  # an initial, or a syllable without a final

    def push(self, token_id: int) -> str:
        letter = self._vocabulary.decode((token_id,))
        held, self._held = self._held, ""
        if not letter:
            return held
        code, held_code = ord(letter), ord(held) if held else 0
        if held_code >= _S and _T < code < _T + _N_T:
            return chr(held_code + code - _T)
        if _L <= held_code < _L + _N_L and _V <= code < _V + _N_V:
            self._held = chr(_S + ((held_code - _L) * _N_V + code - _V) * _N_T)
            return ""
        if _L <= code < _L + _N_L:
            self._held = letter
            return held
        return held + letter

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held


def split_syllables(codes: Codes) -> Codes:
    """Every Hangul syllable as two or three letters; other code points stay."""
    index = codes.astype(np.int64) - _S
    syllable = (index >= 0) & (index < _N_S)
    if not syllable.any():
        return codes
    final = np.where(syllable, index % _N_T, 0)
    lengths = 1 + syllable + (final > 0)
    ends = np.cumsum(lengths)
    letters = np.repeat(codes, lengths)
    first = (ends - lengths)[syllable]
    index = index[syllable]
    letters[first] = _L + index // (_N_V * _N_T)
    letters[first + 1] = _V + index // _N_T % _N_V
    closed = final > 0
    letters[ends[closed] - 1] = _T + final[closed]
    return letters


def join_syllables(codes: Codes) -> Codes:
    """Initial + vowel (+ final) as one syllable wherever they meet; the inverse of splitting."""
    first = np.flatnonzero(
        (codes[:-1] >= _L) & (codes[:-1] < _L + _N_L) & (codes[1:] >= _V) & (codes[1:] < _V + _N_V)
    )
    if not first.size:
        return codes
    code = codes.astype(np.int64)
    third = code[np.minimum(first + 2, code.size - 1)]
    # With no third letter this reads the vowel again, which is no final.
    closed = (third > _T) & (third < _T + _N_T)
    joined = codes.copy()
    joined[first] = (
        _S
        + ((code[first] - _L) * _N_V + code[first + 1] - _V) * _N_T
        + np.where(closed, third - _T, 0)
    )
    keep = np.ones(codes.size, bool)
    keep[first + 1] = False
    keep[first[closed] + 2] = False
    return joined[keep]
