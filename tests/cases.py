"""The table: every cell with every option, one row each, that the laws are applied to.

`ROWS` are the options of a layer in full; `PAIRS` of them so many that any two values of two options
meet; `ENDS` two with both values of each, four such from cell to cell, and `ONE` a single one, all eight
from cell to cell; `ON_BACKENDS` are ends on every implementation; `STACKS` what can be put around layers.
What `each_row`, `each_pair`, `each_end` and `each_backend` have besides the smaller table is in the deep
tier.
"""

from itertools import product

import pytest

from sunhwan.cells import CELLS
from sunhwan.laws.case import (
    Case,
    D,
    H,
    N,
    T,
    fresh_parameters,
    generator,
    random_state,
    resets_for,
)
from sunhwan.laws.compare import assert_equal, assert_identical, leaves, objective, results
from tests.shapes import SHAPES
from tests.tiers import and_deep

OPTIONS = list(product((True, False), (False, True), (1, 2)))
"""Bias, learned initial state, layers."""

PAIRED = [(True, False, 1), (True, True, 2), (False, False, 2), (False, True, 1)]
BOTH_ENDS = [
    ((bias, learned, layers), (not bias, not learned, 3 - layers))
    for bias, learned, layers in OPTIONS
    if bias
]
"""Two rows in which nothing is the same; together all of them."""

ROWS = [Case(name, *options) for name in CELLS for options in OPTIONS]
PAIRS = [Case(name, *options) for name in CELLS for options in PAIRED]
ENDS = [Case(name, *row) for k, name in enumerate(CELLS) for row in BOTH_ENDS[k % 4]]
ONE = [Case(name, *BOTH_ENDS[k % 4][k // 4 % 2]) for k, name in enumerate(CELLS)]
ON_BACKENDS = [case.but(backend=backend) for case in ENDS for backend in case.backends]
ON_ONE = [
    ends[k % 2].but(backend=backend)
    for ends in zip(ENDS[::2], ENDS[1::2], strict=True)
    for k, backend in enumerate(ends[0].backends)
]
"""Every implementation of every cell, with one of the two rows."""

ON_OTHERS = [case for case in ON_BACKENDS if case.backend != "reference" and case.layers == 2]
"""Two layers on what is not the reference, which has all its rows anyway."""

STACKS = [
    Case("gru", layers=2).but(connection="residual", stateful=True),
    Case("lstm", layers=2).but(connection="highway", layer_norm=True),
    Case("mingru", layers=2).but(connection="dense", dropout=0.3),
    Case("ugrnn", layers=2).but(bidirectional=True, merge="sum", start="uniform", start_scale=0.9),
    Case("lstm_projected", layers=2).but(bidirectional=True, connection="dense"),
    Case("elman", learned=True, layers=2).but(dropout=0.3, locked_dropout=True),
    Case("gru_reset_before", layers=2).but(weight_drop=0.3, recurrent_dropout=0.3),
    Case("lstm_multiplicative", layers=2).but(zoneout=0.3, zoneout_cell=0.2),
    Case("rglru", layers=2, backend="scan").but(zoneout=0.3, bidirectional=True),
]

each_row = pytest.mark.parametrize("case", and_deep(ENDS, ROWS), ids=str)
each_pair = pytest.mark.parametrize("case", and_deep(ENDS, PAIRS), ids=str)
each_end = pytest.mark.parametrize("case", and_deep(ONE, ENDS), ids=str)
each_cell = pytest.mark.parametrize("case", [Case(name) for name in CELLS], ids=str)
each_shape = pytest.mark.parametrize(
    "case", and_deep([Case(name) for name in SHAPES], [Case(name) for name in CELLS]), ids=str
)
each_backend = pytest.mark.parametrize("case", and_deep(ON_ONE, ON_BACKENDS), ids=str)
each_stack = pytest.mark.parametrize("case", STACKS, ids=str)

__all__ = [
    "CELLS",
    "ON_BACKENDS",
    "ON_OTHERS",
    "ROWS",
    "STACKS",
    "Case",
    "D",
    "H",
    "N",
    "T",
    "assert_equal",
    "assert_identical",
    "each_backend",
    "each_cell",
    "each_end",
    "each_pair",
    "each_row",
    "each_shape",
    "each_stack",
    "fresh_parameters",
    "generator",
    "leaves",
    "objective",
    "random_state",
    "resets_for",
    "results",
]
