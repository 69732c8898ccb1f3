"""A step as a program, run by the compiled library: it computes what PyTorch's own operations compute."""

import dataclasses
from typing import Any, NamedTuple

import pytest
import torch

from sunhwan.cells import CELLS, Cell, HiddenState
from sunhwan.cells.two_products import TwoProductCell
from sunhwan.layers import Recurrent
from sunhwan.ops import StepMasks, recur
from sunhwan.ops.library import library
from sunhwan.ops.program_kernels import HOOKS, kernel_for, why_not
from sunhwan.program.passes import passes_of
from tests.laws import test_own_structure as own
from tests.program.inner_products import INNER, Projected, ResetBefore
from tests.program.test_program import OWN, Functions, Heads
from tests.tiers import and_deep

pytestmark = pytest.mark.skipif(library() is None, reason="the compiled library was not built")


def as_own(cell: Cell) -> Cell:
    """The equation of one of our cells, without its kernel and its backward step."""
    kind, usual = type(cell), TwoProductCell if isinstance(cell, TwoProductCell) else Cell
    made = type(
        f"Own{kind.__name__}",
        (kind,),
        {"factors": Cell.factors} | {h: getattr(usual, h) for h in HOOKS},
    )
    return made(**{f.name: getattr(cell, f.name) for f in dataclasses.fields(kind) if f.init})


EQUATIONS = [as_own(cell) for cell in CELLS.values() if cell.gates_of_W_h]
STEPS = [*EQUATIONS, *(kind() for kind in OWN), *(kind() for kind in INNER)]


def gradients(cell: Cell, backend: str, H: int, N: int, T: int, noisy: bool) -> list[Any]:
    """Output, last state, and the gradients of all that a recurrence reads."""
    draw = torch.Generator().manual_seed(3)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=draw, dtype=torch.float64)

    parameters = {
        name: (value.double() + 0.2 * numbers(*value.shape)).requires_grad_()
        for name, value in own_parameters(cell, H).items()
    }
    x = (numbers(T, N, 3) - 0.5).requires_grad_()
    state = cell.state_type(
        *((numbers(N, size) + 0.1).requires_grad_() for size in cell.state_sizes(H))
    )
    step_masks = StepMasks()
    if noisy:
        hold = tuple(numbers(T, N, size).round() for size in cell.state_sizes(H))
        step_masks = StepMasks(hold, numbers(N, cell.output_size(H)))
    found = recur(cell, x, parameters, state, step_masks=step_masks, states=True, backend=backend)
    ends = (found.output, *found.last)
    loss = sum((value * numbers(*value.shape)).sum() for value in ends)
    read = [x, *parameters.values(), *state]
    return [
        *ends,
        *torch.autograd.grad(loss, read, allow_unused=True, materialize_grads=True),  # type: ignore[arg-type]
    ]


def own_parameters(cell: Cell, H: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return cell.initial_parameters(3, H)


SIZES = [(8, 5, 3, 1, True), (40, 17, 2, 2, False)]


@pytest.mark.parametrize(
    ("cell", "H", "N", "T", "threads", "noisy"),
    and_deep(
        [(cell, *SIZES[k % 2]) for k, cell in enumerate(STEPS)],
        [(cell, *size) for cell in STEPS for size in SIZES],
    ),
    ids=lambda value: type(value).__name__ if isinstance(value, Cell) else str(value),
)
def test_a_program_is_its_step(cell, H, N, T, threads, noisy):
    assert why_not(cell, H) is None
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = gradients(cell, "native", H, N, T, noisy)
    finally:
        torch.set_num_threads(before)
    wanted = gradients(cell, "unrolled", H, N, T, noisy)
    bound = 1e-5 if isinstance(cell, Functions) else 1e-12  # slopes of 1e8 near zero
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, rtol=bound, atol=bound)


@pytest.mark.parametrize(
    "cell",
    [as_own(CELLS["lstm"]), own.Softmax(), ResetBefore(), Projected()],
    ids=["lstm", "softmax", "two products", "projection"],
)
def test_rows_and_threads_give_the_same_bits(cell):
    torch.manual_seed(0)
    layer = Recurrent(cell, 3, 24)
    x = torch.randn(33, 4, 3)

    def run(rows: torch.Tensor, threads: int) -> torch.Tensor:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with torch.no_grad():
                return layer(rows)[0]
        finally:
            torch.set_num_threads(before)

    whole = run(x, 1)
    assert torch.equal(whole, run(x, 2))
    assert torch.equal(whole[5:6], run(x[5:6], 1))


def test_a_matrix_of_one_s_own_learns():
    layer = Recurrent(Heads(), 3, 8)
    assert "as a program" in layer.explain()
    loss = layer(torch.randn(2, 3, 3))[0].square().sum()
    loss.backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in layer.parameters())


class Solved(Cell):
    """A step with an operation that programs have not."""

    gates = ("n",)
    state_type = HiddenState

    def pointwise(self, a, u, state):
        pair = (a + u)[..., :2, None]
        solved = torch.linalg.solve(torch.eye(2, dtype=a.dtype).expand(len(a), 2, 2), pair)
        return HiddenState(torch.tanh(a + u) + solved[..., 0].sum(-1, keepdim=True)), ()


def test_why_a_step_is_no_program_is_told():
    assert "linalg_solve_ex.default is no operation" in Recurrent(Solved(), 3, 8).explain()


class Straight(Cell):
    """A step function whose gradient is that of a line: the derivative is not that of the values."""

    gates = ("n",)
    state_type = HiddenState

    def pointwise(self, a, u, state):
        s = 0.5 * (a + u)
        return HiddenState(s + (s.sign() - s).detach()), ()


def test_a_part_without_a_gradient_has_none():
    assert why_not(Straight(), 8) is None
    found, wanted = (
        gradients(Straight(), backend, 8, 3, 4, False) for backend in ("native", "unrolled")
    )
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(found, wanted, strict=True))
    assert bool(found[2].abs().sum() > 0)


class Scaled(Cell):
    """A step with a number that its user changes."""

    gates = ("n",)
    state_type = HiddenState
    by = 1.0

    def pointwise(self, a, u, state):
        return HiddenState(torch.tanh((a + u) * Scaled.by)), ()


def test_a_number_that_changes_is_noticed(monkeypatch):
    before = gradients(Scaled(), "native", 8, 2, 3, False)
    monkeypatch.setattr(Scaled, "by", 0.3)
    found, wanted = (
        gradients(Scaled(), backend, 8, 2, 3, False) for backend in ("native", "unrolled")
    )
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(found, wanted, strict=True))
    assert not torch.allclose(found[0], before[0])


def test_what_is_saved_is_what_a_person_would_save():
    passes = passes_of(as_own(CELLS["lstm"]), 8)
    assert [passes.operations[place].kind for place in passes.saved] == [
        "sigmoid",
        "sigmoid",
        "tanh",
        "sigmoid",
    ]
    assert passes.shared_gates == 4
    gru = passes_of(as_own(CELLS["gru"]), 8)
    assert gru.shared_gates == 2


class Potential(NamedTuple):
    """A state whose second field has the name of the recurrent product."""

    h: torch.Tensor
    u: torch.Tensor


class Leaky(Cell):
    """A unit with a potential that leaks."""

    gates = ("n",)
    state_type = Potential

    def pointwise(self, a, u, state):
        potential = 0.9 * state.u + a + u
        return Potential(potential.tanh(), potential), ()


def test_a_field_called_as_a_product_is():
    found, wanted = (
        gradients(Leaky(), backend, 8, 3, 4, False) for backend in ("reference", "unrolled")
    )
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (own.Sorted(), "aten.sort"),
        (Leaky(), "called u"),
        (CELLS["mingru"], "another kind"),
        (CELLS["gru_reset_before"], "a backward step of its own"),
        (CELLS["lstm"], "a backward step of its own"),
    ],
)
def test_why_there_is_no_program(cell, said):
    assert said in why_not(cell, 8)
    assert kernel_for(cell, 8) is None


def test_gradients_of_each_row_by_vmap():
    layer = Recurrent(own.Softmax(), 3, 8)
    x, parameters = torch.randn(4, 5, 3), dict(layer.named_parameters())

    def loss(given: Any, row: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, given, (row[None],))[0].square().sum()

    rows = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, x)
    layer(x)[0].square().sum().backward()
    for name, parameter in parameters.items():
        assert torch.allclose(rows[name].sum(0), parameter.grad, atol=1e-5)


def test_one_s_own_backend_is_refused_in_a_sentence():
    with pytest.raises(Exception, match="no compiled kernel here for Sorted"):
        Recurrent(own.Sorted(), 3, 8, backend="native")
