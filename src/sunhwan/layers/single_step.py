"""One step of rows some of which begin anew, as an acting policy takes it: only the state differs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.layers.checks import checked_state
from sunhwan.layers.sequences import checked_resets
from sunhwan.ops import LazyEmbedding
from sunhwan.ops.modes import eager

if TYPE_CHECKING:
    from sunhwan.layers.recurrent import Recurrent


def one_step_begins(x: Any, resets: Any, lengths: Any) -> bool:
    """Whether the call is of one step x (N, 1, D) with resets, and its numbers are at hand."""
    return (
        resets is not None
        and lengths is None
        and isinstance(x, Tensor)
        and x.dim() == 3
        and x.shape[1] == 1
        and x.device.type == "cpu"
        and eager()
    )


def begun_anew(
    recurrent: "Recurrent", x: Tensor | LazyEmbedding, state: Sequence[State] | None, resets: Any
) -> Sequence[State] | None:
    """The state before x (N, 1, D): the initial one in the rows of resets (N, 1); None: in all."""
    resets = checked_resets(resets, x)
    if state is None or not bool(resets.any()):
        return state
    N, stack = x.shape[0], recurrent.stack
    given = checked_state(stack, state, N, directions=recurrent.directions)
    return [
        layer.cell.state_type(
            *(torch.where(resets, new, old) for new, old in zip(fresh, before, strict=True))
        )
        for layer, fresh, before in zip(stack, recurrent.initial_state(N), given, strict=True)
    ]
