"""Amounts: numbers with a currency or a percent sign, and negative ones in brackets."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sunhwan.data.numbers import (
    COMMA,
    GROUPED,
    MISSING,
    NOTHING,
    PLAIN,
    plain_columns,
    undecided,
    writings,
)

_CURRENCY = "$€£¥₩원円元"
_BRACKETS = re.compile(rf"([{_CURRENCY}]?)[ \xa0]?\(([^()+-]*+)\)[ \xa0]?([{_CURRENCY}%]?)")
_AMOUNT = re.compile(
    rf"([+-]?)([{_CURRENCY}]?)[ \xa0]?([+-]?)([0-9.,'](?:[0-9.,' \xa0\u202f]*[0-9.,])?)"
    rf"[ \xa0\u202f]?([{_CURRENCY}%]?)"
)
_NO_AMOUNT = re.compile(rf"[{_CURRENCY}][ \xa0]*-|-[ \xa0]*[{_CURRENCY}]")
_RISING, _FALLING, _DASHES = ("△", "▲"), ("▽", "▼"), "−–－"
_BEHIND = re.compile(r"([0-9][0-9.,' ]*+) ?-")
"""A negative number as SAP writes it."""
_SIGNS = "".join((*_RISING, *_FALLING, _DASHES))
_MINUS = str.maketrans(_DASHES, "-" * len(_DASHES))
_MARK = re.compile(rf"[{_CURRENCY}%({_SIGNS}]|[0-9] ?-$", re.MULTILINE)
_OF_ONE_CURRENCY = ({"₩", "원"}, {"¥", "円"}, {"¥", "元"})
_WITHOUT_DECIMALS = frozenset("¥₩원円元")


class Amounts(NamedTuple):
    """A column of amounts without their marks.

    mark: the currency, "%", or "" where brackets are the only sign of an amount. cells: numbers in some
    writing, "" of an empty cell. example: the place of a cell that shows what was left out.
    """

    mark: str
    cells: list[str]
    example: int


def amounts_in(cells: Sequence[str]) -> Amounts | None:
    """A column's amounts; None where it holds none, or other things, or its cells do not agree.

    They agree where all marks are the same one, brackets stand in no column of negative signs or around
    every number, and a percent sign is missing at no number but 0.
    """
    if not _may_be_amounts(cells):
        return None
    written, cells = cells, _plain_signs(cells)
    resigned = [n for n, (a, b) in enumerate(zip(written, cells, strict=True)) if a.strip() != b]
    made: list[tuple[str, str]] = []
    for cell in cells:
        one = _amount(cell) if cell else ("", "")
        if one is None:
            return None
        made.append(one)
    marks = {mark for mark, _ in made if mark}
    filled = [(place, cell) for place, cell in enumerate(cells) if cell]
    in_brackets = [place for place, cell in filled if "(" in cell]
    signed = any("-" in cell for _, cell in filled)
    if len(marks) > 1 or not (marks or in_brackets or resigned) or (in_brackets and signed):
        return None
    if in_brackets and len(in_brackets) == len(filled):
        return None
    if marks == {"%"} and any(not mark and number.strip("0.,") for mark, number in made):
        return None
    mark = next(iter(marks), "")
    shows = in_brackets or resigned or [place for place, (of, _) in enumerate(made) if of]
    return Amounts(mark, [number for _, number in made], shows[0])


def without_dashes(cells: Sequence[str]) -> tuple[list[str], str]:
    """The cells, empty where a dash or the like says that a number is missing; and a cell that is 0, or "".

    Spreadsheets show 0 of a currency as `$ -` in their format for accounts, where no $0 stands beside.
    """
    made = ["" if cell.strip().casefold() in MISSING else cell for cell in cells]
    dashes = [place for place, cell in enumerate(made) if _NO_AMOUNT.fullmatch(cell.strip())]
    if not dashes:
        return made, ""
    found = [_amount(cell.strip()) for cell in made]
    zero = not any(one and not one[1].strip("-+0.,") for one in found)
    shown = made[dashes[0]].strip()
    for place in dashes:
        made[place] = "0" if zero else ""
    return made, shown if zero else ""


def _plain_signs(cells: Sequence[str]) -> list[str]:
    """The cells with "-" for other signs of a negative number, where it is certain that these are.

    Some programs write 3.5- for -3.5, where no sign stands before a number.
    Accounts write △3.5 or ▲3.5 for -3.5 beside numbers without a sign, lists of changes ▲ beside ▼ for what
    rose.
    """
    cells = [cell.strip().translate(_MINUS) for cell in cells]
    behind = [_BEHIND.fullmatch(cell) for cell in cells]
    if any(behind) and not any(cell[:1] in "+-" for cell in cells if cell):
        return [f"-{one[1]}" if one else cell for one, cell in zip(behind, cells, strict=True)]
    rising = any(cell.startswith(_RISING) for cell in cells)
    falling = any(cell.startswith(_FALLING) for cell in cells)
    bare = any(not cell.startswith(_RISING) and cell.strip("0.,") for cell in cells)
    if rising and not falling and (not bare or any("-" in cell for cell in cells)):
        return cells
    made = []
    for cell in cells:
        arrow = cell.startswith((*_RISING, *_FALLING))
        down = not falling or cell.startswith(_FALLING)
        made.append("-" * down + cell[1:].strip() if arrow else cell)
    return made


def currencies_of(cells: Sequence[str]) -> list[str]:
    """The currencies of a column whose every cell is an amount or empty; [] of any other column."""
    if not _may_be_amounts(cells):
        return []
    found = [_amount(cell) for cell in _plain_signs(cells) if cell]
    marks = (one[0] for one in found if one and one[0] not in ("", "%"))
    return list(dict.fromkeys(marks)) if None not in found else []


def same_mark(one: str, other: str) -> bool:
    """Whether two marks of amounts may be those of one currency; nothing tells of an amount without."""
    return not one or not other or one == other or {one, other} in _OF_ONE_CURRENCY


def _may_be_amounts(cells: Sequence[str]) -> bool:
    """Whether the first filled cell is an amount and some cell has a mark: the quick half of an answer."""
    first = next((cell.strip() for cell in cells if cell.strip()), "").translate(_MINUS)
    return (
        _amount(first.lstrip(_SIGNS).removesuffix("-").strip()) is not None
        and _MARK.search("\n".join(cells)) is not None
    )


def plain_amounts(
    columns: dict[str, Amounts],
    others: dict[str, list[str]],
    separator: str,
    usual: Mapping[str, str] = NOTHING,
) -> dict[str, tuple[str, list[str]]]:
    """Of columns of amounts the writing of their numbers, and plain cells, as `plain_columns` decides.

    others: the cells of the other columns. Where nothing tells, a currency without decimals has commas
    or points between thousands; a column that is undecided still is left out.
    """
    numbers = {name: one.cells for name, one in columns.items()}
    found = plain_columns(others | numbers, separator, usual)
    made = {}
    for name, (mark, cells, _) in columns.items():
        ways, whole = writings(cells), mark != "" and mark in _WITHOUT_DECIMALS
        if ways == (PLAIN,) and name not in found:
            thousands = whole and undecided({name: cells}, ";")
            way = COMMA if thousands else PLAIN
            made[name] = way, [c.replace(".", "") for c in cells] if thousands else cells
        elif GROUPED in ways and whole:
            made[name] = GROUPED, [cell.replace(",", "").replace("'", "") for cell in cells]
        elif name in found:
            made[name] = found[name]
    return made


def _amount(cell: str) -> tuple[str, str] | None:
    """The mark of a cell and its number, with a sign; None where it is no amount."""
    brackets = _BRACKETS.fullmatch(cell)
    match = _AMOUNT.fullmatch("".join(brackets.groups()) if brackets else cell)
    if match is None:
        return None
    outer, before, inner, number, after = match.groups()
    if (outer and inner) or (before and after):
        return None
    return before or after, ("-" if brackets else outer or inner) + number
