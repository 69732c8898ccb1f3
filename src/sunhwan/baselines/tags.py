"""Baseline of tagging: the most frequent tag of a word, or else of its longest known ending."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

LONGEST = 5
"""Characters of an ending."""


class FrequentTags:
    """The most frequent tag of each word and of each ending of words."""

    def __init__(self, sentences: Iterable[tuple[Sequence[str], Sequence[str]]]) -> None:
        """sentences: of each its words and their tags; at least one word."""
        words: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for some, tags in sentences:
            for word, tag in zip(some, tags, strict=True):
                words[word][tag] += 1
        endings: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for word, counts in words.items():
            for ending in _endings(word):
                # Each word counts once a tag: unknown words are like the many rare ones.
                endings[ending].update(set(counts))
        self.words = {word: _best(counts) for word, counts in words.items()}
        self.endings = {ending: _best(counts) for ending, counts in endings.items()}

    def tag(self, word: str) -> str:
        """The tag of a word."""
        if word in self.words:
            return self.words[word]
        return next(self.endings[end] for end in _endings(word) if end in self.endings)


def _endings(word: str) -> list[str]:
    """Its last characters, the longest ending first and "" last."""
    longest = min(LONGEST, len(word))
    return [word[len(word) - size :] for size in range(longest, -1, -1)]


def _best(counts: Counter[str]) -> str:
    return min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
