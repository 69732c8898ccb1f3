"""A plain stack called on a plain tensor: one call of a compiled kernel a layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sunhwan.cells import State
from sunhwan.layers.connections import CONNECTIONS
from sunhwan.layers.layer import RecurrentLayer, hooked
from sunhwan.ops import direct
from sunhwan.ops.direct import PLAIN

if TYPE_CHECKING:
    from sunhwan.layers.recurrent import Recurrent


def run_plain(
    recurrent: "Recurrent", x: Any, state: Sequence[State] | None
) -> tuple[Tensor, list[State]] | None:
    """Run a plain stack on a plain tensor by `ops.direct`; None for every other call."""
    own: Any = recurrent._modules
    layers: list[RecurrentLayer] = list(own["layers"]._modules.values())
    if (
        type(x) not in PLAIN or x.dim() != 3 or not x.is_cpu or x.layout != torch.strided
        or x.shape[2] != recurrent.input_size or not x.numel()
        or recurrent.bidirectional or recurrent.stateful
        or (len(layers) > 1 and recurrent.training and recurrent.dropout.p)
        or not (state is None or (type(state) in (list, tuple) and len(state) == len(layers)))
    ):  # fmt: skip
        return None
    for kind, between in ((nn.Identity, "norms"), (CONNECTIONS["none"], "connections")):
        for module in own[between]._modules.values():
            if type(module) is not kind or hooked(module):
                return None
    before: list[Any] = [None] * len(layers) if state is None else list(state)
    ready = []
    for layer, given in zip(layers, before, strict=True):
        made = layer.direct()
        if made is None or made[0].W_x.dtype != x.dtype:
            return None
        if state is not None and not direct.is_state(made[0], given, x.shape[0]):
            return None
        ready.append((layer.cell.state_type, *made, given))
    y, last = x, []
    for state_type, prepared, stored, given in ready:
        y, *fields = direct.run(prepared, y, given, stored)
        last.append(state_type(*fields))
    return y, last
