"""The laws can fail: each of these faults, planted one at a time, is caught by the law named."""

import pytest

from sunhwan.cells import CELLS
from sunhwan.laws import LAWS
from sunhwan.numpy_rnn import RNN, TimeRNN
from tests.laws.planted import in_cells, in_layers, in_loops, in_programs, in_steps
from tests.laws.planted.fault import Fault, forget_what_was_derived
from tests.laws.test_numpy_rnn import (
    rnn_differences,
    time_rnn_differences,
    time_rnn_is_the_layer,
)
from tests.tiers import and_deep

IN_NUMPY = [
    Fault(RNN, "backward", "self.Wh.T", "self.Wh", rnn_differences),
    Fault(TimeRNN, "backward", "dhs[:, t] + dh", "dhs[:, t]", time_rnn_differences),
    Fault(TimeRNN, "backward", "hs[:, :-1]", "hs[:, 1:]", time_rnn_differences),
    Fault(TimeRNN, "backward", "t + 1", "t", time_rnn_differences),
    Fault(TimeRNN, "forward", "hs[:, 0] = self.h", "pass", time_rnn_is_the_layer),
]

IN_MODULES = (in_cells, in_steps, in_programs, in_loops, in_layers)
FAULTS = [fault for module in IN_MODULES for fault in module.FAULTS] + IN_NUMPY


@pytest.mark.parametrize("fault", and_deep(FAULTS[::3], FAULTS), ids=str)
def test_a_planted_fault_is_caught(fault):
    forget_what_was_derived()
    fault.check()  # Without the fault the law holds, so it is the fault that is caught.
    try:
        with pytest.MonkeyPatch.context() as patch:
            fault.plant(patch)
            forget_what_was_derived()
            with pytest.raises(AssertionError):
                fault.check()
    finally:
        forget_what_was_derived()


def test_every_cell_has_a_fault_of_its_own():
    for name, cell in CELLS.items():
        own = [f for f in FAULTS if f.owner is type(cell) and f.case and f.case.name == name]
        assert own, f"no fault is planted in {type(cell).__name__} for {name}"


def test_every_law_catches_a_fault():
    laws = {fault.law for fault in FAULTS}
    assert [law.name for law in LAWS if law.name not in laws] == []
