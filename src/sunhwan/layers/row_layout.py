"""Layout of a batch: where each row begins anew and where it ends, and in which order it is read."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.errors import ConfigError
from sunhwan.layers.segments import Segments, segments_of
from sunhwan.layers.sequences import backwards, checked_lengths, checked_resets, is_padding
from sunhwan.ops import LazyEmbedding, materialised
from sunhwan.ops.modes import tracing, values_known


class RowLayout(NamedTuple):
    """N rows of T steps, time first as everything inside a stack.

    resets (T, N): where a row begins anew; lengths (N) and padding (T, N, 1): of rows that end sooner; each
    None where there are none. orders: of each direction the step read at each step, None: as it is.
    known: whether resets and lengths are numbers at hand.
    """

    T: int
    N: int
    resets: Tensor | None
    lengths: Tensor | None
    padding: Tensor | None
    orders: list[Tensor | None]
    known: bool

    def input_of(self, x: Tensor | LazyEmbedding, *, materialise: bool) -> Any:
        """x (N, T, D) → (T, N, D), 0 behind a row's end. materialise: whether it must be a tensor."""
        if isinstance(x, LazyEmbedding) and self.padding is not None:
            # A token behind a row's end may be any number.
            x = LazyEmbedding(torch.where(self.padding.squeeze(-1).T, 0, x.ids), x.weight)
        if materialise or self.padding is not None:
            x = materialised(x)
        return self.without_padding(x.transpose(0, 1))

    def without_padding(self, values: Any) -> Any:
        """values (T, N, …) with 0 behind a row's end."""
        return values if self.padding is None else torch.where(self.padding, 0, values)

    def cuts(self) -> list[Segments | None]:
        """Of each direction the sequences that the rows hold, where a compiled kernel may read them so."""
        if not self.known or (self.lengths is None and self.resets is None):
            return [None] * len(self.orders)
        return [
            segments_of(self.T, self.N, self.lengths, self.resets, order) for order in self.orders
        ]


def row_layout(
    x: Tensor | LazyEmbedding,
    resets: Tensor | None,
    lengths: Tensor | Sequence[int] | None,
    directions: int,
) -> RowLayout:
    """Those of x (N, T, D), as `Recurrent.forward` is given them."""
    N, T = x.shape[:2]
    if tracing() and not (resets is None and lengths is None):
        raise ConfigError(
            "torch.jit.trace would keep the resets and lengths of this call for all others: trace "
            "without them, or export a layer whose rows are all as long"
        )
    resets = None if resets is None else checked_resets(resets, x)
    real = None if lengths is None else checked_lengths(lengths, x)
    known = all(values_known(value) for value in (resets, real) if value is not None)
    if known:
        # What changes nothing costs nothing.
        if resets is not None and not bool(resets.any()):
            resets = None
        if real is not None and bool((real == T).all()):
            real = None
    padding = None if real is None else is_padding(T, real).unsqueeze(-1)
    resets = None if resets is None else resets.T
    if resets is not None and padding is not None:
        resets = resets & ~padding.squeeze(-1)
    orders: list[Tensor | None] = [None]
    if directions == 2:
        orders.append(backwards(T, real, x.device))
    return RowLayout(T, N, resets, real, padding, orders, known)
