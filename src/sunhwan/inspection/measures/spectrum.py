"""Spectra of the recurrent matrices, and of the Jacobians of one step."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.inspection.progress import Progress, no_progress
from sunhwan.inspection.subjects import Passage, Subject
from sunhwan.layers import Look, RecurrentLayer, Traced
from sunhwan.layers.spectra import DIRECTIONS, recurrent_blocks, values_of
from sunhwan.models.mode import evaluating
from sunhwan.store import Run

STEPS = 100
"""How far a stretch is read before its last step's Jacobian is taken."""
SAID = 20
"""Characters that tell where it is."""
WORK = 6e9
"""Σ size³ of the Jacobians, beyond which fewer are taken: some seconds."""


class MatrixSpectrum(NamedTuple):
    """A gate's block of W_h (H, H): its eigenvalues, complex, and singular values, falling (H each).

    radius: the largest |eigenvalue|. norm: the largest singular value.
    """

    stack: str
    layer: int
    direction: str
    gate: str
    eigenvalues: np.ndarray
    singular_values: np.ndarray
    radius: float
    norm: float


class JacobianSpectrum(NamedTuple):
    """∂state_t/∂state_{t−1} of a layer, all S numbers of its state, at a step of a text.

    where: what was read up to that step. eigenvalues, singular_values, radius: as of a matrix.
    """

    stack: str
    layer: int
    direction: str
    where: str
    eigenvalues: np.ndarray
    singular_values: np.ndarray
    radius: float


class Spectrum(NamedTuple):
    """history: the "spectrum" events of a run's log, in order."""

    matrices: list[MatrixSpectrum]
    jacobians: list[JacobianSpectrum]
    history: list[dict[str, Any]]


class Place(NamedTuple):
    """A step of one row of a layer: what it read, x (D), and the state before it, of (size)."""

    x: Tensor
    state: State


def spectrum(
    subject: Subject,
    passages: Sequence[Passage],
    *,
    positions: int = 8,
    history: Sequence[dict[str, Any]] = (),
    progress: Progress = no_progress,
) -> Spectrum:
    """The spectra of W_h, gate by gate, and of a step's Jacobian at places of real text.

    A Jacobian's eigenvalues near the unit circle are directions in which a state lives long; beyond
    1 they grow (Pascanu et al. 2013). At each place the layer's own step is taken, in evaluation.

    positions: places, at most, each the last step of a stretch of its own; of large states fewer.
    """
    matrices = [
        _matrix(name, *divmod(i, recurrent.directions), gate, W)
        for name, recurrent in subject.recurrents.items()
        for i, layer in enumerate(recurrent.stack)
        for gate, W in recurrent_blocks(layer).items()
    ]
    layers = [layer for recurrent in subject.recurrents.values() for layer in recurrent.stack]
    size = sum(float(_size(layer)) ** 3 for layer in layers)
    windows = subject.windows(passages, STEPS, max(1, min(positions, int(WORK / size))))
    windows = [window for window in windows if window.labels]
    jacobians = []
    places = _places(subject, windows) if windows else []
    for done, (name, i, row, place) in enumerate(places, 1):
        recurrent = subject.recurrents[name]
        depth, direction = divmod(i, recurrent.directions)
        where = _where(subject, windows[row], name, direction)
        values, singular = _arrays(jacobian(recurrent.stack[i], place))
        radius = float(np.abs(values).max())
        jacobians.append(
            JacobianSpectrum(name, depth, DIRECTIONS[direction], where, values, singular, radius)
        )
        progress(done / len(places))
    return Spectrum(matrices, jacobians, list(history))


def spectrum_history(run: Run) -> list[dict[str, Any]]:
    """The "spectrum" events of a run's log: step, and blocks with stack, layer, direction, gate,
    radius and norm."""
    return [event for event in run.events() if event["event"] == "spectrum"]


def jacobian(layer: RecurrentLayer, place: Place) -> Tensor:
    """∂state_t/∂state_{t−1} (S, S) of one step, S the numbers of all fields together, in their order.

    Row i is the gradient of number i of the new state: S copies of the step, one number of each.
    """
    S = _size(layer)
    fields = [field.detach().expand(S, -1).clone().requires_grad_() for field in place.state]
    x = place.x.detach().expand(1, S, -1)
    with evaluating(layer), torch.enable_grad():
        after = layer(x, layer.cell.state_type(*fields)).last
        chosen = torch.cat(after, 1).diagonal().sum()
    rows = torch.autograd.grad(chosen, fields, allow_unused=True, materialize_grads=True)
    return torch.cat(rows, 1)


def _arrays(matrix: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvalues and the singular values."""
    eigenvalues, singular_values = values_of(matrix)
    return eigenvalues.numpy(), singular_values.numpy()


def _matrix(stack: str, layer: int, direction: int, gate: str, W: Tensor) -> MatrixSpectrum:
    values, singular = _arrays(W)
    radius, norm = float(np.abs(values).max()), float(singular[0])
    return MatrixSpectrum(stack, layer, DIRECTIONS[direction], gate, values, singular, radius, norm)


def _size(layer: RecurrentLayer) -> int:
    return sum(layer.cell.state_sizes(layer.hidden_size))


def _places(subject: Subject, windows: Sequence[Passage]) -> list[tuple[str, int, int, Place]]:
    """Stack, number of the layer, row, and the last step that the layer makes of the row."""
    with torch.no_grad():
        stacks = subject.observe(windows, Look.STATES).runs
    return [
        (name, i, row, _last_step(stacks[name].traced, i, row, length, i % recurrent.directions))
        for name, recurrent in subject.recurrents.items()
        for i in range(len(recurrent.stack))
        for row, length in enumerate(stacks[name].lengths.tolist())
        if length
    ]


def _last_step(traced: Traced, i: int, row: int, length: int, backward: int) -> Place:
    """The last step of a row that layer i makes: a backward direction ends at the first step."""
    t, before = (0, 1) if backward else (length - 1, length - 2)
    initial, fields = traced.initial[i], traced.initial[i]._fields  # type: ignore[attr-defined]
    state = initial if length == 1 else (traced.layers[i][name][:, before] for name in fields)
    return Place(traced.inputs[i][row, t], tuple(field[row] for field in state))


def _where(subject: Subject, passage: Passage, stack: str, direction: int) -> str:
    """What the step whose Jacobian it is has just read."""
    pieces, labels = subject.steps(passage, stack)
    text = "".join(pieces)
    return (text[:SAID] or labels[0]) if direction else (text[-SAID:] or labels[-1])
