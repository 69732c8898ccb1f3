"""Whose memory the input products are: nothing that a caller holds is ever overwritten."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from sunhwan.cells import CELLS, Cell, Parameters
from sunhwan.cells.lstm import LSTM
from sunhwan.layers import Recurrent
from sunhwan.ops import BACKENDS, LazyEmbedding, recur, supports
from sunhwan.ops.input_products import InputProducts
from tests.kernels.problems import Problem, Shape, outputs, problem

FORMS = [
    (name, backend) for name in CELLS for backend in BACKENDS if supports(backend, CELLS[name])
]
H = 6


@contextmanager
def left_as_they_were(*values: Tensor | None) -> Iterator[None]:
    """AssertionError where one of these tensors has other numbers afterwards."""
    held = [value for value in values if value is not None]
    before = [value.detach().clone() for value in held]
    yield
    for now, then in zip(held, before, strict=True):
        torch.testing.assert_close(now.detach(), then, rtol=0, atol=0)


def learn(posed: Problem, backend: str) -> None:
    """Run a recurrence and its gradient by an implementation."""
    arguments = posed.cell, posed.x, posed.parameters, posed.state
    found = recur(*arguments, step_masks=posed.step_masks, backend=backend)
    values = [found.output] if found.states is None else list(outputs(found).values())
    upstream = posed.upstream[: len(values)]
    pairs = [(v, d) for v, d in zip(values, upstream, strict=True) if d is not None]
    sources = list(posed.sources().values())
    torch.autograd.grad([v for v, _ in pairs], sources, [d for _, d in pairs], allow_unused=True)


@pytest.mark.parametrize(("name", "backend"), FORMS)
@pytest.mark.parametrize("embedded", [False, True])
def test_an_implementation_writes_over_nothing_that_it_was_given(name, backend, embedded):
    inside = backend != "fused"
    drop = inside and bool(CELLS[name].gates_of_W_h)
    hold = "mixed" if inside else None
    posed = problem(Shape(name, 5, 4, H, 3, hold=hold, drop=drop, embedded=embedded), torch.float32)
    ids = [posed.x.ids] if isinstance(posed.x, LazyEmbedding) else []
    held = [*posed.sources().values(), *ids, *(posed.step_masks.hold or ()), posed.step_masks.drop]
    with left_as_they_were(*held, *posed.upstream):
        learn(posed, backend)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("lengths", [None, [5, 2, 1]])
def test_a_stack_writes_over_nothing_that_it_was_given(name, lengths):
    torch.manual_seed(1)
    stack = Recurrent(name, 4, H, 2)
    x = torch.randn(3, 5, 4, requires_grad=True)
    state = [type(one)(*map(torch.rand_like, one)) for one in stack.initial_state(3)]
    d = torch.randn(3, 5, stack.output_size)
    given = [field for one in state for field in one]
    with left_as_they_were(x, d, *given, *stack.parameters()):
        stack(x, state, lengths=lengths)[0].backward(d)
        with torch.no_grad():
            stack(x, state, lengths=lengths)


class ReadsProducts(LSTM):
    """An LSTM that reads its input products: a is the caller's own tensor. It runs as a program."""

    factors = Cell.factors

    def inputs(self, x: Tensor, parameters: Parameters) -> Tensor:
        return x


@pytest.mark.parametrize("backend", ["native", "reference", "unrolled"])
def test_input_products_of_the_caller_are_read_alone(backend):
    cell = ReadsProducts()
    if not supports(backend, cell, H):
        pytest.skip("there is no compiled library")
    torch.manual_seed(1)
    parameters = cell.initial_parameters(4 * H, H)
    a = torch.randn(5, 4, 4 * H)
    state = cell.zero_state(4, H)
    for learning in (False, True):
        x = a.clone().requires_grad_(learning)
        with left_as_they_were(x):
            found = recur(cell, x, parameters, state, backend=backend)
            if learning:
                torch.autograd.grad(found.output.sum(), x)


def test_products_that_are_made_are_the_makers_own():
    x, W_x, b = torch.randn(5, 4, 3), torch.randn(3, 6), torch.randn(6)
    ids = torch.tensor([[0, 2], [1, 0]])
    for products in (
        InputProducts(x, None, W_x, b),
        InputProducts(x[:, 0], None, W_x, None),
        InputProducts(x[0], ids, W_x, b),
        InputProducts(x, None, None, None),
        InputProducts(x, None, None, b[:3]),
    ):
        a, left = products.multiply()
        of_caller = a.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        assert products.owned != of_caller
        assert products.lead == tuple(a.shape[:-1])
        torch.testing.assert_close(products.in_graph(), a if left is None else a + left)
