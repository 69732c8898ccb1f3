"""Tables: rows of named columns, of separated values, JSON Lines, fastText or one text a line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from sunhwan.data.amounts import amounts_in, plain_amounts, without_dashes
from sunhwan.data.headers import column_names, header_again, looks_like_header, one_header
from sunhwan.data.json_lines import parse_json_lines
from sunhwan.data.margins import within_margins
from sunhwan.data.named_columns import by_case
from sunhwan.data.numbers import (
    COMMA,
    GROUPED,
    NOTHING,
    PLAIN,
    POINTS,
    SPACES,
    plain_columns,
    undecided,
)
from sunhwan.data.separated import Cells, Layout, find_layout, read_cells
from sunhwan.data.sheets import COLUMNAR, WORKBOOKS, read_columnar, read_workbook
from sunhwan.data.wide_tables import turned
from sunhwan.errors import DataError, listed
from sunhwan.files import unpacked_name
from sunhwan.text.decoding import normalize, read_known

SEPARATORS = {".tsv": "\t", ".csv": ","}
_JSON = (
    ".jsonl",
    ".ndjson",
    ".json",
)  # many files named .json are; others fail at their first line
FASTTEXT = "__label__"
FASTTEXT_COLUMNS = ("label", "text")


def is_json_lines(suffix: str, text: str) -> bool:
    """Whether a file of this name and beginning is read as JSON Lines."""
    return suffix in _JSON or (text.startswith("{") and suffix not in SEPARATORS)


def is_fasttext(suffix: str, text: str) -> bool:
    """Whether a file of this name and beginning is read as fastText's lines of labels and texts."""
    return text.startswith(FASTTEXT) and suffix not in SEPARATORS


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
        written: each row's cells as the file has them, where numbers were written in another way than
            in `rows`; else empty.
        empty: where the empty lines between the rows stand, which were left out.
        writings: how numbers were written, of the columns that became plain numbers. marks: the currency
            or "%" that their cells had.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    said: str
    written: tuple[dict[str, str], ...] = ()
    empty: tuple[str, ...] = ()
    writings: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_case(self) -> dict[str, str]:
        """The columns by their names without regard to case; of several alike the first."""
        return by_case(self.columns)

    def check_filled(self) -> None:
        """DataError: empty lines between the rows were left out."""
        if self.empty:
            raise _empty_line(self.empty[0])

    @property
    def left_out(self) -> list[str]:
        """A note on the empty lines between the rows, if there are any."""
        return [f"empty lines left out: {len(self.empty):,}"] if self.empty else []


def _empty_line(where: str) -> DataError:
    return DataError(f"{where}: this line is empty; remove it, or fill in the row.")


def read_table(
    path: str | Path,
    header: bool | None = None,
    *,
    empty_lines: bool = False,
    amounts: bool = False,
    usual: Mapping[str, str] = NOTHING,
    lists: bool = False,
) -> Table:
    """Read a file of rows, plain, `.gz` or `.zst`.

    `.jsonl`, `.ndjson` and `.json` are JSON Lines, and so is what begins with `{`; what begins with
    `__label__` is fastText; else the separator is found by evidence (`find_layout`), where `.tsv` and
    `.csv` promise one, and without any each line is a cell of the column `text`. Titles above a header
    and totals below the rows are left out (`within_margins`), and so are empty lines beside them and at
    the end; anywhere else they are errors, unless they may be left out.

    Workbooks (`.xlsx`, `.xls`, `.ods`) and Parquet are read by libraries, see `sheets`.

    A column of numbers written as 1.204,5 or 1,204.5 becomes one of plain numbers.

    Args:
        path: the file.
        header: whether the first row names the columns; None: inferred (`looks_like_header`; a
            file of texts has none). JSON Lines carry their names in every row.
        empty_lines: whether empty lines between the rows of separated values are left out, as
            `Table.empty` tells; False where rows are counted.
        amounts: whether columns of $1,204.50, 12% or (3.5) become plain numbers too, see `amounts`, and a
            dash or `NA` beside numbers that are not plain an empty cell; and whether a table with a column
            for each time is turned to one with a row for each value, see `wide_tables`.
        usual: how other files write the numbers of columns, which decides where this one does not.
        lists: whether a value of JSON Lines may be a list, whose cell is its JSON.

    Raises:
        TextError: the file is missing, unreadable or in no known encoding.
        DataError: a row has more or fewer cells than the first, a line is empty, a quote is left
            open, a JSON line is no flat object, two columns share a name, or there is no row.
    """
    name = normalize(str(path))
    suffix = Path(unpacked_name(name)).suffix
    if suffix in (*WORKBOOKS, *COLUMNAR):
        table = _of_sheet(Path(path), name, header, columnar=suffix in COLUMNAR, wide=amounts)
        return _in_plain_numbers(table, amounts=amounts, usual=usual)
    known = read_known(path)
    text = known.text.rstrip("\n")
    if is_json_lines(suffix, text):
        return _of_json(text, name, known.said, lists)
    if is_fasttext(suffix, text):
        return _of_fasttext(text, name, known.said)
    layout = find_layout(text, SEPARATORS.get(suffix, ""))
    cells = list(read_cells(text, layout, name))
    notes: tuple[str, ...] = ()
    if layout.separator and header is not False:
        cells, notes = _with_one_header(*within_margins(cells, layout.separator))
    empty = tuple(f"{name}, line {line}" for line, row in cells if not row)
    if empty and not (layout.separator and empty_lines):
        raise _empty_line(empty[0])
    cells = [row for row in cells if row[1]]
    if header is None:
        header = bool(cells and layout.separator) and looks_like_header([c for _, c in cells])
    if amounts and header and layout.separator:
        cells, notes = turned(cells, notes, name)
    table = _of_cells(cells, header, name, layout, known.said + layout.kind, notes)
    table = replace(table, empty=empty)
    if not layout.separator:
        return table
    return _in_plain_numbers(table, layout.separator, amounts=amounts, usual=usual)


def _with_one_header(cells: Cells, notes: tuple[str, ...]) -> tuple[Cells, tuple[str, ...]]:
    cells, more = one_header(cells)
    return cells, notes + more


def _of_sheet(path: Path, name: str, header: bool | None, *, columnar: bool, wide: bool) -> Table:
    sheet = read_columnar(path) if columnar else read_workbook(path)
    cells, notes = sheet.cells, tuple[str, ...]()
    if not columnar and header is not False:
        cells, notes = _with_one_header(*within_margins(cells))
    if header is None:
        header = columnar or looks_like_header([row for _, row in cells])
    cells, notes = turned(cells, notes, name) if wide and header else (cells, notes)
    return _of_cells(cells, header, name, Layout(","), sheet.said, notes, "row")


def _of_cells(
    cells: Cells,
    header: bool,
    name: str,
    layout: Layout,
    said: str,
    margins: tuple[str, ...],
    place: str = "line",
) -> Table:
    columns = _columns(cells, header, name, layout)
    rows, notes = _rows(cells, columns, header, f"{name}, {place}", layout)
    said = f"{said}, {'with' if header else 'without'} a header: {listed(columns)}"
    return _made(name, columns, rows, "; ".join((said, *margins, *notes)), header)


def _made(
    name: str, columns: tuple[str, ...], rows: list[Row], said: str, header: bool = False
) -> Table:
    if not rows:
        found = "a header but no row" if header and columns else "no row"
        raise DataError(f"{name} holds {found}; give a file with at least one.")
    return Table(name, columns, tuple(rows), said)


def _in_plain_numbers(
    table: Table, separator: str = "", *, amounts: bool, usual: Mapping[str, str]
) -> Table:
    """The table with 1204.5 for 1.204,5 and 1,204.5; amounts: and for $1,204.50."""
    cells = {name: [row.values[name] for row in table.rows] for name in table.columns}
    dashes = []
    if amounts:
        for name in cells:
            cells[name], zero = without_dashes(cells[name])
            dashes += [f"{zero} in {name} is 0, as spreadsheets show it"] if zero else []
    by_case = {name.casefold(): way for name, way in usual.items()}
    usual = {name: by_case.get(name.casefold(), "") for name in table.columns}
    plain = plain_columns(cells, separator, usual)
    found = {name: amounts_in(c) for name, c in cells.items()} if amounts else {}
    marked = {name: one for name, one in found.items() if one}
    others = {name: c for name, c in cells.items() if name not in marked}
    plain |= plain_amounts(marked, others, separator, usual)
    kept = {n: c for n, c in cells.items() if n not in plain}
    kept |= {n: one.cells for n, one in marked.items() if n in plain and plain[n][0] == PLAIN}
    doubtful = undecided(kept, separator)
    points = [
        f"{name} with a decimal point ({cell} is not {cell.replace('.', '')})"
        for name, cell in doubtful.items()
    ]
    if not plain:
        return replace(table, said="; ".join((table.said, *points)))
    rows = tuple(
        Row(where, values | {name: numbers[place] for name, (_, numbers) in plain.items()})
        for place, (where, values) in enumerate(table.rows)
    )
    ways = [f"{name} {_told(way, cells[name])}" for name, (way, _) in plain.items() if way != PLAIN]
    examples = {name: one.example for name, one in marked.items() if name in plain}
    ways += [
        f"{name} is read as plain numbers ({cells[name][n].strip()} is {plain[name][1][n]})"
        for name, n in examples.items()
    ]
    said = "; ".join((table.said, *ways, *dashes, *points))
    written = tuple(row.values for row in table.rows)
    writings = {name: way for name, (way, _) in plain.items() if way != PLAIN}
    marks = {name: one.mark for name, one in marked.items() if name in plain}
    return replace(table, rows=rows, said=said, written=written, writings=writings, marks=marks)


def _told(way: str, cells: Sequence[str]) -> str:
    """A writing in words, as its cells show it."""
    if way == GROUPED and not any(mark in cell for mark in ",'" for cell in cells):
        return SPACES
    if way != COMMA or any("," in cell for cell in cells):
        return way
    shown = next((cell.strip() for cell in cells if "." in cell), "")
    return f"{POINTS} ({shown} is {shown.replace('.', '')})" if shown else way


def _of_json(text: str, name: str, encoding: str, lists: bool) -> Table:
    objects = parse_json_lines(text, name, lists=lists)
    columns = tuple(objects[0][1]) if objects else ()
    rows = [Row(f"{name}, line {line}", values) for line, values in objects]
    return _made(name, columns, rows, f"{encoding}JSON Lines with the keys {listed(columns)}")


def _of_fasttext(text: str, name: str, encoding: str) -> Table:
    places = ((f"{name}, line {n}", line) for n, line in enumerate(text.split("\n"), 1))
    rows = [Row(where, parse_fasttext(line, where)) for where, line in places]
    return _made(name, FASTTEXT_COLUMNS, rows, f"{encoding}fastText: {listed(FASTTEXT_COLUMNS)}")


def parse_fasttext(line: str, where: str) -> dict[str, str]:
    """The cells of a line `__label__LABEL TEXT`; DataError where it has no label, or several."""
    first, _, rest = line.partition(" ")
    label = first.removeprefix(FASTTEXT)
    if first == label or not label or rest.lstrip().startswith(FASTTEXT):
        count = "several labels" if rest.lstrip().startswith(FASTTEXT) else "no label"
        raise DataError(
            f"{where}: this line has {count}, but a line of fastText begins with one {FASTTEXT}…; "
            "give every line one label."
        )
    return dict(zip(FASTTEXT_COLUMNS, (label, rest), strict=True))


def names_columns(text: str, columns: Sequence[str]) -> bool:
    """Whether a text is a table that names these columns in its first row, or fastText."""
    if text.startswith(FASTTEXT):
        return {name.casefold() for name in columns} <= set(FASTTEXT_COLUMNS)
    layout = find_layout(text)
    if not layout.separator:
        return False
    try:
        _, first = next(read_cells(text, layout, ""), (1, []))
    except DataError:
        return False
    return {name.casefold() for name in columns} <= {cell.strip().casefold() for cell in first}


def _columns(cells: Cells, header: bool, name: str, layout: Layout) -> tuple[str, ...]:
    """The names of the columns; those at the end that have none and hold next to nothing are none."""
    if not cells:
        return ()
    line, first = cells[0]
    if not header:
        numbers = tuple(str(number) for number in range(1, len(first) + 1))
        return numbers if layout.separator else ("text",)
    width = len(first)
    while width > 1 and not first[width - 1].strip():
        held = sum(len(row) >= width and bool(row[width - 1].strip()) for _, row in cells[1:])
        if held > len(cells) / 10:
            break
        width -= 1
    return column_names(first[:width], f"{name}, line {line}")


def _rows(
    cells: Cells, columns: tuple[str, ...], header: bool, where: str, layout: Layout
) -> tuple[list[Row], list[str]]:
    """The rows, at places that begin with `where`, and what was left out or written otherwise, in words."""
    width, notes = len(cells[0][1]) if cells else 0, []
    kept: Cells = []
    again = cut = 0
    for line, row in cells[header:]:
        if len(row) != width:
            first = "the header" if header else "the first row"
            raise DataError(
                f"{where} {line}: {first} has {width} cells, and this row {len(row)}; {layout.cure}, and "
                "write an empty cell rather than none"
            )
        if header and row == cells[0][1]:
            again += 1
            continue
        cut += any(cell.strip() for cell in row[len(columns) :])
        kept.append((line, row))
    if again:
        notes.append(header_again(again))
    if width > len(columns):
        held = f", {cut:,} rows hold something there" if cut else ""
        notes.append(f"{width - len(columns)} columns without a name are left out{held}")
    rows = [Row(f"{where} {line}", dict(zip(columns, row, strict=False))) for line, row in kept]
    return rows, notes
