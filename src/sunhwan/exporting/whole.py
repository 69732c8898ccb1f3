"""A language model as one program: a token's vector and the state → logits and the next state."""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from sunhwan.cells import Lagged
from sunhwan.errors import ConfigError
from sunhwan.exporting.layer_programs import program_of_layer
from sunhwan.layers import Recurrent
from sunhwan.layers.connections import Dense, Highway, Plain, Residual
from sunhwan.models import LanguageModel
from sunhwan.program import Program, folded
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
    initial: dict[str, Numbers] = {}
    results: dict[str, int] = {}
    x = -1 if table is None else builder.input("x", table.shape[1], True)
    for depth, layer in enumerate(recurrent.stack):
        whole = program_of_layer(layer)
        norm, below, inputs = recurrent.norms[depth], x, whole.inputs
        if isinstance(norm, nn.LayerNorm):
            x = _normalized(builder, norm, x)
        if table is None and isinstance(layer.cell, Lagged):
            table = np.eye(model.vocabulary_size, dtype=np.float32)
            x = below = builder.input("x", table.shape[1], True)
        elif table is None:  # of a one-hot x the product is a row of W_x
            inputs, table = _looked_up(whole.inputs)
            x = below = builder.input("x", table.shape[1], True)
        a = add(builder, inputs, {"x": x})["a"]
        with torch.no_grad():
            fields = {
                name: field[0].float().numpy()
                for name, field in layer.initial_state(1)._asdict().items()  # type: ignore[attr-defined]
            }
        before = {
            name: builder.input(f"state_{depth}_{name}", len(field), True)
            for name, field in fields.items()
        }
        after = add(builder, whole.step, {"a": a, **before})
        for name, rate in zip(fields, (layer.zoneout, *[layer.zoneout_cell] * 9), strict=False):
            if rate:
                kept = builder.elementwise("mul", before[name], builder.constant(rate))
                new = builder.elementwise("mul", after[name], builder.constant(1 - rate))
                after[name] = builder.elementwise("add", kept, new)
        initial |= {f"state_{depth}_{name}": field for name, field in fields.items()}
        results |= {f"state_{depth}_{name}": after[name] for name in fields}
        x = _connected(builder, recurrent, depth, below, after[next(iter(fields))])
    weight = builder.constant(_numbers(model.output.weight).T)
    logits = builder.product(x, weight)
    results["logits"] = builder.elementwise(
        "add", logits, builder.constant(_numbers(model.output.bias))
    )
    assert table is not None
    return WholeStep(folded(Program(tuple(builder.operations), results), {}), table, initial)


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


def _normalized(builder: Builder, norm: nn.LayerNorm, x: int) -> int:
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


def _connected(builder: Builder, recurrent: Recurrent, depth: int, below: int, y: int) -> int:
    connection = recurrent.connections[depth]
    if type(connection) is Plain:
        return y
    if type(connection) is Residual:
        return builder.elementwise("add", below, y)
    if type(connection) is Dense:
        sizes = builder.operations[below].size + builder.operations[y].size
        return builder.take((below, y), np.arange(sizes))
    if type(connection) is Highway:
        weight = builder.constant(_numbers(connection.gate.weight).T)
        s = builder.elementwise(
            "add", builder.product(below, weight), builder.constant(_numbers(connection.gate.bias))
        )
        moved = builder.elementwise("sub", y, below)
        moved = builder.elementwise("mul", builder.elementwise("sigmoid", s), moved)
        return builder.elementwise("add", below, moved)
    raise ConfigError(f"the connection {type(connection).__name__} has no program")


def _numbers(value: torch.Tensor) -> Numbers:
    return value.detach().float().numpy()
