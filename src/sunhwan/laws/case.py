"""A case: a cell with options around it, and the numbers that a law runs it on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from sunhwan.cells import Cell, Parameters, State, get_cell
from sunhwan.layers import Recurrent
from sunhwan.ops import BACKENDS, supports

N, T, D, H = 3, 5, 2, 4
"""All different, so that no transposition or swapped axis passes unseen."""

SEED = 71
"""Of what is drawn inside a run: dropout, zoneout."""


@dataclass(frozen=True)
class Case:
    """A cell by its name, and the options of the layer around it.

    own: the cell, where it has no name that `get_cell` knows. more: further options of `Recurrent`.
    """

    name: str
    bias: bool = True
    learned: bool = False
    layers: int = 1
    backend: str | None = "reference"
    more: tuple[tuple[str, Any], ...] = ()
    own: Cell | None = None

    def __str__(self) -> str:
        bias = "bias" if self.bias else "nobias"
        state = "learned" if self.learned else "zero"
        words = [self.name, bias, state, str(self.layers)]
        words += [] if self.backend == "reference" else [str(self.backend)]
        return "-".join(words + [f"{name}={value}" for name, value in self.more])

    @property
    def cell(self) -> Cell:
        """The cell itself."""
        return get_cell(self.name) if self.own is None else self.own

    @property
    def backends(self) -> list[str]:
        """The implementations that can run it."""
        return [name for name in BACKENDS if supports(name, self.cell, H)]

    @property
    def options(self) -> dict[str, Any]:
        """Options of `Recurrent` beyond cell and sizes."""
        own = {"bias": self.bias, "learned_initial_state": self.learned, "backend": self.backend}
        return own | dict(self.more)

    def but(self, **changes: Any) -> "Case":
        """The same case with other fields, or with further options of `Recurrent`."""
        own = {field.name for field in fields(self)}
        kept = {name: value for name, value in changes.items() if name in own}
        more = dict(self.more) | {n: v for n, v in changes.items() if n not in own}
        return replace(self, **{"more": tuple(more.items()), **kept})

    def build(
        self,
        backend: str | None = None,
        *,
        dtype: torch.dtype = torch.float64,
        seed: int = 1,
        **more: Any,
    ) -> Recurrent:
        """The layer, the same at every call; no parameter is left at zero, where faults hide."""
        options = self.options | ({} if backend is None else {"backend": backend}) | more
        with seeded(seed):
            layer = Recurrent(self.cell, D, H, self.layers, **options).double()
            with torch.no_grad():
                for parameter in layer.parameters():
                    parameter.add_(0.3 * torch.randn_like(parameter))
        return layer.to(dtype)

    def inputs(
        self, *, rows: int = N, steps: int = T, seed: int = 2, dtype: torch.dtype = torch.float64
    ) -> tuple[Tensor, list[State]]:
        """x (N, T, D) and a non-zero state for every layer, the same at every call."""
        draw = generator(seed)
        x = torch.randn(rows, steps, D, generator=draw, dtype=torch.float64).to(dtype)
        directions = 2 if self.options.get("bidirectional") else 1
        state = [random_state(self.cell, draw, rows) for _ in range(self.layers * directions)]
        return x, mapped(state, lambda field: field.to(dtype))


def random_state(cell: Cell, draw: torch.Generator, *lead: int, hidden_size: int = H) -> State:
    """A state (…, H) that may occur: normal numbers, and a normaliser above zero.

    A field n beside a field m is the sum of positive weights by which others are divided.
    """
    names = cell.state_type._fields
    values = []
    for name, size in zip(names, cell.state_sizes(hidden_size), strict=True):
        value = torch.randn(*lead, size, generator=draw, dtype=torch.float64)
        values.append(value.abs() + 0.5 if name == "n" and "m" in names else value)
    state: State = cell.state_type(*values)
    return state


def fresh_parameters(case: Case, seed: int = 5, hidden_size: int = H) -> Parameters:
    """Random parameters of one layer, every tensor non-zero."""
    draw = generator(seed)
    with seeded(1):
        like = case.cell.initial_parameters(D, hidden_size, bias=case.bias)
    return {
        name: torch.randn(p.shape, generator=draw, dtype=torch.float64) for name, p in like.items()
    }


def resets_for(rows: int = N, steps: int = T) -> Tensor:
    """(N, T): the first step of a row, the last of one, two rows at once, neighbouring steps."""
    resets = torch.zeros(rows, steps, dtype=torch.bool)
    resets[0, 0] = resets[0, 2] = resets[1, 2] = resets[1, 3] = resets[rows - 1, steps - 1] = True
    return resets


def generator(seed: int) -> torch.Generator:
    """Random numbers that touch no one else's."""
    return torch.Generator().manual_seed(seed)


@contextmanager
def seeded(seed: int = SEED) -> Iterator[None]:
    """PyTorch's own random numbers from a seed; the caller's come back at the end."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def mapped(state: Sequence[State], function: Callable[[Tensor], Tensor]) -> list[State]:
    """The function of every field of every layer's state."""
    return [type(layer)(*map(function, layer)) for layer in state]


def by_field(state: State) -> dict[str, Tensor]:
    """The fields of one layer's state by name."""
    return dict(state._asdict())  # type: ignore[attr-defined]


def named_fields(state: Sequence[State]) -> dict[str, Tensor]:
    """Every field of every layer's state by a name."""
    return {
        f"{name} of layer {depth}": value
        for depth, layer in enumerate(state)
        for name, value in by_field(layer).items()
    }
