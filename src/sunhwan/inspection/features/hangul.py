"""Features of Korean text: syllables and what they are made of."""

from sunhwan.inspection.features.feature import feature
from sunhwan.inspection.features.marks import Counts, Mask, code_points, each, since

# Unicode Standard, section 3.12: syllable = S + (initial · 21 + vowel) · 28 + final
_S, _COUNT, _VOWELS, _FINALS = 0xAC00, 11_172, 21, 28
# ㅏ ㅐ ㅑ ㅒ ㅗ ㅘ ㅙ ㅚ ㅛ by their number among the vowels.
_BRIGHT = frozenset((0, 1, 2, 3, 8, 9, 10, 11, 12))


def is_syllable(character: str) -> bool:
    """Whether it is a composed Hangul syllable."""
    return _S <= ord(character) < _S + _COUNT


@feature("Hangul syllable", "한글 음절", "a syllable of Hangul")
def syllable(text: str) -> Mask:
    """Which characters are composed syllables."""
    return each(text, is_syllable)


@feature("final consonant", "받침 있음", "a Hangul syllable that ends in a consonant")
def final_consonant(text: str) -> Mask:
    """각 has one, 가 has none."""
    index = code_points(text).astype("int64") - _S
    return syllable(text) & (index % _FINALS > 0)


@feature("bright vowel", "양성 모음", "a Hangul syllable with ㅏ, ㅗ or one made of them")
def bright_vowel(text: str) -> Mask:
    """The half of the vowels that an ending like -아 goes with."""
    return each(text, lambda c: is_syllable(c) and (ord(c) - _S) // _FINALS % _VOWELS in _BRIGHT)


@feature("syllables of the word", "어절의 음절 수", "Hangul syllables since a gap", "numeric")
def syllables(text: str) -> Counts:
    """1 at a word's first syllable, 0 at anything else."""
    return since(~syllable(text))
