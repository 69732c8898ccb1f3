"""Correlations of every unit of a stack with given values, on two halves of a text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sunhwan.inspection.measures.state_reader import Selection, StateBatch, read_states
from sunhwan.inspection.subjects import Subject
from sunhwan.layers import Recurrent

# Below this share of its size a unit's variance is the rounding of its sums.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Unit:
    """One number of a recurrent state, as `sunhwan.layers.Traced` holds it.

    layer: its place in `Traced.layers`, which counts directions apart. direction: "forward" or
    "backward". field: of the state, "h" or "c". index: 0 … H − 1.
    """

    stack: str
    layer: int
    direction: str
    field: str
    index: int


def units_of(stack: str, recurrent: Recurrent) -> list[Unit]:
    """Every unit of every field of the state of every layer, in the order of `values_of`."""
    return [
        Unit(
            stack, number, "backward" if number % recurrent.directions else "forward", field, index
        )
        for number, layer in enumerate(recurrent.stack)
        for field, size in zip(
            layer.cell.state_type._fields, layer.cell.state_sizes(layer.hidden_size), strict=True
        )
        for index in range(size)
    ]


def values_of(recurrent: Recurrent, batch: StateBatch) -> Iterator[Tensor]:
    """The fields of the states of all layers, each (N, T, H)."""
    for layer, values in zip(recurrent.stack, batch.layers, strict=True):
        for field in layer.cell.state_type._fields:
            yield values[field]


def correlations(
    subject: Subject,
    stretches: Selection,
    targets: NDArray[np.float32],
    shifts: Sequence[float] = (0.0,),
    read: Callable[[int], None] = lambda steps: None,
) -> NDArray[np.float64]:
    """Pearson's correlation of F targets (n, F) with U units: (2, S, F, U), by half and shift.

    .. math:: r = \\frac{\\sum_t h_t f_t}{n \\, \\sigma_h}, \\quad f \\text{ of mean 0 and variance 1}

    of which only the sums over t are kept. shifts: for each of S the share of a half by which its
    targets are moved against the states, around its end. 0 where a unit or a target is constant.
    read: told how many steps each batch had.
    """
    recurrent = subject.recurrents[subject.main]
    standard = [_standardised(targets[half]) for half in stretches.halves()]
    sums: list[list[_Sums]] = [[], []]
    for batch in read_states(subject, stretches):
        for half, steps in enumerate(stretches.halves()):
            inside = (batch.places >= steps.start) & (batch.places < steps.stop)
            places = batch.places[inside] - steps.start
            if not len(places):
                continue
            n = steps.stop - steps.start
            moved = [(places.cpu() + round(shift * n)) % n for shift in shifts]
            columns = torch.cat([standard[half][places] for places in moved], 1)
            for number, values in enumerate(values_of(recurrent, batch)):
                found = values[inside]
                if number == len(sums[half]):
                    sums[half].append(_Sums.before(found, columns))
                sums[half][number].add(found, columns.to(found))
        read(int((batch.places >= 0).sum()))
    U, C = len(units_of(subject.main, recurrent)), targets.shape[1] * len(shifts)
    both = np.zeros((2, C, U))
    for half, fields in enumerate(sums):
        if fields:
            both[half] = torch.cat([field.correlations() for field in fields], 1).numpy()
    return both.reshape(2, len(shifts), -1, U)


def chosen_values(
    subject: Subject,
    stretches: Selection,
    places: Sequence[int],
    read: Callable[[int], None] = lambda steps: None,
) -> NDArray[np.float32]:
    """What K of the units, by their places in `units_of`, are at each of the n steps: (n, K).

    0 where one is not finite. read: told how many steps each batch had.
    """
    recurrent = subject.recurrents[subject.main]
    found = np.zeros((len(stretches.steps), len(places)), np.float32)
    for batch in read_states(subject, stretches):
        inside = batch.places >= 0
        rows, first = batch.places[inside].cpu().numpy(), 0
        for values in values_of(recurrent, batch):
            H = values.shape[-1]
            own = [k for k, place in enumerate(places) if first <= place < first + H]
            taken = values[..., [places[k] - first for k in own]][inside]
            found[rows[:, np.newaxis], own] = taken.float().nan_to_num(0, 0, 0).cpu().numpy()
            first += H
        read(len(rows))
    return found


class _Sums:
    """Σ h, Σ h² and Σ h f of a field of H units and C columns, h as its difference from an origin.

    The origin is near the mean, so that the variance is no small difference of large numbers.
    """

    def __init__(self, origin: Tensor, C: int) -> None:
        self.origin, self.n = origin, 0
        H = len(origin)
        self.h, self.squares = torch.zeros(2, H, dtype=torch.float64)
        self.products = torch.zeros(C, H, dtype=torch.float64)

    @classmethod
    def before(cls, values: Tensor, columns: Tensor) -> "_Sums":
        return cls(values.mean(0), columns.shape[1])

    def add(self, values: Tensor, columns: Tensor) -> None:
        h = values - self.origin
        self.n += len(h)
        self.h += h.sum(0).cpu()
        self.squares += h.square().sum(0).cpu()
        self.products += (columns.T @ h).cpu()

    def correlations(self) -> Tensor:
        """(C, H)."""
        mean = self.h / self.n
        variance = self.squares / self.n - mean.square()
        size = self.squares / self.n + self.origin.double().cpu().square()
        still = variance <= ROUNDING * size
        r = self.products / self.n / variance.clamp(min=torch.finfo(torch.float64).tiny).sqrt()
        return torch.where(still, 0, r).nan_to_num(0, 0, 0).clamp(-1, 1)


def _standardised(values: NDArray[np.float32]) -> Tensor:
    """(n, F) → the same with mean 0 and variance 1 in each column, 0 in a constant one."""
    exact = values.astype(np.float64)
    deviation = exact.std(0)
    moved = (exact - exact.mean(0)) / np.where(deviation > 0, deviation, 1)
    return torch.from_numpy(moved.astype(np.float32))
