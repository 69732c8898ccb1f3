"""Rows cut into the sequences they hold: packed, so that neither padding nor a reset costs a step.

A row ends at its length, and at every reset a new sequence begins in it. Each such segment is a row
of its own to a recurrence that reads packed sequences (`torch.nn.utils.rnn.PackedSequence`): the
longest first, at each step only those that are as long.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import Cell, State
from sunhwan.layers.sequences import resets_in_order
from sunhwan.ops import LazyEmbedding, StepMasks


class Rearranged(torch.autograd.Function):
    """Rows of values (M, size) in another order (L, size), each read once, and so is the gradient.

    there (L), back (M): which row is read, and where it went. Rows of `absent_there` in what is made, and
    of `absent_back` in the gradient, are 0; None: there are none. Autograd's own gradient of a reading
    adds up into zeros, which costs several times as much.
    """

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        there: Tensor,
        absent_there: Tensor | None,
        back: Tensor,
        absent_back: Tensor | None,
    ) -> Tensor:
        ctx.back = back, absent_back
        return read_rows(values, there, absent_there)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return read_rows(gradient, *ctx.back), None, None, None, None


def read_rows(values: Tensor, which: Tensor, absent: Tensor | None) -> Tensor:
    """values[which] (L, size), 0 where absent (L)."""
    found = values.index_select(0, which)
    return found if absent is None else found.masked_fill(absent.unsqueeze(1), 0)


class Segments(NamedTuple):
    """The M segments of N rows of T steps, S steps together.

    counts: how many segments are as long as step 0, 1, …. take (S): where a packed step lies in the
    rows, n · T + t. put (N · T): where a step of a row lies among the packed ones, 0 for padding.
    padding (N · T): true behind a row's end; None: there is none. row (M): the row of each segment.
    goes_on (M): whether it begins with the state the call was given. end (N): each row's last
    segment; empty (N): rows without a step.
    """

    counts: Tensor
    take: Tensor
    put: Tensor
    padding: Tensor | None
    row: Tensor
    goes_on: Tensor
    end: Tensor
    empty: Tensor

    def pack(self, values: Tensor) -> Tensor:
        """(T, N, size) → (S, size)."""
        if values.requires_grad or values.transpose(0, 1).is_contiguous():
            rows = values.transpose(0, 1).flatten(0, 1)
            packed: Tensor = Rearranged.apply(rows, self.take, None, self.put, self.padding)  # type: ignore[no-untyped-call]
            return packed
        T, N = values.shape[:2]
        return values.flatten(0, 1).index_select(0, self.take % T * N + self.take // T)

    def pack_input(self, x: Tensor | LazyEmbedding) -> Tensor | LazyEmbedding:
        """(T, N, D) → (S, D), token numbers too."""
        if isinstance(x, LazyEmbedding):
            return LazyEmbedding(self.pack(x.ids.unsqueeze(-1)).squeeze(-1), x.weight)
        return self.pack(x)

    def unpack(self, values: Tensor) -> Tensor:
        """(S, size) → (T, N, size), 0 behind a row's end."""
        found: Tensor = Rearranged.apply(values, self.put, self.padding, self.take, None)  # type: ignore[no-untyped-call]
        N = len(self.end)
        return found.view(N, -1, values.shape[1]).transpose(0, 1)

    def begin(self, cell: Cell, state: State, fresh: State) -> State:
        """The state before each segment (M, size): the call's, or the initial one."""
        if bool(self.goes_on.all()):
            first = (field.index_select(0, self.row) for field in state)
        else:
            pairs = zip(state, fresh, strict=True)
            first = (
                torch.where(
                    self.goes_on.unsqueeze(1),
                    given.index_select(0, self.row),
                    new.index_select(0, self.row),
                )
                for given, new in pairs
            )
        found: State = cell.state_type(*first)
        return found

    def last(self, cell: Cell, ends: State, state: State) -> State:
        """The state after each row's last step (N, size), of that after each segment."""
        found = (field.index_select(0, self.end) for field in ends)
        if bool(self.empty.any()):
            pairs = zip(state, found, strict=True)
            found = (torch.where(self.empty.unsqueeze(1), before, after) for before, after in pairs)
        last: State = cell.state_type(*found)
        return last

    def step_masks(self, step_masks: StepMasks) -> StepMasks:
        """Step masks, laid out in the same way."""
        hold = (
            None
            if step_masks.hold is None
            else tuple(self.pack(field) for field in step_masks.hold)
        )
        return StepMasks(
            hold, None if step_masks.drop is None else step_masks.drop.index_select(0, self.row)
        )


def segments_of(
    steps: int,
    rows: int,
    lengths: Tensor | None,
    resets: Tensor | None,
    order: Tensor | None = None,
) -> Segments | None:
    """Of lengths (N) and resets (T, N); None where no row has a step.

    order (T, N) or (T, 1): for each step of a backward direction the step it reads, see `backwards`."""
    if not steps or not rows:
        return None
    T, N = steps, rows
    resets = resets_in_order(resets, order)
    t = torch.arange(T)
    length = torch.full((N,), T) if lengths is None else lengths.long()
    real = t < length.unsqueeze(1)
    begins = torch.zeros(N, T, dtype=torch.bool)
    begins[:, 0] = True
    if resets is not None:
        begins |= resets.T
    begins &= real
    where = begins.flatten().nonzero().squeeze(1)
    if not len(where):
        return None
    row, first = where // T, where % T
    # A segment ends where the next one of its row begins, or with the row.
    after = torch.cat((where[1:], where.new_full((1,), N * T)))
    size = torch.minimum(after - row * T, length[row]) - first
    longest_first = size.argsort(descending=True, stable=True)
    rank = torch.empty_like(longest_first)
    rank[longest_first] = torch.arange(len(rank))
    counts = size.bincount().flip(0).cumsum(0).flip(0)[1:]
    start = counts.cumsum(0) - counts
    own = (begins.flatten().cumsum(0) - 1).clamp_(min=0)
    step = (t - first[own].view(N, T)).flatten().clamp_(min=0)
    inside = real.flatten()
    put = torch.where(inside, start[step.clamp(max=len(start) - 1)] + rank[own], 0)
    take = torch.empty(int(counts.sum()), dtype=torch.int64)
    take[put[inside]] = inside.nonzero().squeeze(1)
    going = first == 0
    if resets is not None:
        going &= ~resets[0][row]
    # Of several segments of a row the last.
    is_last = torch.cat((row[1:] != row[:-1], row.new_ones(1, dtype=torch.bool)))
    end = torch.zeros(N, dtype=torch.int64)
    end[row[is_last]] = rank[is_last]
    whole = bool(inside.all())
    if order is not None:
        # Each segment is read from its end: what lay at step t lies at order[t].
        turned = (torch.arange(N).unsqueeze(1) * T + order.T).expand(N, T).flatten()
        take, put = turned[take], put[turned]
    return Segments(
        counts,
        take,
        put,
        None if whole else ~inside,
        row[longest_first],
        going[longest_first],
        end,
        length == 0,
    )
