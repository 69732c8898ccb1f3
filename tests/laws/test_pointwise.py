"""The hand-written backward of one step is the derivative of the forward."""

import pytest
import torch

from sunhwan.cells import Parameters
from tests.cases import (
    Case,
    D,
    H,
    N,
    assert_equal,
    each_cell,
    fresh_parameters,
    generator,
)

BOUND = 1e-10


def random(draw: torch.Generator, *sizes: int, scale: float = 1.0) -> torch.Tensor:
    return (scale * torch.randn(*sizes, generator=draw, dtype=torch.float64)).requires_grad_()


def pointwise_backward(case: Case, scale: float = 1.0) -> None:
    """`pointwise_backward` of `factors` against autograd of `pointwise`.

    A large scale saturates the gates, where a factor such as z (1 - z) nearly vanishes.
    """
    cell, draw = case.cell, generator(17)
    width = len(cell.gates) * H
    for _ in range(3):
        a, u = random(draw, N, width, scale=scale), random(draw, N, width, scale=scale)
        before = cell.state_type(*(random(draw, N, H) for _ in cell.state_type._fields))
        after, saved = cell.pointwise(a, u, before)
        d_after = cell.state_type(*(random(draw, N, H).detach() for _ in after))
        wanted = torch.autograd.grad(
            after, (a, u, *before), d_after, allow_unused=True, materialize_grads=True
        )
        with torch.no_grad():
            d_a, d_u, d_before = cell.pointwise_backward(
                d_after, cell.factors(saved, before, after)
            )
        names = ("a", "u", *cell.state_type._fields)
        assert_equal(
            dict(zip(names, (d_a, d_u, *d_before), strict=True)),
            dict(zip(names, wanted, strict=True)),
            BOUND,
        )


def pointwise_over_time(case: Case) -> None:
    """`factors` and `pointwise_backward` of (T, N, …) are those of every step alone."""
    cell, draw = case.cell, generator(19)
    width, steps = len(cell.gates) * H, 4
    a, u = random(draw, steps, N, width).detach(), random(draw, steps, N, width).detach()
    fields = cell.state_type._fields
    before, d_after = (
        cell.state_type(*(random(draw, steps, N, H).detach() for _ in fields)) for _ in range(2)
    )

    def at(state, t):
        return cell.state_type(*(field[t] for field in state))

    runs = [cell.pointwise(a[t], u[t], at(before, t)) for t in range(steps)]
    saved, after = (
        tuple(torch.stack(values) for values in zip(*column, strict=True))
        for column in ([saved for _, saved in runs], [after for after, _ in runs])
    )
    d_a, d_u, _ = cell.pointwise_backward(d_after, cell.factors(saved, before, after))
    for t, (after_t, saved_t) in enumerate(runs):
        factors_t = cell.factors(saved_t, at(before, t), after_t)
        d_a_t, d_u_t, _ = cell.pointwise_backward(at(d_after, t), factors_t)
        assert_equal({"a": d_a[t], "u": d_u[t]}, {"a": d_a_t, "u": d_u_t}, BOUND, where=f"t={t}")


def step_backward(case: Case) -> None:
    """`step_backward` against autograd of `step`: x, the state, all parameters."""
    cell, draw = case.cell, generator(23)
    x = random(draw, N, D)
    before = cell.state_type(*(random(draw, N, H) for _ in cell.state_type._fields))
    parameters = Parameters(
        *(None if p is None else p.requires_grad_() for p in fresh_parameters(case))
    )
    after = cell.step(x, before, parameters)
    d_after = cell.state_type(*(random(draw, N, H).detach() for _ in after))
    present = {f: p for f, p in parameters._asdict().items() if p is not None}
    with torch.no_grad():
        d_x, d_before, d_parameters = cell.step_backward(d_after, x, before, parameters)
    assert type(d_before) is cell.state_type
    assert [p is None for p in d_parameters] == [p is None for p in parameters]
    names = ("x", *before._fields, *present)
    inputs = (x, *before, *present.values())
    wanted = torch.autograd.grad(after, inputs, d_after, allow_unused=True, materialize_grads=True)
    got = (d_x, *d_before, *(p for p in d_parameters if p is not None))
    assert_equal(dict(zip(names, got, strict=True)), dict(zip(names, wanted, strict=True)), BOUND)


@pytest.mark.parametrize("scale", [0.5, 2.0, 20.0], ids=["linear", "curved", "saturated"])
@each_cell
def test_pointwise_backward_is_the_derivative_of_pointwise(case, scale):
    pointwise_backward(case, scale)


@each_cell
def test_all_steps_together_are_each_step_alone(case):
    pointwise_over_time(case)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "nobias"])
@each_cell
def test_step_backward_is_the_derivative_of_step(case, bias):
    step_backward(Case(case.name, bias=bias))
