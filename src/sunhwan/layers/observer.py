"""Observers: they record what a recurrent stack or an attention computes in a model that runs unchanged."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.layers.layer import Look
from sunhwan.ops import LazyEmbedding, RecurrenceOutput, materialised

if TYPE_CHECKING:
    from sunhwan.layers.attention import Attended, Attention
    from sunhwan.layers.recurrent import Recurrent

Edit = Callable[[Tensor], Tensor]
"""What a stack reads instead of its input: x (N, T, D) → the same shape."""


class Traced(NamedTuple):
    """Result of `Recurrent.trace`: output, state, and all values over time.

    layers: one dictionary a layer and direction, name → (N, T, H): the fields of the state (h, c …)
    and, of `Look.GATES`, the values the cell's equation names (gates, candidates).
    steps: of `Look.STEPS`, one sequence a layer and direction: the state after each of the T steps,
    in the order of reading, which in a backward direction is from the end.
    inputs, initial: one a layer and direction: what it read (N, T, D), in the order of time, and the
    state before its first step.
    """

    output: Tensor
    state: list[State]
    layers: list[dict[str, Tensor]]
    steps: list[tuple[State, ...]]
    inputs: list[Tensor]
    initial: list[State]


class LayerRun(NamedTuple):
    """A layer's run: x (T, N, D) in the order of time, the state before, and the order of reading."""

    x: Tensor | LazyEmbedding
    before: State
    outcome: RecurrenceOutput
    order: Tensor | None


class Call(NamedTuple):
    """One call of a stack: what it read (N, T, D), as a node of PyTorch's graph, and what it made."""

    x: Tensor
    traced: Traced


class Observer:
    """The calls of one module so far. look: how much of a stack to record; edit: of what it reads."""

    def __init__(self, look: Look = Look.STATES, edit: Edit | None = None) -> None:
        self.look, self.edit, self.calls = look, edit, list[Any]()


@contextmanager
def observing(
    recurrent: "Recurrent", look: Look = Look.GATES, edit: Edit | None = None
) -> Iterator[list[Call]]:
    """Record every call of the stack inside the `with`, in the list that is yielded.

    The model around it computes what it always does, also where it calls the stack once a step.
    Observers of one stack nest: it is run once, as each of them looks, and tells all of it to each;
    edit changes what it reads, after the edits of the observers around.
    """
    with _attached(recurrent, Observer(look, edit)) as calls:
        yield calls


@contextmanager
def observing_attention(attention: "Attention") -> Iterator[list["Attended"]]:
    """Record what every call of an attention inside the `with` gave."""
    with _attached(attention, Observer()) as calls:
        yield calls


@contextmanager
def _attached(module: "Recurrent | Attention", observer: Observer) -> Iterator[list[Any]]:
    module._observers = (*module._observers, observer)
    try:
        yield observer.calls
    finally:
        module._observers = tuple(one for one in module._observers if one is not observer)


def run_observed(
    recurrent: "Recurrent",
    observers: Sequence[Observer],
    x: Tensor | LazyEmbedding,
    state: Sequence[State] | None,
    *context: Any,
) -> tuple[Tensor, list[State]]:
    """Run a stack and tell its observers. context: resets, lengths and masks, as `forward` has them."""
    read = materialised(x)
    if torch.is_grad_enabled() and not read.requires_grad:
        read = read.detach().requires_grad_()  # a tensor of its own: x is the caller's
    for observer in observers:
        if observer.edit is not None:
            read = observer.edit(read)
    look = reduce(or_, (observer.look for observer in observers))
    resets, lengths, masks = context
    traced = recurrent.trace(read, state, resets, lengths, masks, look)
    for observer in observers:
        observer.calls.append(Call(read, traced))
    return traced.output, traced.state


def joined(calls: Sequence[Call]) -> Call:
    """Calls that were one step after another → one over all of their steps."""
    if len(calls) == 1:
        return calls[0]
    traces = [call.traced for call in calls]
    layers = [
        {name: torch.cat([part[name] for part in parts], 1) for name in parts[0]}
        for parts in zip(*(traced.layers for traced in traces), strict=True)
    ]
    steps = [
        tuple(step for part in parts for step in part)
        for parts in zip(*(traced.steps for traced in traces), strict=True)
    ]
    inputs = [
        torch.cat(parts, 1) for parts in zip(*(traced.inputs for traced in traces), strict=True)
    ]
    output = torch.cat([traced.output for traced in traces], 1)
    x = torch.cat([call.x for call in calls], 1)
    state, initial = traces[-1].state, traces[0].initial
    return Call(x, Traced(output, state, layers, steps, inputs, initial))
