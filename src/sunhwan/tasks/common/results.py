"""Results: the answers to questions, and the figures of an evaluation."""

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from torch import Tensor


class Scores(Protocol):
    """How good a model is: a NamedTuple of plain numbers, the loss in nats among them."""

    @property
    def loss(self) -> float: ...

    @property
    def rank(self) -> float:
        """Model-selection criterion; lower is better."""

    def to_dict(self) -> dict[str, Any]:
        """The figures by name, ready for JSON."""

    def summary(self) -> str:
        """The figures in one line."""

    def table(self) -> list[tuple[str, str]]:
        """The figures as rows of name and value."""

    def __iter__(self) -> Iterator[Any]: ...


class Alignment(NamedTuple):
    """Which step of the question (source) each piece of the answer (target) looked at.

    weights: (target, source), each row of sum 1.
    """

    source: list[str]
    target: list[str]
    weights: Tensor


class Answer(NamedTuple):
    """A model's answer to one question: for JSON, as cells of a TSV, and as text.

    alignment: None where nothing was looked at. rows: cells line by line, of an answer that is several
    lines, as a sentence of CoNLL is; conllu: the same in the ten columns of CoNLL-U. named: the answer as
    columns of a table, beside those of the question; none: the plain values among `values`.
    """

    values: dict[str, Any]
    cells: tuple[str, ...]
    text: str
    alignment: Alignment | None = None
    rows: tuple[tuple[str, ...], ...] = ()
    named: Mapping[str, Any] = MappingProxyType({})
    conllu: tuple[tuple[str, ...], ...] | None = None


class Listing(NamedTuple):
    """A table for people: its title, the names of its columns, its rows."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Review(NamedTuple):
    """The figures on a file, and what else there is to know: listings, and values for JSON.

    rows: the figures as rows of name and value where there are more than those of `scores`.
    notes: what was left out of the file, in words. data: what was measured, as `Task.read` gives it.
    """

    scores: Scores
    listings: list[Listing]
    values: dict[str, Any]
    rows: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    data: Any = None

    def table(self) -> list[tuple[str, str]]:
        """The figures as rows of name and value."""
        return list(self.rows) or self.scores.table()


class Baselines(NamedTuple):
    """The figures of simple methods on the rows that a model was measured on, beside the model's.

    figures: their names, those of `Scores.to_dict`; the first decides. model, methods: figures by name,
    of each method by its name. lower: whether less of the first figure is better. notes: on what a
    method was fitted where that was a part of the training data.
    """

    figures: tuple[str, ...]
    model: Mapping[str, float]
    methods: Mapping[str, Mapping[str, float]]
    lower: bool = False
    notes: tuple[str, ...] = ()

    @property
    def better(self) -> list[str]:
        """The methods that are ahead of the model, the best first."""
        name, sign = self.figures[0], 1 if self.lower else -1
        ahead = [
            m for m, found in self.methods.items() if sign * (found[name] - self.model[name]) < 0
        ]
        return sorted(ahead, key=lambda method: sign * self.methods[method][name])

    @property
    def losses(self) -> dict[str, float]:
        """By method the loss in nats a token, where its perplexity is known."""
        return {
            name: math.log(found["perplexity"])
            for name, found in self.methods.items()
            if "perplexity" in found
        }

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, ready for JSON."""
        return {
            "methods": {name: dict(found) for name, found in self.methods.items()},
            "better_than_the_model": self.better,
            "notes": list(self.notes),
        }

    def listing(self) -> Listing:
        """The figures as a table, the model first."""
        rows = [
            (name, *(_figure(found[figure]) for figure in self.figures))
            for name, found in {"the model": self.model, **self.methods}.items()
        ]
        names = (_WRITTEN.get(figure, figure.replace("_", " ")) for figure in self.figures)
        return Listing("beside baselines, on the same rows", ("", *names), rows)


class Budget(NamedTuple):
    """Budget of a trained baseline, that of the model beside it: its parameters, steps, and
    rows of a step."""

    parameters: int
    steps: int
    rows: int


_WRITTEN = {"macro_f1": "macro F1", "entity_f1": "entity F1", "mase": "MASE"}


def _figure(value: float) -> str:
    if abs(value) < 10:
        return f"{value:.4f}"
    # That of a training that diverged may have hundreds of digits.
    return f"{value:.2f}" if abs(value) < 1e6 else f"{value:.1e}"
