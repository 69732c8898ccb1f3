"""Gradients are those of finite differences: inputs, initial state, every parameter."""

from collections.abc import Callable

import pytest
import torch

from sunhwan.cells import CELLS, Parameters
from sunhwan.ops import recur
from tests.cases import ROWS, Case, D, H, N, T, generator, leaves, objective, resets_for

DIRECTIONS, STEP, BOUND = 2, 1e-5, 1e-7


def gradients(case: Case, backend: str, *, with_resets: bool = False) -> None:
    """Central differences along random directions, tensor by tensor; none of the gradients is zero.

    A dense random direction sees every element. The state is explicit, except where the initial
    one is a parameter and no reset would bring it in.
    """
    layer = case.build(backend)
    x, state = case.inputs()
    resets = resets_for() if with_resets else None
    named, x, state = leaves(layer, x, state if with_resets or not case.learned else None)

    def loss() -> torch.Tensor:
        return objective(*layer(x, state, resets))

    by_hand = torch.autograd.grad(
        loss(), list(named.values()), allow_unused=True, materialize_grads=True
    )
    draw = generator(7)
    for (name, value), gradient in zip(named.items(), by_hand, strict=True):
        assert_alive(case, name, gradient)
        for _ in range(DIRECTIONS):
            direction = torch.randn(value.shape, generator=draw, dtype=torch.float64)
            direction /= direction.norm()
            kept = value.detach().clone()
            with torch.no_grad():
                above = loss_at(loss, value, kept + STEP * direction)
                below = loss_at(loss, value, kept - STEP * direction)
                value.copy_(kept)
            numeric = float(above - below) / (2 * STEP)
            analytic = float((gradient * direction).sum())
            assert abs(numeric - analytic) <= BOUND * (1 + abs(analytic)), (
                f"gradient of {name}: {analytic:.9f} by hand, {numeric:.9f} by differences"
            )


def loss_at(loss: Callable[[], torch.Tensor], value: torch.Tensor, point: torch.Tensor):
    """The loss with the tensor moved to a point."""
    value.copy_(point)
    return loss()


def assert_alive(case: Case, name: str, gradient: torch.Tensor) -> None:
    """Not all zero, and for a parameter of the gates zero in no gate's block."""
    blocks = [gradient]
    if name.rsplit(".")[-1] in Parameters._fields:
        blocks = list(gradient.split(H, -1))
        assert len(blocks) == len(case.cell.gates)
    for number, block in enumerate(blocks):
        assert bool((block.abs() > 1e-9).any()), f"gradient of {name}, block {number}, is zero"


GRADIENT_ROWS = [(case, backend) for case in ROWS for backend in ("reference", "unrolled")]


@pytest.mark.parametrize("with_resets", [False, True], ids=["plain", "resets"])
@pytest.mark.parametrize(
    ("case", "backend"), GRADIENT_ROWS, ids=[f"{case}-{backend}" for case, backend in GRADIENT_ROWS]
)
def test_gradients_are_finite_differences(case, backend, with_resets):
    gradients(case, backend, with_resets=with_resets)


@pytest.mark.parametrize("backend", ["reference", "unrolled"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "nobias"])
@pytest.mark.parametrize("name", CELLS)
def test_every_element_of_the_jacobian(name, bias, backend):
    """The whole Jacobian of all outputs and the last state, element by element, on small sizes."""
    cell, steps, rows, hidden = CELLS[name], T - 2, N - 1, H - 2
    draw = generator(11)

    def random(*sizes):
        return torch.randn(*sizes, generator=draw, dtype=torch.float64, requires_grad=True)

    like = cell.initial_parameters(D, hidden, bias=bias)
    present = [p is not None for p in like]
    tensors = [random(*p.shape) for p in like if p is not None]
    state = [random(rows, hidden) for _ in cell.state_type._fields]

    def function(x, *rest):
        remaining = iter(rest)
        parameters = Parameters(*(next(remaining) if there else None for there in present))
        output, last = recur(cell, x, parameters, cell.state_type(*remaining), backend=backend)
        return output, *last

    assert torch.autograd.gradcheck(function, (random(steps, rows, D), *tensors, *state))
