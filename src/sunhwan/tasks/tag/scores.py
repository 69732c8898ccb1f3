"""Figures of tagging: of tokens, sentences, entities, known and unknown words."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple, Self

from sunhwan.data.tag_schemes import marks_entities
from sunhwan.metrics import Agreement, confusion, entity_agreement, in_all, label_agreement
from sunhwan.tasks.common.results import Listing

MISTAKES = 10
LISTED = 40
RAW_TEXT_FIGURES = {
    "words_f1": "words F1, raw text",
    "sentences_f1": "sentences F1, raw text",
    "upos_f1": "upos F1, raw text",
    "xpos_f1": "xpos F1, raw text",
    "feats_f1": "feats F1, raw text",
    "lemma_f1": "lemma F1, raw text",
    "deprel_f1": "deprel F1, raw text",
}
"""Of figures of raw text the names in a table."""


class TaggedSequences(NamedTuple):
    """Sequences of labels, as they are and as they were said to be.

    known: the labels of the training, any of which may be said.
    """

    known: Sequence[str]
    are: Sequence[Sequence[str]]
    said: Sequence[Sequence[str]]

    @property
    def tokens(self) -> list[tuple[str, str]]:
        """Of every token what it is and what it was said to be."""
        return list(zip(chain(*self.are), chain(*self.said), strict=True))

    @property
    def accuracy(self) -> float:
        """The share of tokens with the right label."""
        return _share([is_ == said for is_, said in self.tokens])

    def entities(self) -> dict[str, Agreement] | None:
        """Of labels that mark entities (IOB1, BIO, BIOES) the agreement in each kind; else None."""
        return entity_agreement(self.are, self.said) if marks_entities(self.known) else None


class TagScores(NamedTuple):
    """loss: mean −log p of a label in nats. accuracy: share of tokens with the right label.
    sentence_accuracy: share of sequences without a mistake. entity_f1: of labels that mark
    entities, F1 of whole ones, else None. unseen: how many tokens have a label that training never saw,
    which is wrong whatever is said; the loss leaves them out. columns: where there are several, the
    accuracy of each by its name, the first among them, whose figures the others are. raw: of raw text,
    F1 of words and sentences, and of the tags of the words that were found."""

    loss: float
    accuracy: float
    sentence_accuracy: float
    entity_f1: float | None
    tokens: int
    unseen: int
    columns: dict[str, float] | None = None
    raw: dict[str, float] | None = None

    @classmethod
    def of(cls, labelled: TaggedSequences, loss: float) -> Self:
        """The figures of these labels."""
        tokens, entities = labelled.tokens, labelled.entities()
        sequences = list(zip(labelled.are, labelled.said, strict=True))
        known = set(labelled.known)
        return cls(
            loss=loss,
            accuracy=labelled.accuracy,
            sentence_accuracy=_share([list(are) == list(said) for are, said in sequences]),
            entity_f1=None if entities is None else in_all(entities.values()).f1,
            tokens=len(tokens),
            unseen=sum(is_ not in known for is_, _ in tokens),
        )

    @property
    def rank(self) -> float:
        best = [self.accuracy if self.entity_f1 is None else self.entity_f1]
        best += list((self.columns or {}).values())[1:]
        best += [self.raw["words_f1"]] if self.raw else []
        return -sum(best) / len(best) + 1e-4 * min(self.loss, 100.0)

    def to_dict(self) -> dict[str, Any]:
        found = {name: value for name, value in self._asdict().items() if value is not None}
        columns, raw = found.pop("columns", {}), dict(found.pop("raw", {}))
        return found | {f"{name}_accuracy": share for name, share in columns.items()} | raw

    def summary(self) -> str:
        entities = "" if self.entity_f1 is None else f"  entity F1 {self.entity_f1:.4f}"
        columns = [f"  {name} {share:.4f}" for name, share in (self.columns or {}).items()]
        told = "".join(columns) or f"  accuracy {self.accuracy:.4f}"
        raw = f"  words F1 {self.raw['words_f1']:.4f}" if self.raw else ""
        return f"loss {self.loss:.4f}{told}{entities}{raw}"

    def table(self) -> list[tuple[str, str]]:
        entities = [] if self.entity_f1 is None else [("entity F1", f"{self.entity_f1:.4f}")]
        columns = [(name, f"{share:.4f}") for name, share in (self.columns or {}).items()]
        raw = (self.raw or {}).items()
        unseen = [("with labels never seen", f"{self.unseen:,}")] if self.unseen else []
        return [
            *entities,
            *(columns or [("accuracy", f"{self.accuracy:.4f}")]),
            ("sequences without a mistake", f"{self.sentence_accuracy:.4f}"),
            ("loss", f"{self.loss:.4f} nats per token"),
            ("tokens", f"{self.tokens:,}"),
            *unseen,
            *((RAW_TEXT_FIGURES.get(name, name), f"{found:.4f}") for name, found in raw),
        ]


def review_labels(labelled: TaggedSequences) -> tuple[list[Listing], dict[str, Any]]:
    """Precision, recall and F1 by label, or by kind of entity; and the table of confusions."""
    tokens, entities = labelled.tokens, labelled.entities()
    names = [*labelled.known, *sorted({is_ for is_, _ in tokens} - set(labelled.known))]
    numbers = {name: number for number, name in enumerate(names)}
    table = confusion([numbers[i] for i, _ in tokens], [numbers[s] for _, s in tokens], len(names))
    found = entities or dict(zip(names, label_agreement(table), strict=True))
    often = sorted(found.items(), key=lambda item: -item[1].present)[:LISTED]
    rows = [
        (name, f"{f.precision:.4f}", f"{f.recall:.4f}", f"{f.f1:.4f}", f"{f.present:,}")
        for name, f in often
    ]
    columns = ("entities" if entities else "label", "precision", "recall", "F1", "there are")
    values: dict[str, Any] = {"labels": names, "confusion": table}
    if entities is not None:
        values["entities"] = {
            name: {"precision": f.precision, "recall": f.recall, "f1": f.f1, "present": f.present}
            for name, f in entities.items()
        }
    return [Listing("by kind of entity" if entities else "by label", columns, rows)], values


def review_words(
    labelled: TaggedSequences, words: Sequence[Sequence[str]], knows: Callable[[str], bool]
) -> tuple[list[Listing], dict[str, Any]]:
    """The accuracy of known and unknown words, and what is taken for what most often.

    words: as the labels; knows: whether a word has a vector of its own.
    """
    known: list[bool] = []
    unknown: list[bool] = []
    mistakes: dict[tuple[str, str], Counter[str]] = {}
    for word, token in zip(chain(*words), labelled.tokens, strict=True):
        right = token[0] == token[1]
        (known if knows(word) else unknown).append(right)
        if not right:
            mistakes.setdefault(token, Counter())[word] += 1
    of_words = {"known": known, "unknown": unknown}
    rows = [(n, f"{_share(of):.4f}", f"{len(of):,}") for n, of in of_words.items() if of]
    listings = [Listing("known and unknown words", ("words", "accuracy", "there are"), rows)]
    often = sorted(mistakes.items(), key=lambda item: -item[1].total())[:MISTAKES]
    if often:
        columns = ("is", "said to be", "times", "such as")
        cells = [
            (*token, f"{some.total():,}", ", ".join(word for word, _ in some.most_common(3)))
            for token, some in often
        ]
        listings.append(Listing("the most frequent mistakes", columns, cells))
    return listings, {f"{name}_accuracy": _share(of) for name, of in of_words.items() if of}


def _share(truths: Sequence[bool]) -> float:
    return sum(truths) / max(len(truths), 1)
