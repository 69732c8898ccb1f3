"""Counting: how often characters and words occur, in memory that does not grow with the text."""

import heapq
import pickle
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import IO, Any, NamedTuple

import numpy as np

from sunhwan.text.characters import code_points
from sunhwan.text.decoding import normalize

MOST = 1 << 20
"""Different words that are held in memory at once."""
_BLOCK = 4096
_CODES = 0x110000


class Counted(NamedTuple):
    """A token, how often it occurs, and its rank by first occurrence."""

    token: str
    number: int
    first: tuple[int, int] = (0, 0)


def count_characters(texts: Iterable[str]) -> Iterator[Counted]:
    """Each character of the texts, by code point."""
    counts = np.zeros(_CODES, np.int64)
    for text in texts:
        codes = code_points(normalize(text))
        found = np.bincount(codes)
        counts[: len(found)] += found
    for code in np.flatnonzero(counts).tolist():
        yield Counted(chr(code), int(counts[code]))


class WordCounts:
    """Exact counts of words: those beyond `MOST` different ones go to sorted temporary files.

    To be iterated once, which gives each word once; without files in the order of first occurrence.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._counter: Counter[str] = Counter()
        self._files: list[IO[bytes]] = []

    def update(self, words: Iterable[str]) -> None:
        """Count some more."""
        self._counter.update(words)
        if len(self._counter) > self._most:
            self._spill()

    def __iter__(self) -> Iterator[Counted]:
        if not self._files:
            return iter(self._entries())
        return self._merged()

    def _entries(self) -> Iterator[Counted]:
        part = len(self._files)
        for place, (word, count) in enumerate(self._counter.items()):
            yield Counted(word, count, (part, place))

    def _spill(self) -> None:
        entries = sorted(self._entries())
        file = tempfile.TemporaryFile()  # noqa: SIM115  closed with the counts
        for start in range(0, len(entries), _BLOCK):
            pickle.dump([tuple(e) for e in entries[start : start + _BLOCK]], file)
        self._files.append(file)
        self._counter.clear()

    def _merged(self) -> Iterator[Counted]:
        runs: list[Iterable[Any]] = [*map(_read, self._files), sorted(self._entries())]
        try:
            for word, entries in groupby(heapq.merge(*runs), itemgetter(0)):
                found = list(entries)
                yield Counted(word, sum(e[1] for e in found), min(e[2] for e in found))
        finally:
            for file in self._files:
                file.close()


def _read(file: IO[bytes]) -> Iterator[tuple[str, int, tuple[int, int]]]:
    """The entries of a temporary file that `_spill` wrote."""
    at = 0
    while True:
        file.seek(at)
        try:
            block = pickle.load(file)
        except EOFError:
            return
        at = file.tell()
        yield from block
