"""Backends: all implementations compute the same numbers, forward and backward."""

import torch
from torch import Tensor

from sunhwan.cells import Cell, LinearCell, State, can_derive, derive, has_backward
from sunhwan.laws.case import Case, D, fresh_parameters, generator, mapped, random_state, resets_for
from sunhwan.laws.compare import assert_equal, require, results
from sunhwan.ops import recur

BOUND, BOUND32 = 1e-10, 4e-6
LONG = ((1, 1.0), (9, 100.0), (300, 1.0), (300, 100.0), (4096, 1.0), (4096, 100.0))
"""Steps, and the scale of what the gates' sums are made of."""


def backends_agree(case: Case) -> float:
    """Every implementation against the reference in float64: explicit state, resets."""
    x, state = case.inputs()
    reference, largest = case.build(), 0.0
    for resets in (None, resets_for()):
        wanted = results(reference, x, state, lambda x, s, r=resets: reference(x, s, r))  # type: ignore[misc]
        for name in case.backends:
            layer = case.build(name)
            got = results(layer, x, state, lambda x, s, r=resets, f=layer: f(x, s, r))  # type: ignore[misc]
            largest = max(largest, assert_equal(got, wanted, BOUND, where=name))
    return largest


def float32_is_near(case: Case) -> float:
    """float32 within a few units of its rounding from float64, whatever the dispatcher chooses."""
    x, state = case.inputs(dtype=torch.float32)
    layer = case.build().float().double()  # the same rounded parameters
    wanted = results(layer, x.double(), mapped(state, Tensor.double))
    largest = 0.0
    for backend in (None, *case.backends):
        narrow = case.but(backend=backend).build(dtype=torch.float32)
        got = results(narrow, x, state)
        wide = [name for name, value in got.items() if value.dtype != torch.float32]
        require(not wide, f"float32 became another type in {', '.join(wide)}")
        largest = max(largest, assert_equal(got, wanted, BOUND32, where=f"{backend} in float32"))
    return largest


def has_two_backwards(cell: Cell) -> bool:
    """Whether there is a backward step by hand that can also be derived."""
    return has_backward(cell) and can_derive(cell)


def derived_is_by_hand(case: Case) -> float:
    """The backward step that `derive` makes of `pointwise` against the cell's own, with resets."""
    layer = case.build()
    other = case.but(own=derive(case.cell)).build()
    other.load_state_dict(layer.state_dict())
    x, state = case.inputs()
    resets = resets_for()
    return assert_equal(
        results(layer, x, state, lambda x, s: layer(x, s, resets)),
        results(other, x, state, lambda x, s: other(x, s, resets)),
        BOUND,
        where="against the derived backward step",
    )


def is_linear(cell: Cell) -> bool:
    """Whether the cell is a linear recurrence."""
    return isinstance(cell, LinearCell)


def scan_is_the_loop(case: Case) -> float:
    """The scan against the loop of steps, from a non-zero state, long and with saturated gates."""
    largest = 0.0
    for steps, scale in LONG:
        got, wanted = (_long_run(case, backend, steps, scale) for backend in ("scan", "reference"))
        where = f"{steps} steps, gates' sums scaled by {scale:g}"
        largest = max(largest, assert_equal(got, wanted, BOUND, where=where))
    return largest


def _long_run(case: Case, backend: str, steps: int, scale: float) -> dict[str, Tensor]:
    """Output and all gradients of one row, the input and the biases scaled."""
    cell, draw = case.cell, generator(47)
    x = scale * torch.randn(steps, 1, D, generator=draw, dtype=torch.float64)
    state: State = random_state(cell, draw, 1)
    parameters = fresh_parameters(case)
    named = {"x": x, "initial h": state[0], **parameters}
    for value in named.values():
        value.requires_grad_()
    output = recur(cell, x, parameters, state, backend=backend).output
    weights = torch.randn(output.shape, generator=draw, dtype=torch.float64)
    gradients = torch.autograd.grad(output, list(named.values()), weights)
    found = {"output": output.detach()}
    return found | {f"gradient of {n}": g for n, g in zip(named, gradients, strict=True)}
