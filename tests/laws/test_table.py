"""The table is complete: no cell and no option escapes the laws."""

import inspect

from sunhwan.cells import CELLS
from sunhwan.layers import Recurrent, RecurrentLayer
from tests.cases import ENDS, ON_ONE, ONE, PAIRS, ROWS, STACKS
from tests.laws.test_equations import EQUATIONS
from tests.laws.test_initialisation import INITIAL


def defaults(kind: type) -> dict[str, object]:
    """The options of a layer that may be left out."""
    found = inspect.signature(kind).parameters.values()
    return {p.name: p.default for p in found if p.kind is inspect.Parameter.KEYWORD_ONLY}


def test_every_cell_has_every_row():
    for name in CELLS:
        options = {(row.bias, row.learned, row.layers) for row in ROWS if row.name == name}
        assert len(options) == 8, f"{name} is not in the table with all its options"
        for table in (PAIRS, ENDS):
            rows = [row for row in table if row.name == name]
            for option in ("bias", "learned", "layers"):
                assert len({getattr(row, option) for row in rows}) == 2, f"{name}: {option}"
        backends = {row.backend for row in ON_ONE if row.name == name}
        assert backends == set(ROWS[0].but(name=name).backends) >= {"reference", "unrolled"}


def test_any_two_values_of_two_options_meet():
    pairs = [("bias", "learned"), ("bias", "layers"), ("learned", "layers")]
    for table in (PAIRS, ENDS, ONE):
        for one, other in pairs:
            assert len({(getattr(row, one), getattr(row, other)) for row in table}) == 4


def test_from_cell_to_cell_every_row_is_met():
    for table in (ENDS, ONE):
        assert len({(row.bias, row.learned, row.layers) for row in table}) == 8
    assert [row.name for row in ONE] == list(CELLS)


def test_every_option_is_used():
    for kind in (Recurrent, RecurrentLayer):
        for option, default in defaults(kind).items():
            if option in ("device", "dtype", "lag"):
                # Every law runs in its own types; a lag has a state of its own, and tests with every cell.
                continue
            used = [row for row in ROWS + STACKS if row.options.get(option, default) != default]
            assert used, f"no row has {option} other than {default}"


def test_every_cell_has_its_equation_and_its_beginning():
    """A new cell needs its equation written out a second time, and says how it begins."""
    assert set(EQUATIONS) == set(CELLS)
    assert set(INITIAL) == set(CELLS)


def test_the_ids_are_readable_and_differ():
    names = [str(row) for row in ROWS + STACKS]
    assert len(set(names)) == len(names)
    assert "lstm-bias-zero-1" in names
    assert "gru-nobias-learned-2" in names
    assert "rglru-bias-zero-2-scan-zoneout=0.3-bidirectional=True" in names
