"""States between calls of a recurrent stack."""

from collections.abc import Sequence

import torch

from sunhwan.cells import State
from sunhwan.layers.layer import RecurrentLayer


def detach(state: Sequence[State], *, copy: bool = False) -> list[State]:
    """The same values without their history: where truncated BPTT cuts the gradient.

    Under `inference_mode` they are copied, for PyTorch does not train from tensors that were made there.
    """
    if not torch.compiler.is_compiling() and torch.is_inference_mode_enabled():
        with torch.inference_mode(False):
            return detach(state, copy=True)
    values = [[field.detach() for field in layer] for layer in state]
    return [
        type(layer)(*(field.clone() if copy else field for field in fields))
        for layer, fields in zip(state, values, strict=True)
    ]


def as_weights(state: Sequence[State], stack: Sequence[RecurrentLayer]) -> list[State]:
    """The same values on the device and in the type of each layer's weights."""
    return [
        layer.cell.state_type(*(field.to(layer.W_x) for field in fields))
        for layer, fields in zip(stack, state, strict=True)
    ]
