"""Evaluation of a program in NumPy, the reference of all other targets."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sunhwan.program.operations import Numbers, Operation, Program

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "neg": np.negative, "abs": np.abs, "exp": np.exp, "expm1": np.expm1, "log": np.log,
    "log1p": np.log1p, "sqrt": np.sqrt, "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
    "floor": np.floor, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "erf": lambda x: np.vectorize(math.erf, otypes=[x.dtype])(x),
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power,
    "maximum": np.maximum, "minimum": np.minimum,
    "less": lambda x, y: (x < y).astype(x.dtype),
    "less_equal": lambda x, y: (x <= y).astype(x.dtype),
    "equal": lambda x, y: (x == y).astype(x.dtype),
    "select": lambda where, x, y: np.where(where != 0, x, y),
    "sum": np.sum, "max": np.max, "min": np.min,
}  # fmt: skip


def evaluate(program: Program, values: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """The results of a program: rows are (N, size), what is one for all rows has any shape."""
    found: list[Numbers] = []
    dtype = np.result_type(*(value.dtype for value in values.values()))
    for operation in program.operations:
        if operation.kind == "input":
            value = values[operation.name]
            found.append(value if operation.of_rows else value.reshape(-1))
        elif operation.numbers is not None and operation.kind == "constant":
            found.append(operation.numbers.astype(dtype))
        else:
            found.append(apply(operation, [found[place] for place in operation.operands]))
    return {name: found[place] for name, place in program.results.items()}


def apply(operation: Operation, operands: Sequence[Numbers]) -> Numbers:
    """One operation on the values of its operands."""
    kind, size = operation.kind, operation.size
    with np.errstate(all="ignore"):
        if kind == "take":
            lead = np.broadcast_shapes(*(value.shape[:-1] for value in operands))
            sides = [np.broadcast_to(v, (*lead, v.shape[-1])) for v in operands]
            return np.concatenate(sides, -1)[..., operation.numbers]
        if kind == "product":
            return operands[0] @ operands[1].reshape(-1, size)
        if kind in ("sum", "max", "min"):
            groups = operands[0].reshape(*operands[0].shape[:-1], size, -1)
            return np.asarray(FUNCTIONS[kind](groups, axis=-1))
        return np.asarray(FUNCTIONS[kind](*operands))
