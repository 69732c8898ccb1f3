"""Seeing what a recurrent stack computes while the model around it runs as ever."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.layers import Look, Recurrent, Traced
from sunhwan.ops import Embedded, materialised

Edit = Callable[[Tensor], Tensor]
"""What a stack is given instead of its input: x (N, T, D) → the same shape."""


class Call(NamedTuple):
    """One call of a stack: what it read (N, T, D), as a node of PyTorch's graph, and what it made."""

    x: Tensor
    traced: Traced


@contextmanager
def watching(
    recurrent: Recurrent, look: Look = Look.GATES, edit: Edit | None = None
) -> Iterator[list[Call]]:
    """Every call of the stack inside the `with` is traced; they are in the list that is yielded.

    The model around it computes what it always does, also where it calls the stack once a step.
    edit: changes what the stack reads.
    """
    seen: list[Call] = []

    def watched(
        x: Tensor | Embedded,
        state: Sequence[State] | None = None,
        resets: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        masks: Any = None,
    ) -> tuple[Tensor, list[State]]:
        read = materialised(x)
        if torch.is_grad_enabled() and not read.requires_grad:
            read = read.requires_grad_()
        if edit is not None:
            read = edit(read)
        traced = recurrent.trace(read, state, resets, lengths, masks, look)
        seen.append(Call(read, traced))
        return traced.output, traced.state

    recurrent.forward = watched  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        del recurrent.forward


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
    output = torch.cat([traced.output for traced in traces], 1)
    x = torch.cat([call.x for call in calls], 1)
    return Call(x, Traced(output, traces[-1].state, layers, steps))
