"""Handwritten digits, which come with scikit-learn, described in words."""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
KOREAN = ("영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구")


class DescribedImages(NamedTuple):
    """images (N, 8, 8), ink from 0 to 1, and a sentence on each."""

    images: NDArray[np.float32]
    texts: tuple[str, ...]


def in_english(digit: int) -> str:
    """As in "a handwritten seven, which is odd"."""
    return f"a handwritten {ENGLISH[digit]}, which is {'odd' if digit % 2 else 'even'}"


def in_korean(digit: int) -> str:
    """As in "손으로 쓴 칠은 홀수다"."""
    name = KOREAN[digit]
    ends_in_consonant = (ord(name) - ord("가")) % 28 > 0
    particle = "은" if ends_in_consonant else "는"
    return f"손으로 쓴 {name}{particle} {'홀수' if digit % 2 else '짝수'}다"


@cache
def load_digits(name: str) -> DescribedImages:
    """1,797 images under a name of `BUILT_IN_DIGITS`, described in its language.

    The test part of the Optical Recognition of Handwritten Digits data (Alpaydin and Kaynak 1998).
    """
    from sklearn import datasets

    data = datasets.load_digits()
    texts = tuple(map(BUILT_IN_DIGITS[name], data.target.tolist()))
    return DescribedImages((data.images / 16).astype(np.float32), texts)


BUILT_IN_DIGITS: Mapping[str, Callable[[int], str]] = MappingProxyType(
    {"digits": in_english, "digits-ko": in_korean}
)
"""By name: how a digit is described."""
