"""Saved numbers: how many of each step training keeps for the backward pass."""

from typing import NamedTuple

import torch
from torch import nn

from sunhwan.cells import Cell, Lagged, can_derive, derive, has_backward
from sunhwan.config import ModelConfig
from sunhwan.layers import Recurrent, RecurrentLayer
from sunhwan.layers.connections import Highway, Plain
from sunhwan.ops import choose
from sunhwan.ops.cross_entropy import WHOLE
from sunhwan.ops.native import kernel_of


class SavedNumbers(NamedTuple):
    """Numbers that a layer keeps of one step of one row.

    inputs: what the input product, dropout and norms need of what it reads; 0 where that is the state
    of the layer below, which is kept anyway. gates: what is saved of the cell's equation. states: every
    field, twice where padding or zoneout may hold it, and the random numbers of zoneout. The compiled
    kernels keep nothing of padding.
    """

    inputs: int
    gates: int
    states: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


def backend_of(layer: RecurrentLayer, *, ragged: bool) -> str:
    """The implementation that runs a layer in training, here."""
    return _choice(layer.cell, layer, ragged=ragged)


def _choice(cell: Cell, layer: RecurrentLayer, *, ragged: bool) -> str:
    needs_internal_access = (
        ragged or max(layer.zoneout, layer.zoneout_cell, layer.recurrent_dropout) > 0
    )
    return choose(
        cell, layer.W_x.device, layer.W_x.dtype,
        hidden_size=layer.hidden_size, backend=layer.backend, needs_internal_access=needs_internal_access,
    ).backend  # fmt: skip


def saved_by_layers(recurrent: Recurrent, *, ragged: bool, folded: bool) -> list[SavedNumbers]:
    """Saved values of every layer and direction of a stack.

    ragged: rows have ends. folded: the first product is over a table of tokens, see `LazyEmbedding`.
    """
    directions, found = recurrent.directions, list[SavedNumbers]()
    made = True  # what is read is a tensor of its own, which nothing below keeps
    levels = zip(recurrent.norms, recurrent.connections, strict=True)
    for level, (norm, around) in enumerate(levels):
        layers = recurrent.stack[level * directions :][:directions]
        D, inputs = layers[0].input_size, 0
        table = folded and not level
        normed, drops = not isinstance(norm, nn.Identity), level > 0 and recurrent.dropout.p > 0
        past_layer = made and drops and not normed  # then only the connection may need it
        if normed:
            # The norm keeps what it reads, and the mean and the scale of each row.
            inputs, made = (D if made else 0) + 2, True
        if drops:
            # Locked, one mask serves all steps.
            inputs, made = inputs + (0 if recurrent.locked_dropout else D), True
        if made and not table:
            inputs += D
        if isinstance(around, Highway):
            inputs += around.output_size + (D if past_layer else 0)
        for second, layer in enumerate(layers):
            # The backward direction reads a copy that is turned around.
            found.append(_of_layer(layer, D if second else inputs, ragged=ragged, table=table))
        made = recurrent.bidirectional or type(around) is not Plain
    return found


def saved_by_output(
    recurrent: Recurrent, output: nn.Linear, config: ModelConfig, rows: int
) -> tuple[int, int]:
    """What the output layer keeps over `rows` steps of a language model: numbers a step, and in all.

    Up to 2²² logits their softmax is kept; beyond that, in its place, the gradients of what it reads
    and of its parameters. What it reads is kept too, where that is not the state of the layer below.
    """
    V, H = output.weight.shape
    plain = not recurrent.bidirectional and type(recurrent.connections[-1]) is Plain
    made = not plain or config.dropout > 0
    mask = H if config.dropout and not config.locked_dropout else 0
    if rows * V > WHOLE:
        return mask + (H if made else 0) + H, V * H + V
    return mask + (H if made else 0) + V, 0


def _of_layer(layer: RecurrentLayer, inputs: int, *, ragged: bool, table: bool) -> SavedNumbers:
    cell, H = layer.cell, layer.hidden_size
    if isinstance(cell, Lagged):
        # What it reads is a copy with its own output of before behind it, and its output is joined.
        cell, inputs, table = cell.of, layer.input_size + 2 * layer.output_size, False
    plain = type(cell).inputs is Cell.inputs
    if not plain and not table:
        inputs += len(cell.gates) * H  # a product before something else is done with it
    backend = _choice(cell, layer, ragged=ragged)
    by_kernel = backend == "native"
    gates = _by_kernel(cell, layer, plain or table) if by_kernel else _by_cell(cell, layer)
    if backend == "reference" or (backend == "native" and not plain):
        gates += len(cell.gates) * H  # the input products, for a second derivative
    if backend == "scan":
        gates += (len(cell.gates) - 1) * H  # what is saved as a part of a keeps all of it
    sizes = cell.state_sizes(H)
    rates = [layer.zoneout, *[layer.zoneout_cell] * (len(sizes) - 1)]
    drawn = sum(size for size, rate in zip(sizes, rates, strict=True) if rate)
    packs = ragged and backend == "native"
    if packs:
        # A copy of what is read, without padding, and where each step lies in the rows and back.
        inputs = max(inputs, layer.input_size) + 4
    twice = (ragged and not packs) or drawn > 0
    return SavedNumbers(inputs, gates, sum(sizes) * (1 + twice) + drawn)


def _by_cell(cell: Cell, layer: RecurrentLayer) -> int:
    """The saved values of one step of the cell's equation, by taking one."""
    fields = len(cell.state_type._fields)
    if not has_backward(cell) and can_derive(cell):
        cell = derive(cell)  # which saves more
    with torch.no_grad():
        parameters = cell.effective(layer.parameters_of_cell)
        a = layer.W_x.new_zeros(1, layer.W_x.shape[1])
        _, saved = cell.forward_step(
            a, layer.initial_state(1)[:fields], cell.parameters_of_step(parameters)
        )
    return sum(value.numel() for value in saved)


def _by_kernel(cell: Cell, layer: RecurrentLayer, writes_over: bool) -> int:
    """What the compiled kernel saves; writes_over: gates may stand in the memory of their inputs."""
    kernel = kernel_of(cell, layer.W_x.dtype, layer.hidden_size)
    assert kernel is not None
    H = layer.hidden_size
    inside = min(kernel.gates, kernel.saved) if writes_over else 0
    widths: list[int] = [w * H if w > 0 else -w for w in kernel.saved_width[inside : kernel.saved]]
    second = H if "W_m" in layer.parameters_of_cell else 0
    dropped = layer.output_size if layer.recurrent_dropout else 0
    first: int = kernel.gates * H if inside else 0
    return first + sum(widths) + second + dropped
