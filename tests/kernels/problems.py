"""Random recurrences, and what an implementation makes of them: every output, every gradient."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from random import Random
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from sunhwan.cells import CELLS, Cell, Parameters, State, StepParameters
from sunhwan.laws.case import generator, random_state, seeded
from sunhwan.ops import native, operators, recur
from sunhwan.ops.input_products import input_products
from sunhwan.ops.lazy_embedding import LazyEmbedding
from sunhwan.ops.library import Library, library
from sunhwan.ops.reference import NO_STEP_MASKS, RecurrenceOutput, StepMasks
from tests.tiers import and_deep

built = pytest.mark.skipif(library() is None, reason="sunhwan was installed without its library")
each_cell = pytest.mark.parametrize("name", CELLS)

STEPS = (1, 2, 3, 5, 8, 13)
LONG = (1025, 1031, 1300)
ROWS = (1, 2, 3, 5, 7, 8, 9, 16, 17, 24, 33, 65, 130)
UNITS = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 65, 100, 130, 200)
INPUTS = (1, 2, 5, 16, 33)
HOLDS = (None, "rows", "units", "shares", "mixed")
READS = ("output", "last", "both", "all")
"""What of the outcome has a gradient from outside."""

WORK = 1_500_000
"""N · T · H² of a problem, at most: what the reference does in a moment."""

KINKED = ("elman_relu", "irnn", "indrnn")
"""ReLU: where a sum is as near to 0 as its rounding error, the gradient in float32 may be another."""


@dataclass(frozen=True)
class Shape:
    """One problem of a cell but for its numbers, which come from the seed."""

    name: str
    T: int
    N: int
    H: int
    D: int
    bias: bool = True
    initial: str = "given"  # or "zero", or "shared" by all rows, without memory of its own
    hold: str | None = None
    drop: bool = False
    reads: str = "all"
    embedded: bool = False
    transposed: bool = True  # how the matrices lie in memory
    seed: int = 0

    @property
    def cell(self) -> Cell:
        """The cell of that name."""
        return CELLS[self.name]

    def again(self, k: int) -> "Shape":
        """The same with other numbers."""
        return replace(self, seed=self.seed + 1_000_003 * k)


def shapes(name: str, count: int, seed: int = 0) -> Iterator[Shape]:
    """So many different problems of a cell; one in twenty-four is long."""
    draw = Random(f"{name} {seed}")
    # A single unit is normalised to nothing, and its gradient is rounding.
    units = UNITS[1:] if name.endswith("_layer_norm") else UNITS
    for i in range(count):
        T = draw.choice(LONG if i % 24 == 7 else STEPS)
        N, H = draw.choice(ROWS), draw.choice(units)
        while T * N * H * H > WORK:
            N, H = draw.choice(ROWS), draw.choice(units)
        yield Shape(
            name, T, N, H, draw.choice(INPUTS),
            bias=draw.random() < 0.7,
            initial=draw.choice(("given", "given", "zero", "shared")),
            hold=draw.choice(HOLDS),
            drop=bool(CELLS[name].gates_of_W_h) and draw.random() < 0.3,
            reads=draw.choice(READS),
            embedded=draw.random() < 0.2,
            transposed=draw.random() < 0.8,
            seed=draw.randrange(10**6),
        )  # fmt: skip


class Problem(NamedTuple):
    """The arguments of an implementation, and what comes back from outside."""

    cell: Cell
    x: Tensor | LazyEmbedding
    parameters: Parameters
    state: State
    step_masks: StepMasks
    upstream: list[Tensor | None]

    def sources(self) -> dict[str, Tensor]:
        """All that has a gradient, by name."""
        x = self.x.weight if isinstance(self.x, LazyEmbedding) else self.x
        fields = self.state._asdict()  # type: ignore[attr-defined]
        return {"x": x} | self.parameters | {f"initial {name}": v for name, v in fields.items()}

    def run(self, implementation: Any) -> dict[str, Tensor]:
        """What an implementation makes of it: outputs and gradients by name."""
        sources = self.sources()
        outcome = implementation(self.cell, self.x, self.parameters, self.state, self.step_masks)
        values = outputs(outcome)
        found = dict(values)
        pairs = [
            (v, d) for v, d in zip(values.values(), self.upstream, strict=True) if d is not None
        ]
        gradients = torch.autograd.grad(
            [v for v, _ in pairs], list(sources.values()), [d for _, d in pairs],
            allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        for name, gradient in zip(sources, gradients, strict=True):
            found[f"gradient of {name}"] = gradient
        return {name: value.detach() for name, value in found.items()}


def by(backend: str) -> Any:
    """The implementation of that name."""

    def run(
        cell: Cell,
        x: Tensor | LazyEmbedding,
        parameters: Parameters,
        state: State,
        step_masks: StepMasks = NO_STEP_MASKS,
    ) -> RecurrenceOutput:
        return recur(cell, x, parameters, state, step_masks=step_masks, backend=backend)

    return run


def outputs(outcome: RecurrenceOutput) -> dict[str, Tensor]:
    """Every field over time, h first, and after the last step."""
    over_time = outcome.states._asdict()  # type: ignore[union-attr]
    last = outcome.last._asdict()  # type: ignore[attr-defined]
    return over_time | {f"last {name}": value for name, value in last.items()}


def problem(shape: Shape, dtype: torch.dtype, *, shaken: float = 0.0) -> Problem:
    """The numbers of a shape: the same in every precision, for float32 can hold them all.

    shaken: the share by which every number that has a gradient is changed at random, at most.
    """
    cell, draw = shape.cell, generator(shape.seed)
    T, N, H, D = shape.T, shape.N, shape.H, shape.D

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=draw)

    noise_of = generator(shape.seed + 1)

    def leaf(value: Tensor) -> Tensor:
        value = value.to(dtype)
        if shaken:
            by = 2 * torch.rand(value.shape, generator=noise_of, dtype=dtype) - 1
            value = value * (1 + shaken * by)
        return value.requires_grad_()

    with seeded(shape.seed):
        fresh = cell.initial_parameters(D, H, bias=shape.bias)
    # A long recurrence is left as it starts: others grow out of all bounds, or into chaos.
    share = 0.0 if T > 100 else 0.3
    parameters = {}
    for name, p in fresh.items():
        p = p + share * normal(*p.shape) / (len(p) ** 0.5 if p.dim() == 2 else 1)
        if p.dim() == 2 and shape.transposed:
            parameters[name] = leaf(p.T.contiguous()).detach().T.requires_grad_()
        else:
            parameters[name] = leaf(p)
    if shape.embedded:
        ids = torch.randint(5, (T, N), generator=draw)
        x: Tensor | LazyEmbedding = LazyEmbedding(ids, leaf(normal(5, D)))
    else:
        x = leaf(normal(T, N, D))
    given = cell.state_type(*(f.float() for f in random_state(cell, draw, N, hidden_size=H)))
    if shape.initial == "zero":
        given = cell.zero_state(N, H)
    if shape.initial == "shared":
        shared = (leaf(f[:1]).detach().expand(N, -1).requires_grad_() for f in given)
        state = cell.state_type(*shared)
    else:
        state = cell.state_type(*map(leaf, given))
    sizes = cell.state_sizes(H)
    step_masks = StepMasks(_hold(shape, sizes, draw), _drop(shape, sizes[0], draw))
    step_masks = StepMasks(
        None if step_masks.hold is None else tuple(field.to(dtype) for field in step_masks.hold),
        None if step_masks.drop is None else step_masks.drop.to(dtype),
    )
    over_time = [normal(T, N, size).to(dtype) for size in sizes]
    last = [normal(N, size).to(dtype) for size in sizes]
    nothing = [None] * len(sizes)
    first = [over_time[0], *nothing[1:]]
    upstream = {
        "output": first + nothing, "last": nothing + last,
        "both": first + last, "all": over_time + last,
    }[shape.reads]  # fmt: skip
    return Problem(cell, x, parameters, state, step_masks, upstream)


def _hold(shape: Shape, sizes: tuple[int, ...], draw: torch.Generator) -> tuple[Tensor, ...] | None:
    """The share of the state that stays: 0 and 1, or between, a number a row or a unit."""
    if shape.hold is None:
        return None
    hold = []
    for k, size in enumerate(sizes):
        wide = shape.hold in ("units", "shares") or (shape.hold == "mixed" and k % 2 == 0)
        drawn = torch.rand(shape.T, shape.N, size if wide else 1, generator=draw)
        fractions = shape.hold == "shares" or (shape.hold == "mixed" and k % 2 == 1)
        held = (drawn < 0.3).float()
        hold.append(torch.where(drawn < 0.2, held, drawn) if fractions else held)
    return tuple(hold)


def _drop(shape: Shape, size: int, draw: torch.Generator) -> Tensor | None:
    """What h is multiplied with before W_h: 0 or 4/3."""
    if not shape.drop:
        return None
    return (torch.rand(shape.N, size, generator=draw) > 0.25).float() * (4 / 3)


class Given(NamedTuple):
    """The arguments of the kernel itself, the input products made once."""

    cell: Cell
    step_masks: StepMasks
    a: Tensor
    b: Tensor | None
    loop: StepParameters
    state: State
    upstream: list[Tensor | None]

    def run(self, *, inside: bool = False) -> dict[str, Tensor]:
        """What the kernel gives: outputs, and the gradients that it makes itself.

        inside: the products are made by the operator (of the unit matrix), which saves in their memory.
        """
        a = self.a.clone().detach().requires_grad_()
        W_x = torch.eye(a.shape[-1], dtype=a.dtype) if inside else None
        name = native.name_of(self.cell)
        assert name is not None
        found = operators.recurrence(
            native.Inputs(
                name,
                self.cell.kernel_constant,
                a,
                None,
                W_x,
                self.b,
                self.loop.values(),
                self.state,
                self.step_masks.hold or (),
                self.step_masks.drop,
                None,
            )
        )
        named = {f"output {i}": value for i, value in enumerate(found)}
        pairs = [(v, d) for v, d in zip(found, self.upstream, strict=True) if d is not None]
        d_a, *d_state = torch.autograd.grad(
            [v for v, _ in pairs], [a, *self.state], [d for _, d in pairs]
        )
        named |= {"d_a": d_a} | {f"d_initial {i}": d for i, d in enumerate(d_state)}
        return {name: value.detach() for name, value in named.items()}

    def rows(self, start: int, end: int) -> "Given":
        """Those of some rows alone."""
        step_masks = StepMasks(
            None
            if self.step_masks.hold is None
            else tuple(f[:, start:end] for f in self.step_masks.hold),
            None if self.step_masks.drop is None else self.step_masks.drop[start:end].contiguous(),
        )
        state = self.cell.state_type(
            *(f[start:end].detach().clone().requires_grad_() for f in self.state)
        )
        upstream = [
            None if d is None else d[:, start:end] if d.dim() == 3 else d[start:end]
            for d in self.upstream
        ]
        a = self.a[:, start:end].contiguous()
        return Given(self.cell, step_masks, a, self.b, self.loop, state, upstream)


def given(shape: Shape, dtype: torch.dtype = torch.float32) -> Given:
    """A problem from its input products on."""
    posed = problem(shape, dtype)
    parameters = {name: p.detach() for name, p in posed.cell.effective(posed.parameters).items()}
    # Of cells that read their input in the usual way the kernel adds the bias.
    b = parameters.pop("b", None) if type(posed.cell).inputs is Cell.inputs else None
    a = input_products(posed.cell, posed.x, parameters).in_graph().detach()
    loop = posed.cell.parameters_of_step(parameters)
    return Given(posed.cell, posed.step_masks, a, b, loop, posed.state, posed.upstream)


def rows_of(found: dict[str, Tensor], start: int, end: int) -> dict[str, Tensor]:
    """Some rows of what a kernel gave."""
    return {
        name: value[:, start:end] if value.dim() == 3 else value[start:end]
        for name, value in found.items()
    }


def same_bits(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Equal to the bit, a NaN where there is a NaN."""
    assert list(found) == list(wanted)
    for name, value in found.items():
        torch.testing.assert_close(
            value, wanted[name], rtol=0, atol=0, equal_nan=True,
            msg=lambda told, name=name: f"{name}: {told}",
        )  # fmt: skip


@contextmanager
def instructions(name: str) -> Iterator[Library]:
    """That instruction set inside, the one before afterwards."""
    found = library()
    assert found is not None
    before = found.instructions
    try:
        found.use_instructions(name)
        yield found
    finally:
        found.use_instructions(before)


def usable() -> tuple[str, ...]:
    """The instruction sets of this processor and build."""
    found = library()
    return () if found is None else found.usable


def _cells_and_sets() -> list[tuple[str, str]]:
    """Every cell on the best instruction set, a third of them on each other."""
    return [
        (name, found)
        for k, found in enumerate(usable())
        for number, name in enumerate(CELLS)
        if k == 0 or number % 3 == k % 3
    ]


each_cell_and_set = pytest.mark.parametrize(
    ("name", "instruction_set"), and_deep(_cells_and_sets(), product(CELLS, usable()))
)
