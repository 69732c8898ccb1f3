"""How far a kernel is from float64, beside the reference loop in the same precision."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from tests.kernels.problems import KINKED, Shape, by, instructions, problem

EPS = torch.finfo(torch.float32).eps
TINY = torch.finfo(torch.float32).tiny
EPS_TWICE = torch.finfo(torch.float64).eps

MIDDLE, USUALLY, EVER, FLOOR = 1.5, 2.0, 50.0, 8.0
"""What the error in float32 may be: so many times that of the reference in the middle (the median of
all tensors), nearly always, and ever; besides, units in the last place of the tensor's norm. Where one
direction of a problem outgrows all others both errors are a number times that direction, and neither
number says anything of the other. Nor is the reference's error taken to be less than what becomes of
the float64 result when its inputs are rounded another way: it may be exact by chance."""

BEYOND = 1e30
"""A norm that float32 need not hold on the way: an unbounded cell can outgrow it."""

SELDOM = 0.1
"""The share of tensors that need not be within USUALLY."""

TWICE = 1e-12
"""What float64 may deviate by, relative to the norm; more where float32 is worse than its rounding."""


@dataclass
class Record:
    """What was seen of one cell.

    double: the largest error in float64, as a share of what is allowed. single: of every tensor the
    error in float32 by that of the reference, units in the last place left aside. ratios: the same
    where the reference was not exact to the last place.
    """

    double: float = 0.0
    single: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Judge all together."""
        if not self.middle <= MIDDLE:
            self.failures.append(f"float32: {self.middle:.2f} times the reference's error")
        if not self.seldom <= SELDOM:
            self.failures.append(f"float32: {self.seldom:.0%} above {USUALLY} times")

    @property
    def middle(self) -> float:
        """The median of the ratios."""
        return median(self.ratios) if self.ratios else 0.0

    @property
    def seldom(self) -> float:
        """The share of tensors whose error is above USUALLY times that of the reference."""
        return sum(one > USUALLY for one in self.single) / max(len(self.single), 1)


def check(shape: Shape, sets: Sequence[str], record: Record) -> None:
    """Note what a kernel makes of a shape with every instruction set."""
    found = list(_failures(shape, sets, record))
    if shape.name in KINKED and found and not any("float64" in told for told in found):
        # Two more draws: a sum that is nearly 0 does not come again.
        found = found if all(_fails(shape.again(k), sets) for k in (1, 2)) else []
    record.failures += found


def _fails(shape: Shape, sets: Sequence[str]) -> bool:
    return bool(list(_failures(shape, sets, Record())))


def _failures(shape: Shape, sets: Sequence[str], record: Record) -> Iterator[str]:
    truth = problem(shape, torch.float64).run(by("reference"))
    shaken = problem(shape, torch.float64, shaken=EPS).run(by("reference"))
    near = problem(shape, torch.float32).run(by("reference"))
    for name in sets:
        with instructions(name):
            twice = problem(shape, torch.float64).run(by("native"))
            single = problem(shape, torch.float32).run(by("native"))
        for value, wanted in truth.items():
            norm = _norm(wanted)
            unsure, theirs = _distance(shaken[value], wanted), _distance(near[value], wanted)
            error = _distance(twice[value], wanted)
            step_masks = max(unsure, theirs)
            allowed = TWICE * max(norm, 1.0) + 16 * step_masks * EPS_TWICE / EPS
            if not error <= allowed:
                # Where a difference grows at every step, float32's saturates and tells too little.
                jolted = problem(shape, torch.float64, shaken=8 * EPS_TWICE).run(by("reference"))
                allowed += 16 * _distance(jolted[value], wanted)
            record.double = max(record.double, error / allowed)
            if not error <= allowed:
                yield f"{shape} {name} float64: {value} is off by {error:.3g} of {norm:.3g}"
            if norm > BEYOND:
                continue
            error = _distance(single[value], wanted)
            beyond = max(error - FLOOR * (EPS * norm + TINY), 0.0) if error == error else error
            record.single.append(beyond / max(step_masks, TINY) if beyond else 0.0)
            if theirs > EPS * norm:
                record.ratios.append(error / theirs)
            if not beyond <= EVER * step_masks:
                yield (
                    f"{shape} {name} float32: {value} is off by {error:.3g} of {norm:.3g}, "
                    f"the reference by {theirs:.3g}, other rounding {unsure:.3g}"
                )


def _distance(found: Tensor, wanted: Tensor) -> float:
    assert found.shape == wanted.shape
    return _norm(found.double() - wanted)


def _norm(value: Tensor) -> float:
    return float(torch.linalg.vector_norm(value))
