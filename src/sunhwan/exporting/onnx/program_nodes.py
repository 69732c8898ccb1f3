"""Nodes of a program: every operation of a traced step as ONNX has it."""

from collections.abc import Mapping

import numpy as np

from sunhwan.exporting.onnx.graph import BOOL, FLOAT, Graph
from sunhwan.program import Operation, Program
from sunhwan.program.equations import runs

NODES = {
    "neg": "Neg", "abs": "Abs", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "tanh": "Tanh",
    "sigmoid": "Sigmoid", "sin": "Sin", "cos": "Cos", "floor": "Floor", "erf": "Erf", "add": "Add",
    "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "maximum": "Max", "minimum": "Min",
}  # fmt: skip
COMPARISONS = {"less": "Less", "less_equal": "LessOrEqual", "equal": "Equal"}
PIECES = 8
"""So many slices are taken one by one; more by a table."""


def add_program(
    graph: Graph, program: Program, given: Mapping[str, str], axes: int = 2
) -> dict[str, str]:
    """Add a folded program to a graph: names of its inputs (…, size) → names of its results.

    axes: how many the inputs have.
    """
    names = _Names(graph, program)
    truths: dict[int, str] = {}
    like = next(iter(given.values()))
    for place, operation in enumerate(program.operations):
        kind = operation.kind
        if kind == "constant":
            continue  # added where it is read
        operands = [names[x] for x in operation.operands] if kind != "product" else []
        if kind == "input":
            names[place] = given[operation.name]
        elif kind == "take":
            names[place] = _taken(graph, program, operation, names, like, axes)
        elif kind == "product":
            x, W = operation.operands
            weights = program.operations[W].numbers
            assert weights is not None
            size = program.operations[x].size
            names[place] = graph.op("MatMul", names[x], graph.constant(weights.reshape(size, -1)))
        elif kind in ("sum", "max", "min"):
            names[place] = _reduced(graph, program, operation, operands[0], axes)
        elif kind in COMPARISONS:
            truths[place] = graph.op(COMPARISONS[kind], *operands)
            names[place] = graph.op("Cast", truths[place], to=FLOAT)
        elif kind == "select":
            where = operation.operands[0]
            if where not in truths:
                truths[where] = graph.op("Cast", names[where], to=BOOL)
            names[place] = graph.op("Where", truths[where], *operands[1:])
        elif kind == "expm1":
            names[place] = _expm1(graph, operands[0])
        elif kind == "log1p":
            names[place] = _log1p(graph, operands[0])
        else:
            names[place] = graph.op(NODES[kind], *operands)
    return {
        name: _of_rows(graph, program, place, names[place], like, axes)
        for name, place in program.results.items()
    }


class _Names(dict[int, str]):
    """The name of each value; a constant gets one when it is first read."""

    def __init__(self, graph: Graph, program: Program) -> None:
        super().__init__()
        self.graph, self.program = graph, program

    def __missing__(self, place: int) -> str:
        self[place] = self.graph.constant(self.program.operations[place].numbers)
        return self[place]


def _of_rows(graph: Graph, program: Program, place: int, name: str, like: str, axes: int) -> str:
    """A value with a row of its own for each row of the batch."""
    operation = program.operations[place]
    if operation.of_rows:
        return name
    lead = graph.op("Shape", like, start=0, end=axes - 1)
    return graph.op("Expand", name, graph.op("Concat", lead, graph.whole(operation.size), axis=0))


def _taken(
    graph: Graph,
    program: Program,
    operation: Operation,
    names: Mapping[int, str],
    like: str,
    axes: int,
) -> str:
    rows = {
        source: _of_rows(graph, program, source, names[source], like, axes)
        for source in operation.operands
    }
    pieces = runs(program, operation)
    if len(pieces) > PIECES:
        sources = [rows[source] for source in operation.operands]
        whole = graph.op("Concat", *sources, axis=-1) if len(sources) > 1 else sources[0]
        return graph.op("Gather", whole, graph.constant(operation.numbers, np.int64), axis=-1)
    parts = [
        rows[source]
        if count == program.operations[source].size
        else graph.slice(rows[source], start, start + count)
        for source, start, count in pieces
    ]
    return parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=-1)


def _reduced(graph: Graph, program: Program, operation: Operation, x: str, axes: int) -> str:
    (source,) = operation.operands
    n = program.operations[source].size // operation.size
    if operation.size > 1:
        x = graph.op("Reshape", x, graph.whole(*[0] * (axes - 1), operation.size, n))
    keepdims = int(operation.size == 1)
    if operation.kind == "sum":
        return graph.op("ReduceSum", x, graph.whole(-1), keepdims=keepdims)
    kind = "ReduceMax" if operation.kind == "max" else "ReduceMin"
    return graph.op(kind, x, axes=[-1], keepdims=keepdims)


def _expm1(graph: Graph, x: str) -> str:
    """e^x − 1 without its loss of digits near 0: 2 t / (1 − t) with t = tanh(x / 2)."""
    t = graph.op("Tanh", graph.op("Mul", x, graph.constant(0.5)))
    near = graph.op("Div", graph.op("Add", t, t), graph.op("Sub", graph.constant(1.0), t))
    far = graph.op("Sub", graph.op("Exp", x), graph.constant(1.0))
    return graph.op("Where", graph.op("Less", x, graph.constant(1.0)), near, far)


def _log1p(graph: Graph, x: str) -> str:
    """log(1 + x) without its loss of digits near 0: x log(u) / (u − 1) with u = 1 + x, rounded."""
    one = graph.constant(1.0)
    u = graph.op("Add", x, one)
    d = graph.op("Sub", u, one)
    lost = graph.op("Equal", d, graph.constant(0.0))
    ratio = graph.op("Div", graph.op("Log", u), graph.op("Where", lost, one, d))
    return graph.op("Where", lost, x, graph.op("Mul", x, ratio))
