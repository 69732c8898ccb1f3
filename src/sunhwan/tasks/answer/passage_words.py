"""Words of a passage: which of them are an answer, and where its sentences end."""

from collections.abc import Sequence

MARKS = ".,!?;:()[]\"'“”‘’「」『』…"
CLOSING = "\"'”’」』)"
"""Behind the mark that ends a sentence."""
ENDS = (".", "!", "?", "。", "…")


def bare(word: str) -> str:
    """A word without the punctuation around it; punctuation alone stays."""
    return word.strip(MARKS) or word


def key_of(word: str) -> str:
    """What equal words have alike: without punctuation around it, in small letters."""
    return bare(word).casefold()


def places_of(answer: str, words: Sequence[str]) -> list[int]:
    """Where an answer stands among words: equal ones, or of Hangul with a particle behind (부엌에)."""
    wanted, found = key_of(answer.strip()), [key_of(word) for word in words]
    exact = [place for place, word in enumerate(found) if word == wanted]
    if exact or not "가" <= wanted[-1:] <= "힣":
        return exact
    return [place for place, word in enumerate(found) if word.startswith(wanted)]


def sentences_of(words: Sequence[str]) -> list[range]:
    """The places of the words of each sentence; the last may have no mark at its end."""
    ends = [place + 1 for place, word in enumerate(words) if word.rstrip(CLOSING).endswith(ENDS)]
    if not ends or ends[-1] < len(words):
        ends.append(len(words))
    return [range(a, b) for a, b in zip([0, *ends], ends, strict=False) if b > a]


def sentence_texts(passage: str) -> list[str]:
    """The sentences of a passage."""
    words = passage.split()
    return [" ".join(words[k] for k in places) for places in sentences_of(words)]
