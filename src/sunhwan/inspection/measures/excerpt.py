"""Text excerpt with values a character: surprise, and the values of chosen units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sunhwan.inspection.features import Feature
from sunhwan.inspection.measures.attribution import Attribution
from sunhwan.inspection.measures.probes import ProbeResult
from sunhwan.inspection.measures.traces import Trace, by_character, trace
from sunhwan.inspection.subjects import Passage, Subject

Values = npt.NDArray[np.float64]

LINES = 8
"""So many examples stand one under the other where a passage is short."""


@dataclass(frozen=True)
class UnitValues:
    """A unit and its value at each character, (C), turned so that more of it is more of a feature."""

    feature: str
    korean: str
    stack: str
    layer: int
    field: str
    index: int
    values: Values


class Excerpt(NamedTuple):
    """A text of C characters or longer pieces. surprise: (C) nats, NaN where nothing is predicted."""

    where: str
    pieces: tuple[str, ...]
    surprise: Values
    units: tuple[UnitValues, ...]


def excerpt(
    subject: Subject, passages: Sequence[Passage], results: Sequence[ProbeResult]
) -> Excerpt:
    """The passages, one after the other, with the units that the results name.

    Units of other stacks than the first, which read other steps, are left out.
    """
    own = [one for one in results if one.stack == subject.main]
    layers = {one.layer for one in own} or {0}
    parts = [_of_passage(subject, passage, own, sorted(layers)) for passage in passages]
    pieces = [piece for pieces, *_ in parts for piece in (*pieces, "\n")][:-1]
    columns = np.concatenate([_ended(values) for _, values in parts], axis=0)[: len(pieces)]
    units = tuple(
        UnitValues(
            one.feature,
            one.korean,
            one.stack,
            one.layer,
            one.field,
            one.index,
            columns[:, 1 + number],
        )
        for number, one in enumerate(own)
    )
    return Excerpt(passages[0].where, tuple(pieces), columns[:, 0], units)


def _of_passage(
    subject: Subject, passage: Passage, results: Sequence[ProbeResult], layers: Sequence[int]
) -> tuple[tuple[str, ...], Values]:
    """The pieces, and their surprise and each result's unit as columns."""
    traces = {layer: trace(subject, passage, layer=layer) for layer in layers}
    units = [
        traces[one.layer].values[one.field][:, one.index] * (-1 if one.sign < 0 else 1)
        for one in results
    ]
    first = traces[layers[0]]
    pieces, surprise = read_along(first, first.surprise, "sum")
    values = np.stack(units, axis=1) if units else np.empty((len(first.pieces), 0))
    _, columns = read_along(first, values, "last")
    return pieces, np.column_stack([surprise, columns])


def _ended(values: Values) -> Values:
    """With a row for the line break behind a passage."""
    return np.concatenate([values, np.full((1, values.shape[1]), np.nan)])


def read_along(
    one: Trace | Attribution, values: Values, how: Literal["sum", "last"]
) -> tuple[tuple[str, ...], Values]:
    """`by_character`; where steps are no text, as of sound, a step each, by its label."""
    if not any(one.pieces):
        return one.labels, values
    return by_character(one.pieces, values, how)


def varied(
    subject: Subject,
    passages: Sequence[Passage],
    features: Sequence[Feature],
    length: int,
    count: int = 8,
) -> list[Passage]:
    """Of `count` stretches the one in which most of the features change; of examples the first few."""
    found = subject.windows(passages, length, count)
    if not subject.running_text:
        return found[:LINES]

    def changing(passage: Passage) -> int:
        return sum(len(set(feature.of(passage.text).tolist())) > 1 for feature in features)

    return [max(found, key=changing)] if found else []
