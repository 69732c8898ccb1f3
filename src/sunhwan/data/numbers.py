"""Numbers as tables write them."""

import math
import re

from sunhwan.errors import DataError, quoted

# Possessive: what is taken is not given back, or a long cell would take the square of its length.
_NUMBER = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")


def is_number(cell: str) -> bool:
    """Whether the cell is one decimal number; `nan`, `inf`, `1_000` and `1,000` are not."""
    return _NUMBER.fullmatch(cell.strip()) is not None


def finite(cell: str, where: str, column: str, cure: str) -> float:
    """The number in the cell.

    Raises:
        DataError: it is empty, no number, or too large; the message names row, column and cure.
    """
    value = float(cell.strip()) if is_number(cell) else math.nan
    if math.isfinite(value):
        return value
    found = f"holds {quoted(cell)}, which is not a finite number" if cell.strip() else "is empty"
    raise DataError(f"{where}: column {quoted(column)} {found}; {cure}.")
