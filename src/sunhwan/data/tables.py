"""Rows of named columns: tab-separated, comma-separated, JSON Lines, or one text a line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from sunhwan.data.headers import looks_like_header
from sunhwan.data.json_lines import parse_json_lines
from sunhwan.data.separated import Cells, comma_separated, one_a_line, tab_separated
from sunhwan.errors import DataError, listed, quoted
from sunhwan.text.decoding import normalize, read_known

_KINDS = {
    ".tsv": "tab-separated",
    ".csv": "comma-separated",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
    ".json": "JSON Lines",  # many files of that name are; others fail at their first line
}
_CURES = {
    "tab-separated": "put one tab between two cells and none inside a cell",
    "comma-separated": "put a cell that holds a comma in double quotes",
}


class Row(NamedTuple):
    """One row: where it begins, such as "reviews.tsv, line 3", and its cells by column."""

    where: str
    values: dict[str, str]


@dataclass(frozen=True)
class Table:
    """Rows that all have the same columns.

    Attributes:
        name: the path as it was given.
        columns: at least one; "1", "2", … in a file without a header.
        rows: at least one; a cell may be empty.
        said: what was inferred, such as "tab-separated, with a header: id, document, label".
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    said: str

    @cached_property
    def by_case(self) -> dict[str, str]:
        """The columns by their names without regard to case; of several alike the first."""
        return {name.casefold(): name for name in reversed(self.columns)}


def read_table(path: str | Path, header: bool | None = None) -> Table:
    """Read a file of rows, plain or `.gz`.

    The format is that of the suffix: `.tsv`, `.csv`, `.jsonl` or `.ndjson`. Under another name the
    first line decides: with a tab it is TSV, beginning with `{` JSON Lines, with a comma that no
    space follows CSV, else each line is one cell of the column `text`. Quotes mean something in
    CSV alone. Empty lines at the end are left out; anywhere else they are errors.

    Args:
        path: the file.
        header: whether the first row names the columns; None: inferred (`looks_like_header`; a
            file of texts has none). JSON Lines carry their names in every row.

    Raises:
        TextError: the file is missing, unreadable or in no known encoding.
        DataError: a row has more or fewer cells than the first, a line is empty, a quote is left
            open, a JSON line is no flat object, two columns share a name, or there is no row.
    """
    name = normalize(str(path))
    known = read_known(path)
    text = known.text.rstrip("\n")
    kind = _KINDS.get(Path(name.lower().removesuffix(".gz")).suffix) or _guess(text)
    if kind == "JSON Lines":
        objects = parse_json_lines(text, name)
        columns = tuple(objects[0][1]) if objects else ()
        said = f"{kind} with the keys {listed(columns)}"
        rows = tuple(Row(f"{name}, line {line}", values) for line, values in objects)
    else:
        cells = list(_cells(text, name, kind))
        if header is None:
            header = bool(cells) and kind in _CURES and looks_like_header([c for _, c in cells])
        columns = _columns(cells, header, name, kind)
        said = f"{kind}, {'with' if header else 'without'} a header: {listed(columns)}"
        rows = tuple(_rows(cells, columns, header, name, kind))
    if not rows:
        found = "a header but no row" if header and columns else "no row"
        raise DataError(f"{name} holds {found}; give a file with at least one.")
    return Table(name, columns, rows, known.said + said)


def column(table: Table, wanted: str, guesses: Sequence[str], role: str) -> str:
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
    missing = quoted(wanted) if wanted else f"named {' or '.join(guesses)}"
    raise DataError(
        f"{table.name} has no column {missing} for the {role}; "
        f"its columns are {listed(table.columns)}: name one of them."
    )


def _guess(text: str) -> str:
    first, _, _ = text.partition("\n")
    if "\t" in first:
        return "tab-separated"
    if text.startswith("{"):
        return "JSON Lines"
    # After the comma of a sentence there is a space.
    return "comma-separated" if re.search(r",(?! )", first) else "one text a line"


def _cells(text: str, name: str, kind: str) -> Iterator[tuple[int, list[str]]]:
    if kind == "comma-separated":
        return comma_separated(text, name)
    return (tab_separated if kind == "tab-separated" else one_a_line)(text, name)


def _columns(cells: Cells, header: bool, name: str, kind: str) -> tuple[str, ...]:
    if not cells:
        return ()
    line, first = cells[0]
    if not header:
        numbers = tuple(str(number) for number in range(1, len(first) + 1))
        return numbers if kind in _CURES else ("text",)
    # Tables saved with row numbers have no name over these.
    columns = tuple(cell.strip() or str(number) for number, cell in enumerate(first, 1))
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            raise DataError(
                f"{name}, line {line}: two columns are named {quoted(column)}; give each its own "
                "name."
            )
        seen.add(column)
    return columns


def _rows(
    cells: Cells, columns: tuple[str, ...], header: bool, name: str, kind: str
) -> Iterator[Row]:
    for line, row in cells[header:]:
        if len(row) != len(columns):
            first = f"the {'header' if header else 'first row'} has {len(columns)}"
            raise DataError(
                f"{name}, line {line}: this row has {len(row)} cell{'s' * (len(row) != 1)}, but "
                f"{first}; {_CURES[kind]}, and write an empty cell rather than none."
            )
        yield Row(f"{name}, line {line}", dict(zip(columns, row, strict=True)))
