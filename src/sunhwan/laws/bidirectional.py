"""The backward direction is a forward layer on each row turned around at its own end."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.laws.case import Case, T, mapped, resets_for
from sunhwan.laws.compare import assert_equal, results
from sunhwan.laws.sequences import joined
from sunhwan.layers import Recurrent, RecurrentLayer

BOUND = 1e-12
LENGTHS = (T, 3, 1, 0)


def backward_is_forward_reversed(case: Case, merge: str = "concat") -> float:
    """Outputs, states and all gradients, each row alone; with lengths and with resets."""
    layer = case.but(bidirectional=True, merge=merge).build()
    x, state = case.but(bidirectional=True).inputs(rows=len(LENGTHS))
    real = torch.arange(T) < torch.tensor(LENGTHS).unsqueeze(1)
    nowhere = torch.zeros(len(LENGTHS), T, dtype=torch.bool)
    largest = 0.0
    for lengths in ([T] * len(LENGTHS), LENGTHS):
        for resets in (nowhere, resets_for(len(LENGTHS)) & real):

            def apart(
                x: Tensor,
                state: list[State] | None,
                resets: Tensor = resets,
                lengths: Sequence[int] = lengths,
            ) -> tuple[Tensor, list[State]]:
                return _apart(layer, x, state or [], resets, lengths)

            def together(
                x: Tensor,
                state: list[State] | None,
                resets: Tensor = resets,
                lengths: Sequence[int] = lengths,
            ) -> tuple[Tensor, list[State]]:
                output, last = layer(x, state, resets, lengths)
                return output, list(last)

            where = "rows turned around" + (", with resets" if resets.any() else "")
            found = assert_equal(
                results(layer, x, state, together),
                results(layer, x, state, apart),
                BOUND,
                where=where,
            )
            largest = max(largest, found)
    return largest


def directions_may_be_added(case: Case) -> float:
    """The same where the two directions are summed."""
    return backward_is_forward_reversed(case, "sum")


def _apart(
    layer: Recurrent, x: Tensor, state: Sequence[State], resets: Tensor, lengths: Sequence[int]
) -> tuple[Tensor, list[State]]:
    """Row by row, level by level, each direction on its pieces between resets."""
    outputs, ends = [], []
    for row, length in enumerate(lengths):
        y = x[row, :length].unsqueeze(1)
        cuts = [t for t in range(length) if resets[row, t]]
        now = mapped(state, lambda field, row=row: field[row : row + 1])  # type: ignore[misc]
        for level in range(len(layer.stack) // 2):
            there, back = 2 * level, 2 * level + 1
            one, now[there] = _pieces(layer.stack[there], y, now[there], cuts)
            # Read from the end, the piece behind a cut comes first: the cut lies behind its last step.
            turned = [length - cut for cut in reversed(cuts) if cut]
            other, now[back] = _pieces(layer.stack[back], y.flip(0), now[back], turned)
            both = (one, other.flip(0))
            y = one + both[1] if layer.merge == "sum" else torch.cat(both, -1)
        behind = y.new_zeros(x.shape[1] - length, 1, layer.output_size)
        outputs.append(torch.cat((y, behind)).transpose(0, 1))
        ends.append(now)
    return torch.cat(outputs), joined(ends)


def _pieces(
    layer: RecurrentLayer, x: Tensor, state: State, cuts: Sequence[int]
) -> tuple[Tensor, State]:
    """x (T, 1, D) in pieces that start at the cuts, each from the initial state."""
    outputs = [x.new_zeros(0, 1, layer.output_size)]
    for start, end in zip([0, *cuts], [*cuts, len(x)], strict=True):
        if start in cuts:
            state = layer.initial_state(1)
        if end > start:
            outcome = layer(x[start:end], state)
            outputs.append(outcome.output)
            state = outcome.last
    return torch.cat(outputs), state
