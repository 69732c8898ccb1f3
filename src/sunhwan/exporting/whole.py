"""A language model as one program: a token's vector and the state → logits and the next state."""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from sunhwan.cells import Lagged
from sunhwan.errors import ConfigError
from sunhwan.exporting.layer_programs import program_of_layer
from sunhwan.layers import RecurrentLayer
from sunhwan.layers.connections import Dense, Highway, Plain, Residual
from sunhwan.models import LanguageModel
from sunhwan.program import CellProgram, Program, folded
from sunhwan.program.operations import Builder, Numbers


class WholeStep(NamedTuple):
    """A step of a model.

    program: "x" and the fields of the state → "logits" and the fields under their names. table (V, D):
    x of each token. initial: the state before the first token.
    """

    program: Program
    table: Numbers
    initial: dict[str, Numbers]


def whole_step(model: LanguageModel) -> WholeStep:
    """The step of a model, evaluation mode; ConfigError for a cell that cannot be traced."""
    builder = Builder()
    table = None if model.embedding is None else _numbers(model.embedding.weight)
    recurrent = model.recurrent
    added = State({}, {})
    x = -1 if table is None else builder.input("x", table.shape[1], True)
    for depth, layer in enumerate(recurrent.stack):
        whole = program_of_layer(layer)
        norm, below, inputs = recurrent.norms[depth], x, whole.inputs
        if isinstance(norm, nn.LayerNorm):
            x = normalized(builder, norm, x)
        if table is None and isinstance(layer.cell, Lagged):
            table = np.eye(model.vocabulary_size, dtype=np.float32)
            x = below = builder.input("x", table.shape[1], True)
        elif table is None:  # of a one-hot x the product is a row of W_x
            inputs, table = _looked_up(whole.inputs)
            x = below = builder.input("x", table.shape[1], True)
        h = add_layer(builder, layer, whole._replace(inputs=inputs), x, f"state_{depth}", added)
        x = connected(builder, recurrent.connections[depth], below, h)
    added.results["logits"] = linear(builder, model.output, x)
    assert table is not None
    program = folded(Program(tuple(builder.operations), added.results), {})
    return WholeStep(program, table, added.initial)


class State(NamedTuple):
    """Fields of a state by name: before the first step, and after a step, as places in a program."""

    initial: dict[str, Numbers]
    results: dict[str, int]


def add_layer(
    builder: Builder, layer: RecurrentLayer, whole: CellProgram, x: int, name: str, state: State
) -> int:
    """Add a step of a layer and its state, `NAME_FIELD`, evaluation mode; the place of h."""
    a = add(builder, whole.inputs, {"x": x})["a"]
    with torch.no_grad():
        fields = {
            field: value[0].float().numpy()
            for field, value in layer.initial_state(1)._asdict().items()  # type: ignore[attr-defined]
        }
    before = {
        field: builder.input(f"{name}_{field}", len(value), True) for field, value in fields.items()
    }
    after = add(builder, whole.step, {"a": a, **before})
    for field, rate in zip(fields, (layer.zoneout, *[layer.zoneout_cell] * 9), strict=False):
        if rate:
            kept = builder.elementwise("mul", before[field], builder.constant(rate))
            new = builder.elementwise("mul", after[field], builder.constant(1 - rate))
            after[field] = builder.elementwise("add", kept, new)
    state.initial.update({f"{name}_{field}": value for field, value in fields.items()})
    state.results.update({f"{name}_{field}": after[field] for field in fields})
    return after[next(iter(fields))]


def add(builder: Builder, program: Program, given: dict[str, int]) -> dict[str, int]:
    """Add a program to another one in the making: places of its inputs → places of its results."""
    place: dict[int, int] = {}
    for old, operation in enumerate(program.operations):
        if operation.kind == "input":
            place[old] = given[operation.name]
        else:
            operands = tuple(place[operand] for operand in operation.operands)
            place[old] = builder.add(operation._replace(operands=operands))
    return {name: place[old] for name, old in program.results.items()}


def _looked_up(program: Program) -> tuple[Program, Numbers]:
    """A program of a one-hot x as one of the row of W_x that x chooses, and W_x."""
    operations = list(program.operations)
    (x,) = program.inputs.values()
    (place,) = [
        n for n, op in enumerate(operations) if op.kind == "product" and op.operands[0] == x
    ]
    product = operations[place]
    weights = operations[product.operands[1]].numbers
    assert weights is not None
    rows = weights.reshape(-1, product.size)
    operations[place] = operations[x]._replace(size=product.size)
    operations[x] = operations[x]._replace(
        kind="constant", of_rows=False, numbers=np.zeros(1), size=1
    )
    return folded(Program(tuple(operations), program.results), {}), rows.astype(np.float32)


def normalized(builder: Builder, norm: nn.LayerNorm, x: int) -> int:
    """Layer normalisation of a value."""
    size = builder.constant(builder.operations[x].size)
    mean = builder.elementwise("div", builder.reduce("sum", x, 1), size)
    centred = builder.elementwise("sub", x, mean)
    squares = builder.reduce("sum", builder.elementwise("mul", centred, centred), 1)
    variance = builder.elementwise("div", squares, size)
    shifted = builder.elementwise("add", variance, builder.constant(norm.eps))
    root = builder.elementwise("sqrt", shifted)
    y = builder.elementwise("div", centred, root)
    y = builder.elementwise("mul", y, builder.constant(_numbers(norm.weight)))
    return builder.elementwise("add", y, builder.constant(_numbers(norm.bias)))


def connected(builder: Builder, connection: nn.Module, below: int, y: int) -> int:
    """What a layer passes on."""
    if type(connection) is Plain:
        return y
    if type(connection) is Residual:
        return builder.elementwise("add", below, y)
    if type(connection) is Dense:
        sizes = builder.operations[below].size + builder.operations[y].size
        return builder.take((below, y), np.arange(sizes))
    if type(connection) is Highway:
        s = linear(builder, connection.gate, below)
        moved = builder.elementwise("sub", y, below)
        moved = builder.elementwise("mul", builder.elementwise("sigmoid", s), moved)
        return builder.elementwise("add", below, moved)
    raise ConfigError(f"the connection {type(connection).__name__} has no program")


def linear(builder: Builder, layer: nn.Linear, x: int) -> int:
    """x Wᵀ + b."""
    y = builder.product(x, builder.constant(_numbers(layer.weight).T))
    bias: torch.Tensor | None = layer.bias
    return y if bias is None else builder.elementwise("add", y, builder.constant(_numbers(bias)))


def _numbers(value: torch.Tensor) -> Numbers:
    return value.detach().float().numpy()
