"""Folding: a program with its parameters put in, and what is known of them computed once."""

from collections.abc import Mapping

import numpy as np

from sunhwan.program.evaluation import apply
from sunhwan.program.operations import Builder, Numbers, Program


def folded(program: Program, parameters: Mapping[str, Numbers]) -> Program:
    """The program of rows alone: what depends on no row becomes a constant, what is not read goes."""
    builder = Builder()
    place: dict[int, int] = {}
    known: dict[int, Numbers] = {}
    needed = _read(program)
    for old, operation in enumerate(program.operations):
        if operation.kind == "input" and operation.name in parameters:
            if old not in needed:
                continue
            known[old] = np.asarray(parameters[operation.name], np.float64).reshape(-1)
        elif old not in needed and operation.kind != "input":
            continue
        elif operation.kind == "constant" and operation.numbers is not None:
            known[old] = operation.numbers
        elif operation.operands and all(operand in known for operand in operation.operands):
            known[old] = apply(operation, [known[operand] for operand in operation.operands])
        else:
            operands = tuple(
                place[operand] if operand in place else builder.constant(known[operand])
                for operand in operation.operands
            )
            place[old] = builder.add(operation._replace(operands=operands))
    results = {
        name: place[old] if old in place else builder.constant(known[old])
        for name, old in program.results.items()
    }
    return Program(tuple(builder.operations), results)


def _read(program: Program) -> set[int]:
    """The places of the operations that a result depends on."""
    needed = set(program.results.values())
    for old in reversed(range(len(program.operations))):
        if old in needed:
            needed.update(program.operations[old].operands)
    return needed
