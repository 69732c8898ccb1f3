"""The table is complete: no cell escapes the laws."""

from sunhwan.cells import CELLS
from tests.cases import ON_BACKENDS, ROWS
from tests.laws.test_equations import EQUATIONS
from tests.laws.test_initialisation import ONES


def test_every_cell_has_every_row():
    for name in CELLS:
        options = {(row.bias, row.learned, row.layers) for row in ROWS if row.name == name}
        assert len(options) == 8, f"{name} is not in the table with all its options"
        backends = {backend for row, backend in ON_BACKENDS if row.name == name}
        assert backends >= {"reference", "unrolled"}


def test_every_cell_has_its_equation_and_its_beginning():
    """A new cell needs its equation written out a second time, and says how it begins."""
    assert set(EQUATIONS) == set(CELLS)
    assert set(ONES) == set(CELLS)


def test_the_ids_are_readable_and_differ():
    names = [str(row) for row in ROWS]
    assert len(set(names)) == len(names)
    assert "lstm-bias-zero-1" in names
    assert "gru-nobias-learned-2" in names
