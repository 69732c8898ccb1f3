"""The table: every cell with every option, one row each, and what the laws need to run a row.

A law is a function of a row that raises AssertionError. The tests apply every law to every row;
`test_faults.py` applies them to cells and loops that are wrong, and expects the error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from sunhwan.cells import CELLS, Cell, Parameters, State
from sunhwan.layers import Recurrent
from sunhwan.ops import BACKENDS, fused

N, T, D, H = 3, 5, 2, 4
"""All different, so that no transposition or swapped axis passes unseen."""


@dataclass(frozen=True)
class Case:
    """A row of the table: a cell by its name and the options of the layer around it."""

    name: str
    bias: bool = True
    learned: bool = False
    layers: int = 1

    def __str__(self) -> str:
        bias = "bias" if self.bias else "nobias"
        state = "learned" if self.learned else "zero"
        return f"{self.name}-{bias}-{state}-{self.layers}"

    @property
    def cell(self) -> Cell:
        return CELLS[self.name]

    @property
    def backends(self) -> list[str]:
        return [name for name in BACKENDS if name != "fused" or fused.supports(self.cell)]

    def build(
        self, backend: str | None = "reference", *, dtype: torch.dtype = torch.float64, **more: Any
    ) -> Recurrent:
        """The layer, the same at every call; no parameter is left at zero, where faults hide."""
        torch.manual_seed(1)
        options = {"bias": self.bias, "learned_initial_state": self.learned, "backend": backend}
        layer = Recurrent(self.cell, D, H, self.layers, **options, **more).double()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter += 0.3 * torch.randn_like(parameter)
        return layer.to(dtype)

    def inputs(
        self, *, rows: int = N, steps: int = T, seed: int = 2, dtype: torch.dtype = torch.float64
    ) -> tuple[Tensor, list[State]]:
        """x (N, T, D) and a non-zero state for every layer, the same at every call."""
        draw = generator(seed)
        x = torch.randn(rows, steps, D, generator=draw, dtype=torch.float64).to(dtype)
        fields = self.cell.state_type._fields
        state = []
        for _ in range(self.layers):
            values = (torch.randn(rows, H, generator=draw, dtype=torch.float64) for _ in fields)
            state.append(self.cell.state_type(*(value.to(dtype) for value in values)))
        return x, state


ROWS = [Case(*row) for row in product(CELLS, (True, False), (False, True), (1, 2))]
ON_BACKENDS = [(case, backend) for case in ROWS for backend in case.backends]

each_row = pytest.mark.parametrize("case", ROWS, ids=str)
each_cell = pytest.mark.parametrize("case", [Case(name) for name in CELLS], ids=str)
each_backend = pytest.mark.parametrize(
    ("case", "backend"), ON_BACKENDS, ids=[f"{case}-{backend}" for case, backend in ON_BACKENDS]
)


def resets_for(rows: int = N, steps: int = T) -> Tensor:
    """(N, T): the first step of a row, the last of one, two rows at once, neighbouring steps."""
    resets = torch.zeros(rows, steps, dtype=torch.bool)
    resets[0, 0] = resets[0, 2] = resets[1, 2] = resets[1, 3] = resets[rows - 1, steps - 1] = True
    return resets


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fresh_parameters(case: Case, seed: int = 5) -> Parameters:
    """Random parameters of one layer, every tensor non-zero."""
    draw = generator(seed)
    like = case.cell.initial_parameters(D, H, bias=case.bias)
    return Parameters(
        *(
            None if p is None else torch.randn(p.shape, generator=draw, dtype=torch.float64)
            for p in like
        )
    )


Run = Callable[[Tensor, list[State] | None], tuple[Tensor, list[State]]]


def objective(output: Tensor, last: list[State]) -> Tensor:
    """A number in which every output and every field of the last state has its own weight."""
    draw = generator(3)
    total = output.new_zeros(())
    for value in [output, *(field for state in last for field in state)]:
        weights = torch.randn(value.shape, generator=draw, dtype=torch.float64).to(value.dtype)
        total = total + (weights * value).sum()
    return total


def results(
    layer: Recurrent, x: Tensor, state: list[State] | None, run: Run | None = None
) -> dict[str, Tensor]:
    """Everything that a run of the layer gives, by name: outputs, last state, all gradients."""
    named, x, state = leaves(layer, x, state)
    output, last = (run or layer)(x, state)
    gradients = torch.autograd.grad(
        objective(output, last), list(named.values()), allow_unused=True, materialize_grads=True
    )
    found = {"output": output.detach()}
    for depth, layer_state in enumerate(last):
        for field, value in layer_state._asdict().items():
            found[f"last {field} of layer {depth}"] = value.detach()
    return found | {
        f"gradient of {name}": value for name, value in zip(named, gradients, strict=True)
    }


def leaves(
    layer: Recurrent, x: Tensor, state: list[State] | None
) -> tuple[dict[str, Tensor], Tensor, list[State] | None]:
    """Copies of x and the state that record a gradient, and these with the parameters by name."""
    x = x.clone().requires_grad_()
    named = {"x": x}
    if state is not None:
        state = [type(s)(*(f.clone().requires_grad_() for f in s)) for s in state]
        for depth, layer_state in enumerate(state):
            for field, value in layer_state._asdict().items():
                named[f"initial {field} of layer {depth}"] = value
    return named | dict(layer.named_parameters()), x, state


def assert_equal(
    got: Mapping[str, Tensor], wanted: Mapping[str, Tensor], bound: float, *, where: str = ""
) -> None:
    """Every named tensor within `bound`, absolute for small values and relative for large ones."""
    assert list(got) == list(wanted)
    for name, value in got.items():
        reference = wanted[name].to(torch.float64)
        assert value.shape == reference.shape, f"{where} {name}: {value.shape}, {reference.shape}"
        assert bool(value.isfinite().all()), f"{where} {name} is not finite"
        if value.numel():
            off = float((value.to(torch.float64) - reference).abs().max())
            scale = 1 + float(reference.abs().max())
            assert off <= bound * scale, f"{where} {name} is off by {off:.3g}, {bound:g} allowed"
