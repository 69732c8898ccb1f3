"""Masks over the characters of a text, and distances to the last marked one."""

import re
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
Logs = NDArray[np.float64]


def code_points(text: str) -> NDArray[np.uint32]:
    """Text of C characters → their code points, (C)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def each(text: str, is_one: Callable[[str], bool]) -> Mask:
    """Which characters are of a kind; each different one is asked about once."""
    codes = code_points(text)
    table = np.zeros(int(codes.max(initial=0)) + 1, np.bool_)
    for character in set(text):
        table[ord(character)] = is_one(character)
    return table[codes]


def among(text: str, characters: str) -> Mask:
    """Which characters are one of these."""
    return each(text, set(characters).__contains__)


def last(mask: Mask) -> Counts:
    """The place of the last marked character up to each one, −1 where there was none."""
    places = np.where(mask, np.arange(len(mask)), -1)
    found: Counts = np.maximum.accumulate(places) if len(places) else places
    return found


def since(mask: Mask) -> Counts:
    """How far back the last marked character is: 0 at one; from the text's beginning without."""
    return np.arange(len(mask)) - last(mask)


def before(mask: Mask) -> Mask:
    """Which characters come right after a marked one."""
    found: Mask = np.concatenate((np.zeros(1, np.bool_), mask))[: len(mask)]
    return found


def spans(text: str, places: Iterable[tuple[int, int]]) -> Mask:
    """Marks from each start up to, not including, its end."""
    mask = np.zeros(len(text), np.bool_)
    for start, end in places:
        mask[start:end] = True
    return mask


def matches(text: str, pattern: re.Pattern[str]) -> Mask:
    """Marks what the pattern matches."""
    return spans(text, (match.span() for match in pattern.finditer(text)))


def in_line(mask: Mask, text: str) -> Mask:
    """Whether a marked character came in this line so far."""
    found: Mask = last(mask) > last(among(text, "\n"))
    return found
