"""Gradients are those of finite differences: inputs, initial state, every parameter."""

from collections.abc import Callable

import torch
from torch import Tensor

from sunhwan.laws.case import (
    Case,
    D,
    H,
    N,
    T,
    by_field,
    fresh_parameters,
    generator,
    random_state,
    resets_for,
    seeded,
)
from sunhwan.laws.compare import assert_equal, leaves, objective, require
from sunhwan.ops import recur

STEP, BOUND = 1e-5, 1e-7
SMALL, JACOBIAN = 1e-6, 1e-6


def gradients(case: Case, *, with_resets: bool = False, training: bool = True) -> float:
    """Central differences along a random direction, tensor by tensor; no parameter goes unused.

    A dense random direction sees every element. The state is explicit, except where the initial
    one is a parameter and no reset would bring it in.
    """
    layer = case.build().train(training)
    x, state = case.inputs()
    resets = resets_for() if with_resets else None
    named, x, given = leaves(layer, x, state if with_resets or not case.learned else None)

    def loss() -> Tensor:
        with seeded():
            return objective(*layer(x, given, resets))

    by_hand = torch.autograd.grad(
        loss(), list(named.values()), allow_unused=True, materialize_grads=True
    )
    parameters = dict(layer.named_parameters())
    draw, largest = generator(7), 0.0
    for (name, value), gradient in zip(named.items(), by_hand, strict=True):
        if name in parameters:
            _assert_alive(case, name, gradient)
        direction = torch.randn(value.shape, generator=draw, dtype=torch.float64)
        direction /= direction.norm()
        analytic = float((gradient * direction).sum())
        numeric = _difference(loss, value, STEP * direction) / STEP
        off = abs(numeric - analytic) / (1 + abs(analytic))
        if off > BOUND:
            # Where the loss is strongly curved: the error of order STEP² cancels (Richardson).
            half = _difference(loss, value, STEP / 2 * direction) / (STEP / 2)
            numeric = (4 * half - numeric) / 3
            off = abs(numeric - analytic) / (1 + abs(analytic))
        require(
            off <= BOUND,
            f"gradient of {name}: {analytic:.9f} along a direction, but {numeric:.9f} by "
            "finite differences",
        )
        largest = max(largest, off)
    return largest


def gradients_with_resets(case: Case) -> float:
    """The same where rows start anew inside the sequence."""
    return gradients(case, with_resets=True)


def _difference(loss: Callable[[], Tensor], value: Tensor, step: Tensor) -> float:
    """Half the change of the loss between the points a step before and behind."""
    kept = value.detach().clone()
    with torch.no_grad():
        value.copy_(kept + step)
        above = float(loss())
        value.copy_(kept - step)
        below = float(loss())
        value.copy_(kept)
    return (above - below) / 2


def _assert_alive(case: Case, name: str, gradient: Tensor) -> None:
    """Not all zero, and for W_x and b zero in no gate's block."""
    own = name.rsplit(".")[-1] in ("W_x_T", "b")
    blocks = gradient.chunk(len(case.cell.gates)) if own else [gradient]
    for number, block in enumerate(blocks):
        gate = f", gate {case.cell.gates[number]}," if own else ""
        require((block.abs() > 1e-9).any(), f"gradient of {name}{gate} is zero everywhere")


def jacobian(case: Case) -> float:
    """The whole Jacobian of all outputs and the last state, element by element, on small sizes."""
    cell, draw, hidden = case.cell, generator(11), H - 1
    rows, steps = N - 1, T - 2
    parameters = fresh_parameters(case, hidden_size=hidden)
    state = random_state(cell, draw, rows, hidden_size=hidden)
    x = torch.randn(steps, rows, D, generator=draw, dtype=torch.float64)

    def values() -> Tensor:
        outcome = recur(cell, x, parameters, state, backend=case.backend)
        return torch.cat([value.reshape(-1) for value in (outcome.output, *outcome.last)])

    initial = {f"initial {name}": value for name, value in by_field(state).items()}
    named = {"x": x} | initial | parameters
    for value in named.values():
        value.requires_grad_()
    found = values()
    lines = [
        torch.autograd.grad(
            one, list(named.values()), retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for one in found
    ]
    by_hand = {
        name: torch.stack([block.reshape(-1) for block in column], -1)
        for name, column in zip(named, zip(*lines, strict=True), strict=True)
    }
    numeric = {name: _differences(values, value) for name, value in named.items()}
    return assert_equal(by_hand, numeric, JACOBIAN, where="the Jacobian by finite differences")


def _differences(values: Callable[[], Tensor], point: Tensor) -> Tensor:
    """(numbers of the point, values): central differences, one number after the other."""
    lines = []
    with torch.no_grad():
        for index in range(point.numel()):
            at = torch.unravel_index(torch.tensor(index), point.shape)
            kept = point[at].item()
            point[at] = kept + SMALL
            above = values()
            point[at] = kept - SMALL
            lines.append((above - values()) / (2 * SMALL))
            point[at] = kept
    return torch.stack(lines)
