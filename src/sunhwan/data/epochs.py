"""Epochs: numbers that count seconds, or parts of them, since 1970."""

from collections.abc import Sequence
from fractions import Fraction

_EPOCHS: dict[int, tuple[int | Fraction, str]] = {
    9: (10**6, "seconds"), 10: (10**6, "seconds"), 13: (10**3, "milliseconds"),
    16: (1, "microseconds"), 19: (Fraction(1, 1000), "nanoseconds"),
}  # fmt: skip
"""Digits of a count since 1970 → the microseconds in its unit, and the unit's name."""

_YEARS = (1975, 2100)


def epoch_of(unique: Sequence[str]) -> tuple[int | Fraction, str] | None:
    """The unit of counts since 1970, None where the numbers are no such counts."""
    longest = max(len(cell.partition(".")[0]) for cell in unique)
    if longest not in _EPOCHS or any(set(cell) > set("0123456789.") for cell in unique):
        return None
    size, unit = _EPOCHS[longest]
    years = [1970 + float(cell) * float(size) / 31_556_952e6 for cell in unique]
    return (size, unit) if _YEARS[0] < min(years) and max(years) < _YEARS[1] else None
