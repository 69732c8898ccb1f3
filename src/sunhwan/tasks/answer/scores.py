"""Scores of question answering: how often the answer, and the sentence it is from, are right."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from sunhwan.tasks.answer.passage_words import bare, key_of, sentences_of
from sunhwan.tasks.common.examples import Example


class AnswerScores(NamedTuple):
    """Question answering: the mean −log weight on the answer, and how often the answer is right.

    evidence: how often the sentence most looked at is the one that a row names, None where none does.
    """

    loss: float
    accuracy: float
    examples: int
    evidence: float | None = None

    @property
    def rank(self) -> float:
        return -self.accuracy + 1e-4 * min(self.loss, 100.0)

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value is not None}

    def summary(self) -> str:
        told = "" if self.evidence is None else f"  evidence {self.evidence:.4f}"
        return f"loss {self.loss:.4f}  accuracy {self.accuracy:.4f}{told}"

    def table(self) -> list[tuple[str, str]]:
        told = [] if self.evidence is None else [("evidence", f"{self.evidence:.4f}")]
        return [
            ("accuracy", f"{self.accuracy:.4f}"),
            *told,
            ("loss", f"{self.loss:.4f} nats per example"),
            ("examples", f"{self.examples:,}"),
        ]


class Said(NamedTuple):
    """An answer: the word, the weight of all its places, the sentence it is from and its places."""

    word: str
    probability: float
    evidence: str
    places: range


def said(passage: str, weights: Tensor) -> Said:
    """What the weights of a passage's words say: the weights of equal words add up."""
    words = passage.split()
    sums: dict[str, float] = {}
    for word, weight in zip(words, weights.tolist(), strict=True):
        sums[key_of(word)] = sums.get(key_of(word), 0.0) + weight
    if not sums:
        return Said("", 0.0, "", range(0))
    best = max(sums, key=lambda key: sums[key])
    # The sentence that says it: of several with the word that which was looked at most.
    most = max(
        (places for places in sentences_of(words) if best in {key_of(words[k]) for k in places}),
        key=lambda places: float(weights[places.start : places.stop].sum()),
    )
    word = next(bare(words[k]) for k in most if key_of(words[k]) == best)
    return Said(word, sums[best], " ".join(words[place] for place in most), most)


def right_keys(example: Example) -> set[str]:
    """The words of a passage that answer its question, as `key_of` gives them."""
    words = example.raw[0].split()
    assert example.target is not None
    return {key_of(words[k]) for k in example.target.nonzero().flatten().tolist()}


def figures_of(
    data: Sequence[Example], words: Sequence[str], evidence: Sequence[str]
) -> dict[str, float]:
    """The share of right answers and, where rows name their evidence, of right sentences."""
    right = [key_of(word) in right_keys(example) for example, word in zip(data, words, strict=True)]
    found = [
        _keys(text) == _keys(example.evidence)
        for example, text in zip(data, evidence, strict=True)
        if example.evidence
    ]
    told = {"evidence": sum(found) / len(found)} if found else {}
    return {"accuracy": sum(right) / len(right), **told}


def scores_of(data: Sequence[Example], weights: Sequence[Tensor]) -> AnswerScores:
    """The figures of the weights of each passage's words."""
    nats = 0.0
    for example, row in zip(data, weights, strict=True):
        assert example.target is not None
        nats -= float((row * example.target).sum().clamp(min=1e-30).log())
    answers = [said(example.raw[0], row) for example, row in zip(data, weights, strict=True)]
    found = figures_of(data, [a.word for a in answers], [a.evidence for a in answers])
    return AnswerScores(nats / len(data), found["accuracy"], len(data), found.get("evidence"))


def _keys(sentence: str) -> list[str]:
    return [key_of(word) for word in sentence.split()]
