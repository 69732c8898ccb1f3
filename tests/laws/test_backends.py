"""All backends compute the same numbers, forward and backward."""

import pytest
import torch

from sunhwan.ops import choose, fused
from tests.cases import CELLS, Case, assert_equal, each_backend, each_row, resets_for, results

FLOAT64, FLOAT32 = 1e-10, 4e-6


def backends_agree(case: Case, backend: str | None = None) -> None:
    """Every backend (or the one named) against the reference in float64: explicit state, resets."""
    x, state = case.inputs()
    reference = case.build("reference")
    for resets in (None, resets_for()):
        wanted = results(reference, x, state, lambda x, s, r=resets: reference(x, s, r))
        for name in case.backends if backend is None else [backend]:
            layer = case.build(name)
            got = results(layer, x, state, lambda x, s, r=resets, f=layer: f(x, s, r))
            assert_equal(got, wanted, FLOAT64, where=name)


def float32_is_near(case: Case, backend: str | None) -> None:
    """float32 within a few units of its rounding from float64; None is the dispatcher's choice."""
    x, state = case.inputs()
    layer = case.build("reference").float().double()  # the same rounded parameters
    x, state = x.float(), [type(s)(*(field.float() for field in s)) for s in state]
    wide = [type(s)(*(field.double() for field in s)) for s in state]
    wanted = results(layer, x.double(), wide)
    got = results(case.build(backend, dtype=torch.float32), x, state)
    assert all(value.dtype == torch.float32 for value in got.values())
    assert_equal(got, wanted, FLOAT32, where=str(backend))


@each_backend
def test_backends_agree_in_float64(case, backend):
    backends_agree(case, backend)


@each_backend
def test_float32_is_near_float64(case, backend):
    float32_is_near(case, backend)


@each_row
def test_the_dispatched_float32_is_near_float64(case):
    float32_is_near(case, None)


def test_a_cell_of_the_users_own_never_runs_on_the_operator_of_its_base():
    """A subclass may be another equation: only exactly PyTorch's cells are fused."""
    for name in ("elman", "gru", "lstm"):
        kind = type(CELLS[name])

        class Own(kind):
            pass

        assert fused.supports(CELLS[name])
        assert not fused.supports(Own())
        for dtype in (torch.float32, torch.float64):
            assert choose(Own(), torch.device("cpu"), dtype).backend == "reference"


@pytest.mark.parametrize("name", CELLS)
def test_explain_names_backend_and_reason(name):
    layer = Case(name, layers=2).build(None)
    lines = layer.explain().splitlines()
    assert [line[:8] for line in lines] == ["layer 0:", "layer 1:"]
    assert all("reference: " in line for line in lines)
    assert "fused" in Case("lstm").build(None, dtype=torch.float32).explain()
    assert "asked for" in Case(name).build("unrolled").explain()
