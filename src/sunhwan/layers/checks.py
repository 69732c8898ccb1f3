"""Checks of what a recurrent layer is called with: input, state, masks, and the place of the call."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from sunhwan.cells import State, check_state
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.ops import LazyEmbedding
from sunhwan.ops.modes import tracing, transformed, under_autocast

if TYPE_CHECKING:
    from sunhwan.layers.layer import RecurrentLayer
    from sunhwan.layers.regularisation import Masks


def check_input(x: Any, input_size: int, like: Tensor) -> None:
    """ShapeError unless x is (N, T, D) or (T, D), of the type and on the device of the weights."""
    needed = f"(N, T, {input_size}): batch rows, time steps, input size"
    if isinstance(x, PackedSequence):
        raise ShapeError(
            "the input is a PackedSequence: pass the padded tensor and lengths=, of "
            "torch.nn.utils.rnn.pad_packed_sequence(x, batch_first=True)"
        )
    if not isinstance(x, Tensor | LazyEmbedding):
        kind = type(x).__name__
        raise ShapeError(
            f"the input is {kind}, but a tensor {needed} is needed"
            + (": torch.as_tensor makes one" if hasattr(x, "__array__") else "")
        )
    if isinstance(x, LazyEmbedding) and x.ids.dtype not in (torch.int64, torch.int32):
        raise ShapeError(f"token numbers must be int64 or int32, not {x.ids.dtype}: ids.long()")
    if isinstance(x, LazyEmbedding) and x.dim() != 3:
        raise ShapeError(f"token numbers have shape {tuple(x.ids.shape)}, but (N, T) is needed")
    if x.dim() not in (2, 3) or x.shape[-1] != input_size:
        raise ShapeError(f"the input has shape {tuple(x.shape)}, but {needed} is needed")
    if not x.dtype.is_floating_point:
        cure = (
            "take real and imaginary part apart"
            if x.dtype.is_complex
            else ("x.float(), or the vectors of torch.nn.Embedding for token numbers")
        )
        raise ShapeError(
            f"the input holds {x.dtype}, but real floating-point numbers are needed: {cure}"
        )
    if isinstance(x, Tensor) and x.layout != torch.strided:
        raise ShapeError(f"the input is {x.layout}: x.to_dense() makes a dense tensor of it")
    if x.device != like.device:
        raise ShapeError(
            f"the input is on {x.device}, but the weights on {like.device}: move one of them with .to(…)"
        )
    if x.dtype != like.dtype and not under_autocast(x.device):
        raise ShapeError(
            f"the input is {x.dtype}, but the weights are {like.dtype}: convert one of them with .to(…)"
        )


def converted_state(state: Sequence[State], like: Tensor) -> list[State]:
    """The state in the type of the weights; ShapeError where it is not made of numbers with a fraction.

    A state of another type goes on from the same values, rounded to the layer's own.
    """
    found = []
    for fields in state:
        for value in fields:
            if not value.dtype.is_floating_point or value.device != like.device:
                raise ShapeError(
                    f"the state is {value.dtype} on {value.device}, but the weights are {like.dtype} "
                    f"on {like.device}: convert it with .to(…)"
                )
        whole = all(value.dtype == like.dtype for value in fields)
        kind: Any = type(fields)
        found.append(fields if whole else kind(*(value.to(like.dtype) for value in fields)))
    return found


def checked_state(
    stack: Sequence["RecurrentLayer"], state: Any, batch_size: int | None, *, directions: int = 1
) -> list[State]:
    """The state as one tuple of (N, H) a layer and direction, or a ShapeError.

    batch_size: N; None: whatever the state has.
    """
    names = ", ".join(stack[0].cell.state_type._fields)
    entries = len(state) if isinstance(state, Sequence) or getattr(state, "ndim", False) else 0
    if entries != len(stack):
        raise ShapeError(
            f"the state has {entries} entries for {len(stack)} layers: give a list, one tuple "
            f"({names}) of (N, H) a layer" + (" and direction" if directions > 1 else "")
        )
    if batch_size is None:
        batch_size = len(state[0][0]) if len(state[0]) and state[0][0].dim() else 0
    checked = [
        check_state(layer.cell, layer_state, batch_size, layer.hidden_size)
        for layer, layer_state in zip(stack, state, strict=True)
    ]
    return converted_state(checked, stack[0].W_x)


def check_masks(masks: Sequence["Masks"], layers: int, batch_size: int) -> None:
    """ShapeError unless there are masks for every layer, drawn for so many rows."""
    if len(masks) != layers:
        raise ShapeError(f"there are masks for {len(masks)} of {layers} layers")
    rows = {len(m.h) for m in masks if m.h is not None}
    rows |= {m.x.shape[1] for m in masks if m.x is not None}
    if rows - {batch_size}:
        raise ShapeError(
            f"the masks were drawn for {min(rows)} rows, but the batch has {batch_size}: "
            "draw_masks(batch_size) makes new ones"
        )


def check_stateful_call() -> None:
    """ConfigError where a layer that keeps its state would keep it in a graph, or would run twice."""
    if tracing() or torch.compiler.is_exporting() or transformed():
        raise ConfigError(
            "a stateful layer keeps its state outside of a graph, so it cannot be traced, exported or "
            "transformed by torch.func: make it with stateful=False and pass the state"
        )
    if not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1:
        raise ConfigError(
            "a stateful layer cannot be run again inside a backward pass, as torch.utils.checkpoint "
            "does: its state has gone on; make it with stateful=False and pass the state"
        )
