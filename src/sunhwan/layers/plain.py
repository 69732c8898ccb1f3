"""A plain stack called on a plain tensor or on tokens: one call of a compiled kernel a layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sunhwan.cells import State
from sunhwan.layers.connections import CONNECTIONS
from sunhwan.layers.layer import RecurrentLayer, hooked
from sunhwan.layers.regularisation import NO_MASKS, Masks
from sunhwan.ops import direct
from sunhwan.ops.direct import PLAIN
from sunhwan.ops.lazy_embedding import LazyEmbedding

if TYPE_CHECKING:
    from sunhwan.layers.recurrent import Recurrent


def run_plain(
    recurrent: "Recurrent",
    x: Any,
    state: Sequence[State] | None,
    masks: Sequence[Masks] | None,
) -> tuple[Tensor, list[State]] | None:
    """Run a plain stack on a plain tensor, or a `LazyEmbedding`, by `ops.direct`; None for another call."""
    own: Any = recurrent._modules
    layers: list[RecurrentLayer] = list(own["layers"]._modules.values())
    if (
        not _is_plain(x, recurrent.input_size)
        or recurrent.bidirectional or recurrent.stateful
        or (len(layers) > 1 and recurrent.training and recurrent.dropout.p)
        or not (masks is None or list(masks) == [NO_MASKS] * len(layers))
        or not (state is None or (type(state) in (list, tuple) and len(state) == len(layers)))
    ):  # fmt: skip
        return None
    for kind, between in ((nn.Identity, "norms"), (CONNECTIONS["none"], "connections")):
        for module in own[between]._modules.values():
            if type(module) is not kind or hooked(module):
                return None
    N = x.shape[0]
    before: list[Any] = [None] * len(layers) if state is None else list(state)
    ready = []
    for layer, given in zip(layers, before, strict=True):
        made = layer.direct()
        if made is None or made[0].W_x.dtype != x.dtype:
            return None
        if state is None and layer.learned_initial_state:
            given = layer.initial_state(N)
        if (state or given) and not direct.is_state(made[0], given, N):
            return None
        ready.append((layer.cell.state_type, *made, given))
    y, last = x, []
    if type(x) is LazyEmbedding and not x.folds:
        # Looked up in the order of time, so that the time-major view costs no copy.
        y = x.transpose(0, 1).materialise().transpose(0, 1)
    for state_type, prepared, stored, given in ready:
        y, *fields = direct.run(prepared, y, given, stored)
        last.append(state_type(*fields))
    return y, last


def _is_plain(x: Any, D: int) -> bool:
    """Whether this is (N, T, D), not empty and in this process's memory, or tokens of a table that is."""
    table = x
    if type(x) is LazyEmbedding:
        ids, table = x.ids, x.weight
        if (
            type(ids) not in PLAIN or ids.dtype not in (torch.int64, torch.int32)
            or ids.dim() != 2 or not ids.is_cpu or not ids.numel()
        ):  # fmt: skip
            return False
    return (
        type(table) in PLAIN
        and x.dim() == 3
        and table.is_cpu
        and table.layout == torch.strided
        and table.shape[-1] == D
        and bool(table.numel())
    )
