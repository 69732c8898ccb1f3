"""Unrolled network: layers, sizes, and the blocks of truncated backpropagation through time."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import nn

from sunhwan.config import Config
from sunhwan.inspection.measures.saved_values import (
    SavedNumbers,
    backend_of,
    saved_by_layers,
    saved_by_output,
)
from sunhwan.inspection.subjects import Subject
from sunhwan.models.softmax import FULL
from sunhwan.ops import folding_is_cheaper


class UnrolledLayer(NamedTuple):
    """A layer, or one direction of it: D = input_size, H = hidden_size.

    states: the fields of its state and their sizes. parameters: numbers by the names of its equation.
    backend: what runs it here, in training.
    """

    stack: str
    layer: int
    direction: str
    cell: str
    input_size: int
    hidden_size: int
    output_size: int
    states: dict[str, int]
    parameters: dict[str, int]
    backend: str
    saved: SavedNumbers


class MemoryByLength(NamedTuple):
    """Bytes that a block keeps for its backward pass, by how many steps the gradient goes back.

    full: every step is kept; sqrt: about 2 √T of them, each computed twice. own: the place of the run's T.
    """

    lengths: list[int]
    full: list[int]
    sqrt: list[int]
    own: int


class Unrolling(NamedTuple):
    """A network in numbers, and how truncated backpropagation through time cuts what it learns from.

    tokens: rows of the embedding of what is read (V), 0 where that is no tokens. input_size: D of the
    first layer. output_size: how many there are to choose from in a prediction. parameters: by part;
    total: all. batch_size: N.

    block_length: T. A block of N rows and T steps begins in the states in which the last one ended, but
    the gradient stops at its border: it passes through T steps at most. None: each row is an example,
    read as a whole from the initial state, and no gradient is cut.
    bptt_length: k2, how far the gradient goes back from a block's end; T but where blocks overlap.
    reset_probability: chance that a row begins a block in the initial state instead.
    piece_length, pieces: with bptt_memory "sqrt" the block is kept in pieces, of which only the first
    state is there until the piece is computed once more; else it is one piece.
    output_saved: numbers a step and row that the output layer keeps.
    bytes: what a block keeps for its backward pass, parameters left out; None without blocks.
    memory: the same for other lengths.
    """

    layers: list[UnrolledLayer]
    tokens: int
    input_size: int
    output_size: int
    parameters: dict[str, int]
    total: int
    batch_size: int
    block_length: int | None
    bptt_length: int | None
    reset_probability: float
    piece_length: int | None
    pieces: int
    output_saved: int | None
    bytes: int | None
    memory: MemoryByLength | None


def unrolled(subject: Subject, config: Config) -> Unrolling:
    """What a run of this configuration trains, and what it keeps for each backward pass.

    Truncated backpropagation through time after Williams and Peng (1990); of pieces Chen et al. (2016).
    Counted for the backend that runs each layer here; PyTorch's fused operators, which do not tell what
    they keep, are counted as the reference.
    """
    model: Any = subject.task.model
    output, (tokens, inputs) = subject.output_layer, subject.input_layers
    text = subject.running_text and config.data.batches == "streams"
    T = config.data.block_length if text else None
    back = max(T, config.data.bptt_length) if T else None
    kept = _kept(subject, config, back, config.training.bptt_memory)
    layers = kept.layers
    own = {id(p) for module in inputs for p in module.parameters()}
    total = _count(model.parameters())
    parameters = {
        "input": _count(p for module in inputs for p in module.parameters()),
        "layers": sum(sum(layer.parameters.values()) for layer in layers),
        "output": _count(p for p in output.parameters() if id(p) not in own),
    }
    return Unrolling(
        layers=layers,
        tokens=tokens,
        input_size=layers[0].input_size,
        output_size=output.out_features if isinstance(output, nn.Linear) else tokens,
        parameters=parameters | {"others": total - sum(parameters.values())},
        total=total,
        batch_size=config.data.batch_size,
        block_length=T,
        bptt_length=back,
        reset_probability=config.data.reset_probability if text else 0.0,
        piece_length=kept.piece,
        pieces=kept.pieces,
        output_saved=kept.output_saved,
        bytes=kept.bytes,
        memory=_by_length(subject, config, back) if back and kept.bytes else None,
    )


class _Kept(NamedTuple):
    """What a block keeps, in pieces of so many steps."""

    layers: list[UnrolledLayer]
    piece: int | None
    pieces: int
    output_saved: int | None
    bytes: int | None


def _kept(subject: Subject, config: Config, T: int | None, memory: str) -> _Kept:
    """T: steps through which the gradient goes; None: examples are read whole, and nothing is counted.

    Where that is more than a block has new steps, the loss is of the new ones alone.
    """
    model: Any = subject.task.model
    output, (tokens, _) = subject.output_layer, subject.input_layers
    N = config.data.batch_size
    piece = math.isqrt(T - 1) + 1 if T and memory == "sqrt" else T
    new = min(T or 1, config.data.block_length) if config.data.bptt_length else T
    counted = min(piece or 1, new or 1)
    rows = N * (piece or 1)
    folded = T is not None and folding_is_cheaper(tokens, rows)
    layers = [
        layer for name in subject.recurrents for layer in _layers(subject, name, folded=folded)
    ]
    if not (T and piece):
        return _Kept(layers, None, 1, None, None)
    pieces = len({*range(0, T, piece), (new or T) % T})
    if getattr(model, "softmax", FULL).sparse or not isinstance(output, nn.Linear):
        return _Kept(layers, piece, pieces, None, None)  # as much as the tokens of a block ask for
    output_saved, gradients = saved_by_output(model.recurrent, output, config.model, N * counted)
    size = output.weight.element_size()
    # Two ids a step, of 8 bytes: what is read and what comes next.
    step = 2 * 8 + size * sum(layer.saved.total for layer in layers)
    start = size * sum(sum(layer.states.values()) for layer in layers)
    outputs = counted * size * output_saved
    total = N * (piece * step + outputs + pieces * start) + size * gradients
    return _Kept(layers, piece, pieces, output_saved, total)


def _by_length(subject: Subject, config: Config, own: int) -> MemoryByLength:
    """At the run's own length and powers of 2 around it."""
    lengths = sorted({own, *(2**k for k in range(3, max(13, own.bit_length() + 2)))})
    full, root = (
        [_kept(subject, config, T, memory).bytes or 0 for T in lengths]
        for memory in ("full", "sqrt")
    )
    return MemoryByLength(lengths, full, root, lengths.index(own))


def _layers(subject: Subject, stack: str, *, folded: bool) -> list[UnrolledLayer]:
    recurrent = subject.recurrents[stack]
    # An encoder reads rows of unequal lengths; a decoder, whose texts end anywhere, reads on.
    ragged = stack == "encoder"
    saved = saved_by_layers(recurrent, ragged=ragged, folded=folded)
    found = []
    for place, (layer, own) in enumerate(zip(recurrent.stack, saved, strict=True)):
        level, second = divmod(place, recurrent.directions)
        sizes = layer.cell.state_sizes(layer.hidden_size)
        found.append(
            UnrolledLayer(
                stack=stack,
                layer=level,
                direction="backward" if second else "forward",
                cell=type(layer.cell).__name__,
                input_size=layer.input_size,
                hidden_size=layer.hidden_size,
                output_size=layer.output_size,
                states=dict(zip(layer.cell.state_type._fields, sizes, strict=True)),
                parameters={
                    name.removesuffix("_T"): p.numel() for name, p in layer.named_parameters()
                },
                backend=backend_of(layer, ragged=ragged),
                saved=own,
            )
        )
    return found


def _count(parameters: Iterable[nn.Parameter]) -> int:
    return sum(p.numel() for p in parameters)
