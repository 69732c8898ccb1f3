"""Counting: how often characters and words occur, in memory that does not grow with the text."""

import heapq
import pickle
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby
from operator import itemgetter
from typing import IO, Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from sunhwan.text.characters import code_points
from sunhwan.text.decoding import normalize

Numbers: TypeAlias = npt.NDArray[np.int64]
Found = TypeVar("Found")

MOST = 1 << 20
"""Different words that are held in memory at once."""
_BLOCK = 4096
_CODES = 0x110000
_PART = 1 << 17  # what lies between stays in the cache


class Counted(NamedTuple):
    """A token, how often it occurs, and its rank by first occurrence."""

    token: str
    number: int
    first: tuple[int, int] = (0, 0)


@runtime_checkable
class StreamedTexts(Protocol):
    """Texts that are too large for memory: their parts are worked on one by one, in some process."""

    def map(
        self,
        work: Callable[[Iterable[Iterable[str]]], Found],
        may_be_cut: Callable[[str], bool] | None = None,
    ) -> Iterator[Found]:
        """What the work finds in each part, which is given as documents in pieces.

        may_be_cut: see `Vocabulary`; None: everywhere.
        """


Texts: TypeAlias = StreamedTexts | Iterable[str | Iterable[str]]


def mapped(
    texts: Texts,
    work: Callable[[Iterable[Iterable[str]]], Found],
    may_be_cut: Callable[[str], bool] | None = None,
) -> Iterator[Found]:
    """The same of any texts."""
    if isinstance(texts, StreamedTexts):
        return texts.map(work, may_be_cut)
    return (work(((text,) if isinstance(text, str) else text,)) for text in texts)


def count_characters(texts: Texts) -> Iterator[Counted]:
    """Each character of the texts, by code point."""
    counts = np.zeros(_CODES, np.int64)
    for codes, numbers in mapped(texts, _character_counts):
        counts[codes] += numbers
    for code in np.flatnonzero(counts).tolist():
        yield Counted(chr(code), int(counts[code]))


def _character_counts(documents: Iterable[Iterable[str]]) -> tuple[Numbers, Numbers]:
    """The code points that occur, and how often each."""
    counts = np.zeros(0, np.int64)
    for piece in chain.from_iterable(documents):
        given = code_points(normalize(piece))
        for start in range(0, len(given), _PART):
            found = np.bincount(given[start : start + _PART], minlength=len(counts))
            found[: len(counts)] += counts
            counts = found
    codes = np.flatnonzero(counts)
    return codes, counts[codes]


def count_words(texts: Texts) -> "WordCounts":
    """Each word between white space."""
    words = WordCounts()
    for found in mapped(texts, _word_counts):
        words.update(found)
    return words


def _word_counts(documents: Iterable[Iterable[str]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for piece in chain.from_iterable(documents):
        counts.update(normalize(piece).split())
    return counts


class WordCounts:
    """Exact counts of words: those beyond `MOST` different ones go to sorted temporary files.

    To be iterated once, which gives each word once; without files in the order of first occurrence.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._counter: Counter[str] = Counter()
        self._files: list[IO[bytes]] = []

    def update(self, words: Iterable[str] | Counter[str]) -> None:
        """Count some more, or add what was counted."""
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
