"""Recurrences that read their own output of k steps before: k steps at a time, by any implementation."""

from collections.abc import Callable

import torch
from torch import Tensor

from sunhwan.cells import Parameters, State
from sunhwan.cells.lagged import Lagged
from sunhwan.ops.lazy_embedding import LazyEmbedding, materialised
from sunhwan.ops.reference import RecurrenceOutput, StepMasks


def run(
    cell: Lagged,
    x: Tensor | LazyEmbedding,
    parameters: Parameters,
    state: State,
    step_masks: StepMasks,
    recur: Callable[..., RecurrenceOutput],
    *,
    states: bool = False,
) -> RecurrenceOutput:
    """x (T, N, D), state → `RecurrenceOutput`. recur: runs the cell inside on [x; h_{t-k}].

    Of k steps all h_{t-k} are known before the first, so that they are an input like any other. states:
    `past` must be told at every step, which is (T, N, (k − 1)·P) numbers.
    """
    x, k, P = materialised(x), cell.lag, state[0].shape[1]
    T, N = x.shape[:2]
    *inner, past = state
    hold = None if step_masks.hold is None else step_masks.hold[:-1]
    step_masks = StepMasks(hold, step_masks.drop)
    # Padding alone holds a state here: how many steps of a row are real so far, (T, N).
    real = None if hold is None else (1 - hold[0][..., 0]).cumsum(0).long()
    # (k + steps so far, N, P): h_{-k} … h_{-1} before the first step.
    heard = torch.cat((past.view(N, k - 1, P).transpose(0, 1), inner[0].unsqueeze(0)))
    now = cell.of.state_type(*inner)
    pieces, parts = [heard], list[RecurrenceOutput]()
    for start in range(0, T, k):
        end = min(start + k, T)
        read = torch.cat((x[start:end], heard[: end - start]), -1)
        part = recur(cell.of, read, parameters, now, step_masks=step_masks.part(start, end))
        parts.append(part)
        pieces.append(part.output)
        now, heard = part.last, torch.cat((heard, part.output))[-k:]
    output = torch.cat([part.output for part in parts])
    if real is None and not states:
        return RecurrenceOutput(
            output, cell.state_type(*now, heard[:-1].transpose(0, 1).flatten(1))
        )
    every = torch.cat(pieces)
    after = torch.arange(1, T + 1, device=x.device).unsqueeze(1).expand(T, N)
    after = after if real is None else real.to(x.device)
    last = cell.state_type(*now, _past(every, after[-1:], k)[0])
    if not states:
        return RecurrenceOutput(output, last)
    known = [part.states for part in parts if part.states is not None]
    saved = tuple(torch.cat(v) for v in zip(*(part.saved for part in parts), strict=True))
    if len(known) < len(parts):
        return RecurrenceOutput(output, last, None, saved)
    fields = [torch.cat(field) for field in zip(*known, strict=True)]
    return RecurrenceOutput(output, last, cell.state_type(*fields, _past(every, after, k)), saved)


def _past(every: Tensor, after: Tensor, k: int) -> Tensor:
    """`past` (S, N, (k − 1)·P) after so many real steps (S, N), of all h (k + T, N, P)."""
    where = after.unsqueeze(-1) + torch.arange(k - 1, device=after.device)  # (S, N, k − 1)
    rows = torch.arange(every.shape[1], device=after.device).view(1, -1, 1)
    return every[where, rows].flatten(2)
