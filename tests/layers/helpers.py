"""What the tests of stacks share: networks with random weights, and a layer unrolled by hand."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.layers import Recurrent, RecurrentLayer
from tests.shapes import SHAPES

NAMES = SHAPES
D = 3
"""The input size of `network`, unless another is asked for."""


def network(
    cell: Any,
    hidden_size: Any = 4,
    num_layers: int | None = None,
    *,
    input_size: int = D,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    **options: Any,
) -> Recurrent:
    """A network whose every parameter is random, so that none hides behind a zero or a one."""
    torch.manual_seed(seed)
    made = Recurrent(cell, input_size, hidden_size, num_layers, **options).to(dtype)
    with torch.no_grad():
        for p in made.parameters():
            p += 0.2 * torch.randn_like(p)
    return made


def random_input(
    rows: int, steps: int, size: int = D, *, dtype: torch.dtype = torch.float64, seed: int = 1
) -> Tensor:
    """x (N, T, size), normal."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, steps, size, generator=draw, dtype=dtype)


def some_state(network: Recurrent, rows: int) -> list[State]:
    """A state that the network can be in: that after three steps of something."""
    like = network.stack[0].W_x
    x = random_input(rows, 3, network.input_size, dtype=like.dtype, seed=2)
    with torch.no_grad():
        return network(x)[1]


def unroll(layer: RecurrentLayer, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """x (N, T, D) → h (N, T, H) and the last state of one layer, by its cell's step alone."""
    state = layer.initial_state(len(x)) if state is None else state
    outputs = [x.new_zeros(len(x), 0, layer.output_size)]
    for x_t in x.unbind(1):
        state = layer.cell.step(x_t, state, layer.parameters_of_cell)
        outputs.append(state[0].unsqueeze(1))
    return torch.cat(outputs, 1), state


def flat(result: tuple[Tensor, Iterable[State]]) -> list[Tensor]:
    """Output and every field of the states, in a row."""
    output, states = result
    return [output, *(field for state in states for field in state)]


def combination(values: Sequence[Tensor]) -> Tensor:
    """A number that all values have a part in: their sum with fixed random weights."""
    draw = torch.Generator().manual_seed(3)
    weights = [torch.randn(v.shape, generator=draw, dtype=torch.float64).to(v) for v in values]
    return torch.stack([(v * w).sum() for v, w in zip(values, weights, strict=True)]).sum()


def gradients(values: Sequence[Tensor], sources: Iterable[Tensor]) -> list[Tensor]:
    """The gradient of `combination` by every source, zeros where there is none."""
    total, wanted = combination(values), list(sources)
    return list(torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True))


def assert_close(found: Any, wanted: Any, tolerance: float = 1e-12) -> None:
    """Equal within the tolerance, relative to numbers above 1."""
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)


def assert_identical(found: Any, wanted: Any) -> None:
    """Equal bit for bit."""
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


def assert_same_function(
    found: tuple[Tensor, Iterable[State]],
    wanted: tuple[Tensor, Iterable[State]],
    sources: Sequence[Tensor],
    tolerance: float = 1e-12,
) -> None:
    """The same outputs, states, and gradients of everything in `sources`."""
    assert_close(flat(found), flat(wanted), tolerance)
    of_found, of_wanted = (gradients(flat(result), sources) for result in (found, wanted))
    assert any(bool(g.any()) for g in of_wanted)
    assert_close(of_found, of_wanted, 10 * tolerance)
