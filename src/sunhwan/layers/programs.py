"""Layers as programs: their parameters put in, and what stands around them in a stack."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from sunhwan.errors import ConfigError
from sunhwan.layers.connections import Dense, Highway, Plain, Residual
from sunhwan.layers.layer import RecurrentLayer
from sunhwan.program import CellProgram, Program, program_of
from sunhwan.program.operations import Builder, Numbers


def numbers_of(layer: RecurrentLayer) -> dict[str, np.ndarray[Any, Any]]:
    """The parameters as the equation uses them, in float32."""
    with torch.no_grad():
        effective = layer.cell.effective(layer.parameters_of_cell)
        return {name: value.float().numpy() for name, value in effective.items()}


def program_of_layer(layer: RecurrentLayer, *, gates: bool = False) -> CellProgram:
    """The programs of a layer's cell without parameters; ConfigError for a cell that has none."""
    numbers = numbers_of(layer)
    D, H = layer.input_size, layer.hidden_size
    found = program_of(layer.cell, D, H, bias="b" in numbers, gates=gates)
    return found.folded(numbers)


class StateFields(NamedTuple):
    """Fields of a state by name: before the first step, and after a step, as places in a program."""

    initial: dict[str, Numbers]
    results: dict[str, int]


def add_layer(
    builder: Builder,
    layer: RecurrentLayer,
    whole: CellProgram,
    x: int,
    name: str,
    state: StateFields,
) -> int:
    """Add a step of a layer, its state, `NAME_FIELD`, and gates, evaluation mode; the place of h."""
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
    state.results.update({f"{name}_{field}": place for field, place in after.items()})
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


def normalized(builder: Builder, norm: nn.Module, x: int) -> int:
    """A value as a layer is given it: layer normalised, or as it is."""
    if type(norm) is nn.Identity:
        return x
    if type(norm) is not nn.LayerNorm:
        raise ConfigError(f"the norm {type(norm).__name__} has no program")
    size = builder.constant(builder.operations[x].size)
    mean = builder.elementwise("div", builder.reduce("sum", x, 1), size)
    centred = builder.elementwise("sub", x, mean)
    squares = builder.reduce("sum", builder.elementwise("mul", centred, centred), 1)
    variance = builder.elementwise("div", squares, size)
    shifted = builder.elementwise("add", variance, builder.constant(norm.eps))
    root = builder.elementwise("sqrt", shifted)
    y = builder.elementwise("div", centred, root)
    y = builder.elementwise("mul", y, builder.constant(array_of(norm.weight)))
    return builder.elementwise("add", y, builder.constant(array_of(norm.bias)))


def connected(builder: Builder, connection: nn.Module, below: int, y: int) -> int:
    """The output that a layer passes on."""
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
    y = builder.product(x, builder.constant(array_of(layer.weight).T))
    bias: torch.Tensor | None = layer.bias
    return y if bias is None else builder.elementwise("add", y, builder.constant(array_of(bias)))


def array_of(value: torch.Tensor) -> Numbers:
    """float32, outside of PyTorch's graph."""
    return value.detach().float().numpy()
