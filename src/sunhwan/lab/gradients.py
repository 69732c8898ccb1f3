"""Decomposition of gradients: the norm of ∂L/∂h_t over the lag, and what each step adds to ∂L/∂W_h.

A variant is a cell with a start of W_h. All variants of a call read the same sequences, in float64. L is
the loss of the last step alone, so that a lag is a number of steps back from where L is made.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from sunhwan.cells import CELLS, Cell, get_cell
from sunhwan.cells.base import Bypass, HiddenState, State
from sunhwan.cells.elman import Elman
from sunhwan.cells.initial import STARTS
from sunhwan.errors import ConfigError, UsageError, did_you_mean
from sunhwan.lab.memory import CLIP_NORM, LEARNING_RATES
from sunhwan.lab.tasks import TASKS, get_task
from sunhwan.layers import Look, Recurrent, observing
from sunhwan.layers.shares import (
    Share,
    field_gradients,
    layer_steps,
    parameter_shares,
    shares_of,
)
from sunhwan.layers.spectra import recurrent_blocks, values_of

FORGOTTEN = 0.01
"""The share of its start under which a gradient counts as gone."""

BINS = 20
"""Of a histogram of derivatives, from 0 to 1."""


@dataclass(frozen=True)
class LinearElman(Elman):
    """Elman network whose activation is the identity: h_t = x_t W_x + h_{t−1} W_h + b."""

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        return HiddenState(a + u), ()

    def factors(self, saved: State, state_prev: State, state: State, *extra: Tensor) -> State:
        return (torch.ones_like(state[0]),)

    def pointwise_backward(self, d_state: State, factors: State) -> tuple[Tensor, Bypass]:
        return d_state[0] * factors[0], (None,)


ACTIVATIONS: dict[str, Cell] = {
    "tanh": CELLS["elman"],
    "sigmoid": CELLS["elman_sigmoid"],
    "relu": CELLS["elman_relu"],
    "identity": LinearElman(),
}
"""Of an Elman network, by name."""


@dataclass(frozen=True)
class GradientSettings:
    """Settings that all variants share: H = hidden_size, N = rows, lags: steps back that are looked at.

    source: a task of `sunhwan lab memory`, or text. steps: training steps before the look. seed: of
    weights and sequences. clip_norm: largest norm of the gradient of all parameters.
    """

    source: str = "text"
    hidden_size: int = 32
    lags: int = 100
    rows: int = 16
    steps: int = 0
    clip_norm: float = CLIP_NORM
    seed: int = 1

    def __post_init__(self) -> None:
        bounds = {"hidden_size": 4096, "lags": 10_000, "rows": 4096}
        for name, high in bounds.items():
            if not 1 <= getattr(self, name) <= high:
                raise ConfigError(
                    f"the {name.replace('_', ' ')} must be between 1 and {high:,}, "
                    f"not {getattr(self, name)}"
                )
        if self.steps < 0 or not 0 <= self.seed < 2**63:
            raise ConfigError("steps and seed must not be negative")
        if not self.clip_norm > 0:
            raise ConfigError(f"the clip norm must be above 0, not {self.clip_norm}")
        if self.source != "text" and self.source not in TASKS:
            raise ConfigError(
                f"there is no source {self.source!r}{did_you_mean(self.source, ('text', *TASKS))}: choose "
                f"from text, {', '.join(TASKS)}"
            )


class Variant(NamedTuple):
    """A cell and how its W_h begins; start "": as the cell's literature says."""

    name: str
    cell: Cell
    start: str = ""
    scale: float = 1.0

    @property
    def label(self) -> str:
        """All of it in one word or three."""
        scale = "" if self.scale == 1.0 else f"× {self.scale:g}"
        return " ".join(part for part in (self.name, self.start, scale) if part)


def variants(
    activations: Sequence[str], cells: Sequence[str], starts: Sequence[str], scales: Sequence[float]
) -> list[Variant]:
    """Every activation and cell with every start and scale.

    A cell without W_h comes once. ConfigError for a name or a scale that cannot be.
    """
    for name in activations:
        if name not in ACTIVATIONS:
            raise ConfigError(
                f"there is no activation {name!r}{did_you_mean(name, ACTIVATIONS)}: choose from "
                f"{', '.join(ACTIVATIONS)}"
            )
    for start in starts:
        if start not in STARTS:
            raise ConfigError(
                f"there is no start {start!r}{did_you_mean(start, STARTS)}: choose from "
                f"{', '.join(STARTS)}"
            )
    for scale in scales:
        if not (math.isfinite(scale) and scale >= 0):
            raise ConfigError(f"a scale must be a number from 0 on, not {scale}")
    found = {f"elman {name}": ACTIVATIONS[name] for name in activations}
    found |= {name: get_cell(name) for name in cells}
    made = []
    for name, cell in found.items():
        if not cell.gates_of_W_h:
            made.append(Variant(name, cell))
            continue
        pairs = itertools.product(starts or ("",), scales or (1.0,))
        made += [Variant(name, cell, start, scale) for start, scale in pairs]
    return made


class Clipped(NamedTuple):
    """The gradient of all parameters before and after its norm is limited: norms, and cosine between."""

    norm: float
    limited: float
    cosine: float


@dataclass(frozen=True)
class GradientAnatomy:
    """Measurements of a variant.

    field: of the state, whose gradient is followed: c where there is one, else h. curve: the median over
    the rows of ‖∂L/∂field_{t−k}‖, k = 0 … lags. horizon: the first lag from which on it stays under 1 %
    of its start (`start_of`); None: not within the lags. shares: of W_h (W_x where there is none), by
    lag. sum_error: largest difference between the shares' sum and the gradient, by the gradient's
    largest entry. radius, norm, powers: of W_h, its spectral radius, its largest singular
    value and ‖W_h^k‖₂; None and empty where it is not one square block. derivatives: a histogram of
    [0, 1] in 20 bins: of φ′ in an Elman network, of the gate that keeps the memory in others; empty
    where there is neither.
    """

    label: str
    cell: str
    start: str
    scale: float
    field: str
    loss: float
    curve: list[float]
    horizon: int | None
    parameter: str
    shares: list[Share]
    sum_error: float
    radius: float | None
    norm: float | None
    clipped: Clipped
    powers: list[float]
    derivatives: list[float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        values = asdict(self)
        values["shares"] = [share._asdict() for share in self.shares]
        return values | {"clipped": self.clipped._asdict()}


class Sequences(NamedTuple):
    """inputs (N, T, D); losses: outputs of the last step (N, O) → the loss of each row (N)."""

    inputs: Tensor
    losses: Callable[[Tensor], Tensor]
    outputs: int


def draw(settings: GradientSettings, text: str, generator: Generator) -> Sequences:
    """Fresh sequences of lags + 1 steps or more; UsageError where the text is too short."""
    if settings.source != "text":
        task = get_task(settings.source, settings.lags)
        batch = task.draw(settings.rows, generator)
        targets = batch.targets[:, -1:]
        targets = targets.double() if targets.is_floating_point() else targets

        def of_task(last: Tensor) -> Tensor:
            pairs = zip(last.unsqueeze(1), targets, strict=True)
            return torch.stack([task.loss(one[None], target[None]) for one, target in pairs])

        return Sequences(batch.inputs.double(), of_task, task.output_size)
    letters = sorted(set(text))
    T = settings.lags + 1
    if len(text) < T + 1 or len(letters) < 2:
        raise UsageError(
            f"the text has {len(text):,} characters, {len(letters):,} of them different: "
            f"give at least {T + 1:,}, or fewer --lags"
        )
    numbers = {letter: number for number, letter in enumerate(letters)}
    ids = torch.tensor([numbers[letter] for letter in text])
    starts = torch.randint(len(ids) - T, (settings.rows, 1), generator=generator)
    windows = ids[starts + torch.arange(T + 1)]
    inputs = functional.one_hot(windows[:, :-1], len(letters)).double()
    targets = windows[:, -1]
    return Sequences(
        inputs, lambda last: functional.cross_entropy(last, targets, reduction="none"), len(letters)
    )


class _Network(nn.Module):
    def __init__(self, variant: Variant, input_size: int, hidden_size: int, outputs: int) -> None:
        super().__init__()
        self.recurrent = Recurrent(
            variant.cell, input_size, hidden_size, start=variant.start, start_scale=variant.scale
        )
        self.readout = nn.Linear(self.recurrent.output_size, outputs)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        last: Tensor = self.readout(self.recurrent(x)[0][:, -1])
        return last


def take_apart(variant: Variant, settings: GradientSettings, text: str = "") -> GradientAnatomy:
    """Make the network, train it if asked, and take the gradient of fresh sequences apart."""
    generator = torch.Generator().manual_seed(settings.seed)
    found = draw(settings, text, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = _Network(variant, found.inputs.shape[2], settings.hidden_size, found.outputs)
    _train(network, settings, text, generator)
    found = draw(settings, text, torch.Generator().manual_seed(settings.seed + 1))
    look = Look.STEPS | Look.GATES
    with observing(network.recurrent, look) as calls:
        losses = found.losses(network(found.inputs))
    traced, loss = calls[0].traced, losses.mean()
    (run,) = layer_steps(network.recurrent, traced, loss)
    names = type(run.after[0])._fields  # type: ignore[attr-defined]
    name = "c" if "c" in names else "h"
    place = names.index(name)
    rows = torch.stack([d[place] for d in field_gradients(run)]).flip(0) * len(losses)
    curve = rows.norm(dim=2).median(1).values[: settings.lags + 1].tolist()
    _check_finite(variant, curve)
    cell = variant.cell
    parameter = "W_h" if cell.gates_of_W_h else "W_x"
    parts = [p[parameter] for p in parameter_shares(run)]
    network.zero_grad()
    found.losses(network(found.inputs)).mean().backward()  # type: ignore[no-untyped-call]
    whole = network.recurrent.stack[0].get_parameter(f"{parameter}_T").grad
    assert whole is not None
    largest = float(whole.abs().max())
    error = float((sum(parts[1:], parts[0]) - whole.T).abs().max()) / largest if largest else 0.0
    blocks = list(recurrent_blocks(network.recurrent.stack[0]).values())
    square = blocks[0] if len(blocks) == 1 else None
    radius = norm = None
    if square is not None:
        eigenvalues, singular = values_of(square)
        radius, norm = float(eigenvalues.abs().max()), float(singular[0])
    powers = [] if square is None else _powers(square, settings.lags)
    _check_finite(variant, powers)
    return GradientAnatomy(
        label=variant.label,
        cell=variant.name,
        start=variant.start,
        scale=variant.scale,
        field=name,
        loss=loss.item(),
        curve=curve,
        horizon=horizon(name, curve),
        parameter=parameter,
        shares=shares_of(parts)[::-1][: settings.lags + 1],
        sum_error=error,
        radius=radius,
        norm=norm,
        clipped=clip(network, settings.clip_norm),
        powers=powers,
        derivatives=_histogram(_derivatives(cell, traced.layers[0])),
    )


def start_of(field: str, curve: Sequence[float]) -> float:
    """What a curve is told as a share of: its value at lag 0; of another field than h, at lag 1 where
    that is larger, for at lag 0 only its own step's output leads there."""
    return curve[0] if field == "h" else max(curve[:2])


def shares_of_start(field: str, curve: Sequence[float]) -> list[float]:
    """A curve as shares of its start; as it is where that is 0."""
    start = start_of(field, curve) or 1.0
    return [value / start for value in curve]


def horizon(field: str, curve: Sequence[float]) -> int | None:
    """The first lag from which on a curve stays under 1 % of its start; None: not within its lags."""
    start = start_of(field, curve)
    values = np.array(curve)
    if not start:
        return 0
    beyond = (
        int(np.flatnonzero(~(values < FORGOTTEN * start))[-1]) + 1
    )  # what overflows is not under it
    return beyond if beyond < len(values) else None


def clip(network: nn.Module, limit: float) -> Clipped:
    """Limit the norm of the whole gradient as training does; the direction is kept."""
    parameters = [p for p in network.parameters() if p.grad is not None]
    before = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    nn.utils.clip_grad_norm_(parameters, limit)
    after = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    cosine = float(functional.cosine_similarity(before, after, dim=0, eps=0))
    return Clipped(float(before.norm()), float(after.norm()), cosine)


def _train(network: _Network, settings: GradientSettings, text: str, generator: Generator) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATES[0])
    for _ in range(settings.steps):
        batch = draw(settings, text, generator)
        optimizer.zero_grad()
        batch.losses(network(batch.inputs)).mean().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
        optimizer.step()


def _check_finite(variant: Variant, numbers: Sequence[float]) -> None:
    if not all(map(math.isfinite, numbers)):
        raise UsageError(
            f"the gradient of {variant.label} grows beyond all numbers: choose a smaller --scale or fewer "
            "--lags"
        )


def _powers(W: Tensor, lags: int) -> list[float]:
    """‖W^k‖₂ for k = 0 … lags."""
    power, found = torch.eye(len(W), dtype=W.dtype), []
    for _ in range(lags + 1):
        whole = bool(power.isfinite().all())
        found.append(float(torch.linalg.matrix_norm(power, 2)) if whole else math.inf)
        power = power @ W
    return found


def _derivatives(cell: Cell, values: dict[str, Tensor]) -> Tensor | None:
    if isinstance(cell, Elman):
        h = values["h"]
        return cell.factors((), (h,), (h,))[0]
    return values.get(cell.keep)


def _histogram(values: Tensor | None) -> list[float]:
    if values is None:
        return []
    counts = torch.histc(values.double().clamp(0, 1), BINS, 0, 1)
    return (counts / counts.sum()).tolist()
