"""Columns of a table found by the names that a user or a model gives them, in any case of letters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sunhwan.errors import DataError, did_you_mean, listed, quoted
from sunhwan.text.decoding import normalize

if TYPE_CHECKING:
    from sunhwan.data.tables import Table


def by_case(columns: Sequence[str]) -> dict[str, str]:
    """The names by their folded case, of several alike the first."""
    return {name.casefold(): name for name in reversed(columns)}


def asked_columns(name: str, columns: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """A table's names of the columns that a model reads; by their places where as many have no name.

    Case does not matter where it tells no two columns apart. name: of the table; columns: none of a table
    without a row.

    DataError: one is missing.
    """
    if not columns or all(one in columns for one in asked):
        return tuple(asked)
    known = by_case(columns)
    if all(one.casefold() in known for one in asked):
        return tuple(known[one.casefold()] for one in asked)
    nameless = tuple(columns) == tuple(str(n) for n in range(1, len(columns) + 1))
    if len(columns) == len(asked) and (nameless or len(asked) == 1):
        return tuple(columns)
    lacking = next(one for one in asked if one.casefold() not in known)
    raise DataError(
        f"{name} has the columns {listed(columns)}, but the model reads "
        f"{', '.join(asked)}{did_you_mean(lacking, columns)}: rename or add a column"
    )


def column(table: "Table", wanted: str, guesses: Sequence[str], role: str) -> str:
    """The table's name of the wanted column or, where `wanted` is "", of the first guess present.

    Case does not matter where it tells no two columns apart. `role` is what the column is for, as
    errors call it: "text", "label".

    Raises:
        DataError: there is no such column.
    """
    for name in [normalize(wanted)] if wanted else guesses:
        if name in table.columns:
            return name
        if name.casefold() in table.by_case:
            return table.by_case[name.casefold()]
    missing = quoted(wanted) + did_you_mean(wanted, table.columns) if wanted else ""
    missing = missing or f"named {' or '.join(guesses)}"
    raise DataError(
        f"{table.name} has no column {missing} for the {role}; "
        f"its columns are {listed(table.columns)}: name one of them."
    )
