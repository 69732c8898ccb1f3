"""Outputs, last state and every gradient, near those of the reference in float64."""

import os

import pytest
import torch

from sunhwan.cells import CELLS
from sunhwan.ops import choose, native, recur
from tests.kernels.errors import Record, check
from tests.kernels.problems import Shape, built, by, each_cell, outputs, problem, shapes, usable

pytestmark = built

SHAPES = int(os.environ.get("SUNHWAN_KERNEL_SHAPES", "2"))
"""Of each cell; `python -m tests.kernels.many` tries thousands."""


@each_cell
def test_every_cell_has_a_kernel(name):
    for dtype in (torch.float32, torch.float64):
        assert native.kernel_of(CELLS[name], dtype) is not None
        assert choose(CELLS[name], torch.device("cpu"), dtype).backend == "native"


@each_cell
def test_random_shapes(name):
    record = Record()
    for shape in shapes(name, SHAPES):
        check(shape, usable(), record)
    record.close()
    assert not record.failures, "\n".join(record.failures[:10])


@each_cell
def test_a_large_batch(name):
    record = Record()
    check(Shape(name, 2, 1021, 33, 4), usable(), record)
    check(Shape(name, 3, 2, 391, 2, hold="shares"), usable(), record)
    assert not record.failures, "\n".join(record.failures[:10])


@each_cell
def test_a_single_step_of_many_units(name):
    """Its matrices are packed as they are read, in slices of so many units."""
    record = Record()
    check(Shape(name, 1, 3, 529, 4), usable(), record)
    assert not record.failures, "\n".join(record.failures[:10])


@each_cell
@pytest.mark.parametrize(("T", "N"), [(0, 3), (4, 0), (0, 0)])
def test_no_steps_or_no_rows(name, T, N):
    posed = problem(Shape(name, max(T, 1), max(N, 1), 5, 3), torch.float64)
    x = posed.x[:T, :N].detach().requires_grad_()
    state = posed.cell.state_type(*(field[:N] for field in posed.state))
    outcome = recur(posed.cell, x, posed.parameters, state, backend="native")
    assert outcome.output.shape == (T, N, posed.cell.output_size(5))
    for last, first in zip(outcome.last, state, strict=True):
        assert torch.equal(last, first)
    sources = [x, *posed.parameters.values()]
    for gradient in torch.autograd.grad(outcome.output.sum(), sources):
        assert not gradient.any()


@each_cell
def test_who_asks_for_gates_gets_the_reference(name):
    posed = problem(Shape(name, 3, 2, 5, 3, reads="both"), torch.float64)
    arguments = posed.cell, posed.x, posed.parameters, posed.state
    assert (
        choose(posed.cell, torch.device("cpu"), torch.float64, return_gates=True).backend
        != "native"
    )
    found = recur(*arguments, return_gates=True, backend="native")
    wanted = recur(*arguments, return_gates=True, backend="reference")
    torch.testing.assert_close(found.saved, wanted.saved)
    seen, unseen = outputs(found), outputs(by("native")(*arguments))
    torch.testing.assert_close(seen, unseen, rtol=1e-12, atol=1e-12)


@each_cell
def test_only_some_gradients_are_wanted(name):
    """Of a parameter alone, of the initial state alone, of the input alone."""
    shape = Shape(name, 4, 3, 17, 2, hold="rows")
    whole = problem(shape, torch.float64).run(by("native"))
    for wanted in problem(shape, torch.float64).sources():
        posed = problem(shape, torch.float64)
        for source, value in posed.sources().items():
            value.requires_grad_(source == wanted)
        outcome = by("native")(*posed[:5])
        values = list(outputs(outcome).values())
        source = posed.sources()[wanted]
        pairs = [(v, d) for v, d in zip(values, posed.upstream, strict=True) if v.requires_grad]
        (found,) = torch.autograd.grad([v for v, _ in pairs], source, [d for _, d in pairs])
        torch.testing.assert_close(found, whole[f"gradient of {wanted}"], rtol=1e-12, atol=1e-12)


@each_cell
def test_gradients_of_any_layout(name):
    """What comes from above may be one number for all, or every second row of something."""
    posed = problem(Shape(name, 4, 3, 17, 2), torch.float64)
    sources = list(posed.sources().values())

    def gradients(implementation, upstream):
        output = implementation(*posed[:5]).output
        return torch.autograd.grad(
            output, sources, upstream(output), allow_unused=True, materialize_grads=True
        )

    for upstream in (
        lambda y: torch.ones((), dtype=y.dtype).expand_as(y),
        lambda y: torch.randn(
            3, 8, y.shape[2], dtype=y.dtype, generator=torch.Generator().manual_seed(1)
        )[:, ::2].transpose(0, 1),
    ):
        found, wanted = gradients(by("native"), upstream), gradients(by("reference"), upstream)
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
