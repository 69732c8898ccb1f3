"""Trace of one passage: states, gates, surprise and attention weights at every step."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sunhwan.errors import UsageError, did_you_mean
from sunhwan.inspection.subjects import Observation, Passage, Subject
from sunhwan.layers import Pooling, observing_attention
from sunhwan.layers.attention import Attended

Array = npt.NDArray[np.float64]

OPEN, OFTEN = 0.9, 0.9
"""A gate above the first counts as open, a unit whose gate is that in this share of the steps too."""


class Trace(NamedTuple):
    """Trace of a layer over a passage, T steps of its stack.

    pieces, labels: of the steps, as a passage has them. surprise: (T), −log p in nats of the token that
    is read at the step, NaN where it was not predicted. layer: its place in the stack, of two directions
    the forward one first. values: name → (T, H), in the order of time. attention: (P, S), the share
    of each of S steps (sources) in each of P predictions (targets), rows of sum 1; None where nothing
    attends. keep: the gate that keeps the memory, `Cell.keep`, and open: the units whose gate is above
    0.9 in at least 90 % of the steps, as Karpathy et al. (2015) count those that saturate.
    """

    pieces: tuple[str, ...]
    labels: tuple[str, ...]
    surprise: Array
    stack: str
    layer: int
    values: dict[str, Array]
    attention: Array | None
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    open: list[int]
    keep: str


def trace(
    subject: Subject,
    passage: Passage,
    *,
    stack: str | None = None,
    layer: int = 0,
    values: Sequence[str] | None = None,
) -> Trace:
    """Read a passage and look at one layer; of an answer that is written, by teacher forcing.

    stack: its name, the first by default. values: names of states and gates; None: all there are.
    UsageError for a stack, layer or value that the model does not have.
    """
    stack = subject.main if stack is None else stack
    if stack not in subject.recurrents:
        names = ", ".join(subject.recurrents)
        near = did_you_mean(stack, subject.recurrents)
        raise UsageError(f"the model has no stack {stack!r}{near}: choose from {names}")
    layers = subject.recurrents[stack].stack
    if not 0 <= layer < len(layers):
        raise UsageError(
            f"there is no layer {layer} in the {stack}: choose from 0 … {len(layers) - 1}"
        )
    attention = subject.attention
    with torch.no_grad(), ExitStack() as open_:
        looked = open_.enter_context(observing_attention(attention)) if attention else []
        seen = subject.observe([passage])
    pieces, labels = subject.steps(passage, stack)
    T, keep = len(labels), layers[layer].cell.keep
    found = seen.runs[stack].traced.layers[layer]
    weights = _weights(subject, seen, looked)
    attends = weights is not None
    return Trace(
        pieces,
        labels,
        _surprise(seen, stack, T),
        stack,
        layer,
        {name: _array(found[name][0, :T]) for name in _chosen(found, values)},
        weights,
        tuple(subject.predicted(passage)) if attends else (),
        passage.labels if attends else (),
        open_units(_array(found[keep][0, :T])) if keep in found else [],
        keep,
    )


def open_units(gate: Array) -> list[int]:
    """gate (T, H) → the units that are above 0.9 in at least 90 % of the steps."""
    if not len(gate):
        return []
    return [int(unit) for unit in np.flatnonzero((gate > OPEN).mean(0) >= OFTEN)]


def by_character(
    pieces: Sequence[str], values: Array, how: Literal["sum", "last"]
) -> tuple[tuple[str, ...], Array]:
    """Values of steps, (T) or (T, H), → one for each piece that is not "".

    A token that adds nothing to the text continues the piece before it: the letters of a Hangul
    syllable, the bytes of a character. "sum" is for what adds up, as surprise does; "last" is what
    stands when all is read. Steps before the first piece are left out.
    """
    starts = [t for t, piece in enumerate(pieces) if piece]
    texts = tuple(pieces[t] for t in starts)
    if not starts:
        return texts, values[:0]
    if how == "sum":
        return texts, np.add.reduceat(values, starts, axis=0)
    ends = np.array([*starts[1:], len(pieces)])
    return texts, values[ends - 1]


def _surprise(seen: Observation, stack: str, steps: int) -> Array:
    """Of what a language model or a decoder reads: prediction p is of what step p + 1 reads."""
    surprise = np.full(steps, np.nan)
    if stack in ("recurrent", "decoder"):
        losses = seen.losses[0, : max(steps - 1, 0)]
        surprise[1 : 1 + len(losses)] = _array(losses)
    return surprise


def _chosen(found: Iterable[str], names: Sequence[str] | None) -> Iterable[str]:
    for name in names or ():
        if name not in found:
            raise UsageError(
                f"the layer has no value {name!r}{did_you_mean(name, found)}: choose from "
                f"{', '.join(found)}"
            )
    return found if names is None else names


def _weights(subject: Subject, seen: Observation, looked: Sequence[Attended]) -> Array | None:
    """(P, S) of the decoder's attention, or (1, T) of one that pools."""
    if looked:
        return _array(torch.cat([one.weights for one in looked], 1)[0])
    pooling = getattr(subject.task.model, "pooling", None)
    if not isinstance(pooling, Pooling) or pooling.kind != "attention":
        return None
    read = seen.runs[subject.main]
    return _array(pooling.weights(read.traced.output, read.lengths))


def _array(values: Tensor) -> Array:
    found: Array = values.detach().double().cpu().numpy()
    return found
