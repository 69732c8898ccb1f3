"""Scores from raw text: found words and sentences aligned with the right ones by their characters.

As the evaluation of the CoNLL 2018 shared task does (Zeman et al. 2018): spaces do not count; a token of
one word is right where its characters are; where either side has a token of several, the words of both
are aligned by their longest common subsequence.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sunhwan.tasks.tag.tokenizer import Segment


class Word(NamedTuple):
    """A word: its form, where the characters of its token begin and end, whether that has several."""

    form: str
    start: int
    end: int
    several: bool


def words_of(segments: Sequence[Segment]) -> list[Word]:
    """The words of sentences one after another."""
    found, start = [], 0
    for words, written in segments:
        place = 0
        for token in written.tokens:
            end = start + _length(token.form)
            for form in words[place : place + token.words]:
                found.append(Word(form, start, end, token.words > 1))
            place, start = place + token.words, end
    return found


def sentences_f1(right: Sequence[Segment], said: Sequence[Segment]) -> float:
    """F1 of whole sentences, by where they begin and end."""
    ours, theirs = set(_spans(said)), set(_spans(right))
    return f1(len(ours & theirs), len(theirs), len(ours))


def aligned(right: Sequence[Word], said: Sequence[Word]) -> list[tuple[int, int]]:
    """The places of the words that are the same, in both."""
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(right) and j < len(said):
        a, b = right[i], said[j]
        if (a.start, a.end) == (b.start, b.end) and not (a.several or b.several):
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif (a.several and _meet(a, b)) or (b.several and _meet(a, b)):
            m, n = _region(right, i, said, j)
            pairs += [(i + x, j + y) for x, y in _common(right[i:m], said[j:n])]
            i, j = m, n
        elif a.end <= b.end:
            i, j = i + 1, j + (a.end == b.end)
        else:
            j += 1
    return pairs


def f1(both: int, right: int, said: int) -> float:
    """2 · both / (right + said), 0 of nothing."""
    return 2 * both / (right + said) if right + said else 0.0


def _meet(a: Word, b: Word) -> bool:
    return a.start < b.end and b.start < a.end


def _region(right: Sequence[Word], i: int, said: Sequence[Word], j: int) -> tuple[int, int]:
    """Where the words end that overlap with a token of several words, on both sides."""
    end = max(right[i].end, said[j].end)
    m, n = i, j
    while True:
        before = end
        while m < len(right) and right[m].start < end:
            end = max(end, right[m].end if right[m].several else 0)
            m += 1
        while n < len(said) and said[n].start < end:
            end = max(end, said[n].end if said[n].several else 0)
            n += 1
        if end == before:
            return m, n


def _common(right: Sequence[Word], said: Sequence[Word]) -> list[tuple[int, int]]:
    """The longest common subsequence of their forms, whatever their case."""
    a, b = ([word.form.lower() for word in some] for some in (right, said))
    length = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for x in reversed(range(len(a))):
        for y in reversed(range(len(b))):
            both = length[x + 1][y + 1] + 1 if a[x] == b[y] else 0
            length[x][y] = max(both, length[x + 1][y], length[x][y + 1])
    found, x, y = [], 0, 0
    while x < len(a) and y < len(b):
        if a[x] == b[y] and length[x][y] == length[x + 1][y + 1] + 1:
            found.append((x, y))
            x, y = x + 1, y + 1
        elif length[x + 1][y] >= length[x][y + 1]:
            x += 1
        else:
            y += 1
    return found


def _spans(segments: Sequence[Segment]) -> Iterator[tuple[int, int]]:
    start = 0
    for segment in segments:
        end = start + sum(_length(token.form) for token in segment.written.tokens)
        yield start, end
        start = end


def _length(form: str) -> int:
    return len("".join(form.split()))
