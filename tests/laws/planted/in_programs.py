"""Faults in how a step becomes a program, and in what is made of the program."""

import importlib

from sunhwan.program import folding, lowering, terms
from tests.laws.planted.fault import Fault, of

EVALUATE = importlib.import_module(
    "sunhwan.program.evaluation"
)  # the package names its function as the module
PROGRAM = "program"

FAULTS: list[Fault] = [
    *of(
        lowering.Lowering,
        "_layer_norm",
        "lstm_layer_norm",
        ("self._variance(x, dims, 0, True)", "self._variance(x, dims, 1, True)", PROGRAM),
        ("self._add(y, shift)", "y", PROGRAM),
    ),
    *of(lowering.Lowering, "_product", "lstm_projected", ("W.reshape", "W.T.reshape", PROGRAM)),
    *of(
        terms,
        "log_sigmoid",
        "minlstm",
        ("x.apply('minimum', 0.0)", "x.apply('maximum', 0.0)", PROGRAM),
    ),
    *of(terms, "added", "antisymmetric", ("y * alpha", "y", PROGRAM)),
    *of(
        folding,
        "folded",
        "rglru",
        (
            "apply(operation, [known[operand] for operand in operation.operands])",
            "2 * apply(operation, [known[operand] for operand in operation.operands])",
            PROGRAM,
        ),
    ),
    *of(
        EVALUATE,
        "apply",
        "lstm_layer_norm",
        (
            "operands[0].reshape(*operands[0].shape[:-1], size, -1)",
            "operands[0].reshape(*operands[0].shape[:-1], -1, size)",
            PROGRAM,
        ),
    ),
]
