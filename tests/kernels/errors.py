"""How far a kernel is from float64, beside the reference loop in the same precision."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sunhwan.ops import native, reference
from tests.kernels.problems import KINKED, Shape, instructions, problem

TIMES, FLOOR = 2.0, 8.0
"""The error of float32 that is allowed: times that of the reference, and so many units in the last
place of the tensor's norm, for a reference may happen to be exact."""

TWICE = 1e-12
"""What float64 may deviate by, relative to the norm."""

EPS = torch.finfo(torch.float32).eps


@dataclass
class Record:
    """The largest errors seen: in float64, and in float32 as a multiple of what is allowed."""

    double: float = 0.0
    single: float = 0.0
    failures: list[str] = field(default_factory=list)


def check(shape: Shape, sets: Sequence[str], record: Record) -> None:
    """Note what a kernel makes of a shape with every instruction set."""
    for failure in _failures(shape, sets, record):
        if shape.name in KINKED and "float32" in failure and not _persists(shape, sets):
            continue
        record.failures.append(failure)


def _persists(shape: Shape, sets: Sequence[str]) -> bool:
    """Whether a failure comes again with other numbers, and once more."""
    for _ in range(2):
        shape = shape.again()
        if not list(_failures(shape, sets, Record())):
            return False
    return True


def _failures(shape: Shape, sets: Sequence[str], record: Record) -> Iterator[str]:
    truth = problem(shape, torch.float64).run(reference.run)
    near = problem(shape, torch.float32).run(reference.run)
    for name in sets:
        with instructions(name):
            twice = problem(shape, torch.float64).run(native.run)
            single = problem(shape, torch.float32).run(native.run)
        for value, wanted in truth.items():
            norm = _norm(wanted)
            error = _distance(twice[value], wanted)
            record.double = max(record.double, error / max(norm, 1.0))
            if not error <= TWICE * max(norm, 1.0):
                yield f"{shape} {name} float64: {value} is off by {error:.3g} of {norm:.3g}"
            error, theirs = _distance(single[value], wanted), _distance(near[value], wanted)
            allowed = TIMES * theirs + FLOOR * EPS * norm
            record.single = max(record.single, error / allowed if error else 0.0)
            if not error <= allowed:
                yield (
                    f"{shape} {name} float32: {value} is off by {error:.3g} of {norm:.3g}, "
                    f"the reference by {theirs:.3g}"
                )


def _distance(found: Tensor, wanted: Tensor) -> float:
    assert found.shape == wanted.shape
    return _norm(found.double() - wanted)


def _norm(value: Tensor) -> float:
    return float(torch.linalg.vector_norm(value))
