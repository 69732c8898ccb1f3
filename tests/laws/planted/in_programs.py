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
    *of(lowering.Lowering, "_product", "lstm_projected", ("W.reshape(-1)", "W.T.reshape(-1)", PROGRAM)),
    *of(terms, "log_sigmoid", "minlstm", ('"minimum"', '"maximum"', PROGRAM)),
    *of(terms, "added", "antisymmetric", ("y * alpha", "y", PROGRAM)),
    *of(folding, "folded", "rglru", ("known[old] = apply(", "known[old] = 2 * apply(", PROGRAM)),
    *of(EVALUATE, "apply", "lstm_layer_norm", ("size, -1)", "-1, size)", PROGRAM)),
]  # fmt: skip
