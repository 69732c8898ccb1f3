"""Numbers as tables write them."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from sunhwan.errors import DataError, quoted

# Possessive: what is taken is not given back, or a long cell would take the square of its length.
_NUMBER = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_YES_OR_NO = frozenset(("yes", "no", "true", "false", "y", "n", "예", "아니오", "아니요"))
_WHOLE = re.compile(r"[+-]?[0-9]++")
_GROUPED = re.compile(
    r"[+-]?[1-9][0-9]{0,2}(?:(?:,[0-9]{3})++|(?:'[0-9]{3})++|(?:[ \xa0\u202f][0-9]{3})++)(?:\.[0-9]*+)?"
)
_COMMA = re.compile(
    r"[+-]?(?:[0-9]++,[0-9]*+|,[0-9]++|[1-9][0-9]{0,2}(?:(?:\.[0-9]{3})++|(?:[ \xa0\u202f][0-9]{3})++)"
    r"(?:,[0-9]*+)?)(?:[eE][+-]?[0-9]++)?"
)
_POINTS = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
_SPACES = " \xa0\u202f"
_UNGROUPED = str.maketrans("", "", f",'{_SPACES}")
_POINTED = str.maketrans({",": ".", **dict.fromkeys(f".{_SPACES}")})

PLAIN, GROUPED, COMMA = "plain", "with commas between thousands", "with a decimal comma"
POINTS, SPACES = "with points between thousands", "with spaces between thousands"
SHEET_ERRORS = frozenset(
    ("#n/a", "#div/0!", "#ref!", "#value!", "#num!", "#name?", "#null!", "#spill!", "#calc!")
)
"""What spreadsheets write for a number that a formula could not compute, in lower case."""
MISSING = SHEET_ERRORS | {"", "nan", "na", "n/a", "null", "none", "-", "?", ".", "<na>", "결측"}
"""Cells that say that a number is missing, in lower case."""
NOTHING: Mapping[str, str] = MappingProxyType({})
"""No column's writing."""

_MANY = 8
"""Numbers with points from which on their order tells whether thousands stand before these."""
_A_FEW = 3
"""Whole numbers, and numbers of thousands, at least, that tell that points stand between thousands."""


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
    if cell.strip().casefold() in _YES_OR_NO:
        cure = "write 1 for yes and 0 for no"
    raise DataError(f"{where}: column {quoted(column)} {found}; {cure}.")


def writings(cells: Sequence[str]) -> tuple[str, ...]:
    """The ways of writing in which every cell that is not empty is a number.

    PLAIN (1204.5) alone where all are plain; else GROUPED (1,204.5), COMMA (1.204,5) or, where
    nothing tells, both; () where they are no numbers. Of 950 and 1,204 the first tells: a number
    with three decimals would be 950,000.
    """
    given = [cell.strip() for cell in cells]
    given = [cell for cell in given if cell]
    if not given:
        return ()
    if all(map(_NUMBER.fullmatch, given)):
        return (PLAIN,)
    if all(_NUMBER.fullmatch(cell) or _GROUPED.fullmatch(cell) for cell in given) and not any(
        "," in cell for cell in given
    ):
        return (GROUPED,)  # by spaces: a comma would be decimal, and there is none
    grouped = all(_NUMBER.fullmatch(cell) or _GROUPED.fullmatch(cell) for cell in given)
    comma = all(_WHOLE.fullmatch(cell) or _COMMA.fullmatch(cell) for cell in given)
    if grouped and comma and any(map(_WHOLE.fullmatch, given)):
        small = all(abs(int(cell)) < 1000 for cell in given if _WHOLE.fullmatch(cell))
        grouped, comma = small, not small
    return (GROUPED,) * grouped + (COMMA,) * comma


def plain_columns(
    columns: Mapping[str, Sequence[str]],
    separator: str = "",
    usual: Mapping[str, str] = NOTHING,
) -> dict[str, tuple[str, list[str]]]:
    """Of columns by name, those of numbers that are not plain: the writing, and the plain cells.

    Where a column does not tell, the others do, for a table has one writing; else the separator of its
    cells: a comma does not stand beside decimal commas, and semicolons do where commas are decimal. If
    nothing tells, a column is left out and stays as it is. Points stand between thousands where a column
    tells it (`_are_thousands`) and no other has decimals behind a point.

    usual: how columns were written in other files, which decides where no column does.
    """
    found = {name: writings(cells) for name, cells in columns.items()}
    pointed = [n for n, ways in found.items() if ways == (PLAIN,) and _has_points(columns[n])]
    if all(_are_groups(columns[name]) for name in pointed):
        found |= {name: (COMMA,) for name in pointed if _are_thousands(columns[name])}
    told = {ways[0] for ways in found.values() if len(ways) == 1} - {PLAIN}
    by_separator = {",": GROUPED, ";": COMMA}.get(separator, "")
    whole = next(iter(told)) if len(told) == 1 else "" if told else by_separator
    decided = COMMA in {ways[0] for ways in found.values() if len(ways) == 1}
    made = {}
    for name, ways in found.items():
        cells, known = columns[name], usual.get(name, "")
        way = ways[0] if len(ways) == 1 else whole if whole in ways else ""
        if len(ways) > 1 and not told and known in ways:
            way = known
        if way == PLAIN and whole == COMMA and decided and _are_groups(cells):
            way = COMMA
        if way == PLAIN and known == COMMA and not told and undecided({name: cells}, ";"):
            way = COMMA
        if way in (GROUPED, COMMA):
            table = _UNGROUPED if way == GROUPED else _POINTED
            made[name] = way, [cell.strip().translate(table) for cell in cells]
    return made


def plain_cell(cell: str, way: str) -> str | None:
    """The plain number of a cell that is written in this way, GROUPED or COMMA; None: it is not."""
    cell = cell.strip()
    if way == GROUPED:
        return (
            cell.translate(_UNGROUPED)
            if _NUMBER.fullmatch(cell) or _GROUPED.fullmatch(cell)
            else None
        )
    return cell.translate(_POINTED) if _WHOLE.fullmatch(cell) or _COMMA.fullmatch(cell) else None


def undecided(columns: Mapping[str, Sequence[str]], separator: str) -> dict[str, str]:
    """Of columns of plain numbers those whose points may stand between thousands, each with such a cell.

    So may those of 1.204 where whole numbers below 1,000 stand beside it, or where semicolons part the
    cells, as they do where commas are decimal.
    """
    found = {}
    for name, cells in columns.items():
        if not _has_points(cells) or writings(cells) != (PLAIN,) or not _are_groups(cells):
            continue
        wholes = [abs(int(cell)) for cell in map(str.strip, cells) if _WHOLE.fullmatch(cell)]
        if max(wholes, default=0) < 1000 and (any(wholes) or separator == ";"):
            found[name] = next(cell.strip() for cell in cells if "." in cell)
    return found


def _has_points(cells: Sequence[str]) -> bool:
    return any("." in cell for cell in cells)


def _are_groups(cells: Sequence[str]) -> bool:
    """Whether the points of plain numbers may stand between thousands: 1.204 beside 950."""
    given = [cell.strip() for cell in cells if "." in cell]
    return bool(given) and all(map(_POINTS.fullmatch, given))


def _go_one_way(numbers: Sequence[float]) -> bool:
    """Whether numbers never fall, or never rise."""
    steps = [b - a for a, b in pairwise(numbers)]
    return min(steps) >= 0 or max(steps) <= 0


def _are_thousands(cells: Sequence[str]) -> bool:
    """Whether the points of a column of `_are_groups` do stand between thousands.

    No program writes 900 beside 1.000 of decimals: it writes as many decimals everywhere, or none that are
    0. So a few whole numbers, all below 1,000, tell it beside a few such as 1.200, if they reach 100; and
    beside others where the sizes of both lie closer together so than as decimals. Of numbers that rise or
    fall all the way as thousands, and not as decimals, one whole number is enough.
    """
    given = [cell.strip() for cell in cells if cell.strip()]
    wholes = [abs(int(cell)) for cell in given if "." not in cell and _WHOLE.fullmatch(cell)]
    wholes = [number for number in wholes if number]
    points = [abs(float(cell)) for cell in given if "." in cell]
    if wholes and len(points) >= _MANY:
        thousands = [float(cell.replace(".", "")) for cell in given]
        if _go_one_way(thousands) and not _go_one_way(list(map(float, given))):
            return True
    if min(len(wholes), len(points)) < _A_FEW or max(wholes) >= 1000:
        return False
    if max(wholes) >= 100 and any("." in cell and cell[-1] == "0" for cell in given):
        return True
    apart = statistics.fmean(map(math.log, wholes)) - statistics.fmean(map(math.log, points))
    return 2 * apart > math.log(1000)
