"""All backends compute the same numbers, forward and backward."""

import pytest
import torch

from sunhwan.cells import CELLS, LinearCell
from sunhwan.errors import ConfigError
from sunhwan.laws.backends import backends_agree, float32_is_near, scan_is_the_loop
from sunhwan.ops import choose, fused, native
from sunhwan.ops.library import library
from tests.cases import BOTH_ENDS, Case, each_end

MEASURED = [Case(name, *row) for name in CELLS for row in BOTH_ENDS[0]]
"""What is allowed in float32 is measured on these rows."""
LINEAR = [name for name, cell in CELLS.items() if isinstance(cell, LinearCell)]


@each_end
def test_backends_agree_in_float64(case):
    backends_agree(case)


@pytest.mark.parametrize("case", MEASURED, ids=str)
def test_float32_is_near_float64(case):
    float32_is_near(case)


@pytest.mark.parametrize("name", LINEAR)
def test_the_scan_is_the_loop(name):
    scan_is_the_loop(Case(name))


def test_a_cell_of_the_users_own_never_runs_on_the_operator_of_its_base():
    """A subclass may be another equation: only exactly PyTorch's cells are fused."""
    for name in ("elman", "irnn", "gru", "lstm"):
        kind = type(CELLS[name])

        class Own(kind):
            pass

        assert fused.supports(CELLS[name])
        assert not fused.supports(Own())
        assert native.kernel_of(Own(), torch.float32) is None
        for dtype in (torch.float32, torch.float64):
            assert choose(Own(), torch.device("cpu"), dtype).backend == "reference"


@pytest.mark.parametrize("name", CELLS)
def test_explain_names_backend_and_reason(name):
    lines = Case(name, layers=2, backend=None).build().explain().splitlines()
    assert [line[:8] for line in lines] == ["layer 0:", "layer 1:"]
    assert library() is None or all("native: " in line for line in lines)
    assert "asked for" in Case(name, backend="unrolled").build().explain()


@pytest.mark.parametrize("name", CELLS)
def test_without_the_library_the_next_best_runs(name, monkeypatch):
    monkeypatch.setattr(native, "library", lambda: None)
    chosen = "scan: " if name in LINEAR else "reference: "
    lines = Case(name, layers=2, backend=None).build().explain().splitlines()
    assert all(chosen in line for line in lines)
    with pytest.raises(ConfigError, match="compiled kernel"):
        Case(name, backend="native").build()


def test_explain_names_what_runs_inside(monkeypatch):
    monkeypatch.setattr(native, "library", lambda: None)
    lstm = Case("lstm", backend=None)
    assert "fused" in lstm.build(dtype=torch.float32).explain()
    assert "reached into" in lstm.but(zoneout=0.1).build(dtype=torch.float32).explain()
    both = lstm.but(bidirectional=True).build().explain().splitlines()
    assert [line[:16].split(":")[0] for line in both] == ["layer 0 forward", "layer 0 backward"]
