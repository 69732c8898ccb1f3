"""Sheets: workbooks of Excel and LibreOffice, and Parquet and Arrow files, as rows of text cells."""

import datetime
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sunhwan.data.separated import Cells
from sunhwan.errors import DataError, TextError
from sunhwan.files import open_plain, unpacked_name
from sunhwan.text.decoding import normalize, read_bytes

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
PARQUET, ARROW = (".parquet", ".pq"), (".arrow",)
COLUMNAR = (*PARQUET, *ARROW)


class Sheet(NamedTuple):
    """Rows of as many cells each, with their numbers, and what was read of the file in words."""

    cells: Cells
    said: str


def read_workbook(path: Path) -> Sheet:
    """The first sheet of a workbook that holds something; empty rows are left out.

    Whole numbers have no point, dates are those of ISO, and an empty cell is "".

    Raises:
        TextError: the file is missing or unreadable.
        DataError: it is no workbook or damaged, all its sheets are empty, or the library is missing.
    """
    name = normalize(str(path))
    try:
        import python_calamine
    except ModuleNotFoundError:
        raise DataError(
            f"{name} is a workbook, and reading one needs the package python-calamine: install "
            "sunhwan[tables], or save it as CSV"
        ) from None
    data = read_bytes(path)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = {sheet: book.get_sheet_by_name(sheet).to_python() for sheet in book.sheet_names}
    except python_calamine.CalamineError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{name} is no workbook that can be read ({reason}); save it again"
        ) from None
    for sheet, rows in sheets.items():
        start = _first_row(rows)
        cells = [
            (number, row)
            for number, row in enumerate(_texts(rows), 1)
            if number > start and any(cell.strip() for cell in row)
        ]
        if cells:
            others = f", of {len(sheets)} the first with rows" if len(sheets) > 1 else ""
            titles = sum(any(cell not in (None, "") for cell in row) for row in rows[:start])
            above = (
                f", {titles} line{'s' * (titles > 1)} above the table left out" if titles else ""
            )
            return Sheet(cells, f"workbook, sheet {normalize(sheet)}{others}{above}")
    raise DataError(f"{name} holds no row; give a file with at least one.")


def _first_row(rows: list[list[Any]]) -> int:
    """How many rows stand above the table: those with one cell alone, as a title, over wider ones."""
    widths = [sum(cell not in (None, "") for cell in row) for row in rows]
    widest = max(widths, default=0)
    return next((n for n, width in enumerate(widths) if width > 1 or widest < 2), 0)


def _texts(rows: list[list[Any]]) -> list[list[str]]:
    """The cells as texts; where a column has times of the day, all of its dates have one."""
    width = max((len(row) for row in rows), default=0)
    timed = [
        any(len(row) > place and isinstance(row[place], datetime.datetime) for row in rows)
        for place in range(width)
    ]
    return [
        [_text(row[place], timed[place]) if place < len(row) else "" for place in range(width)]
        for row in rows
    ]


def _text(value: Any, timed: bool) -> str:
    if isinstance(value, datetime.date) and timed and not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return normalize(cell_text(value))


def cell_text(value: Any) -> str:
    """A value of a row as the text of a cell: "" for none, ISO for dates, JSON for lists and objects."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):  # a decimal number, bytes
        return str(value)


def parquet_library() -> Any:
    """pyarrow.parquet; DataError where it is not installed."""
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise DataError(
            "Parquet and Arrow need the package pyarrow: install sunhwan[tables], or use csv or jsonl"
        ) from None
    return pyarrow.parquet


def read_columnar(path: Path) -> Sheet:
    """The rows of a Parquet or Arrow file, below one of the names of its columns.

    Raises:
        TextError: the file is missing or unreadable.
        DataError: it is damaged or no such file, or the library is missing.
    """
    names, batches = column_batches(path)
    rows = [
        [normalize(cell_text(cell)) for cell in row]
        for batch in batches
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]
    header = [normalize(name) for name in names]
    return Sheet([(0, header), *enumerate(rows, 1)], kind_of_columnar(path))


def kind_of_columnar(path: Path) -> str:
    """Parquet or Arrow, by the name of the file."""
    return "Arrow" if is_arrow(path) else "Parquet"


def is_arrow(path: Path) -> bool:
    """Whether a file, packed or not, is named as one of Arrow."""
    return Path(unpacked_name(path.name)).suffix in ARROW


def column_batches(path: Path, only: Sequence[str] = ()) -> tuple[tuple[str, ...], Iterator[Any]]:
    """The names of the columns of a Parquet or Arrow file, and its rows in batches of pyarrow.

    Arrow: files, and streams such as `datasets` saves. A packed file (`.gz`, `.zst`) is unpacked into
    memory, for it is not read from its beginning to its end. only: the columns that are read, where they
    are there. Errors as of `read_columnar`.
    """
    name, parquet = normalize(str(path)), parquet_library()
    packed = unpacked_name(path.name) != path.name.lower()
    data = read_bytes(path) if packed else None
    try:
        if data is None:
            with open_plain(path):
                pass
        if is_arrow(path):
            return _arrow_batches(path, data, name, only)
        file = parquet.ParquetFile(path if data is None else io.BytesIO(data))
    except OSError as error:
        raise TextError(
            f"{name} cannot be read ({error.strerror or error}); check the path."
        ) from None
    except ValueError as error:
        raise _damaged(path, name, error) from None
    names = tuple(file.schema_arrow.names)
    chosen = [column for column in only if column in names] or None
    return names, _guarded(path, name, file.iter_batches(batch_size=4096, columns=chosen))


def _arrow_batches(
    path: Path, data: bytes | None, name: str, only: Sequence[str]
) -> tuple[tuple[str, ...], Iterator[Any]]:
    import pyarrow

    source = pyarrow.memory_map(str(path)) if data is None else pyarrow.BufferReader(data)
    try:
        reader = pyarrow.ipc.open_stream(source)
        batches = iter(reader)
    except ValueError:
        reader = pyarrow.ipc.open_file(source)
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    names = tuple(reader.schema.names)
    chosen = [column for column in only if column in names] or list(names)
    return names, _guarded(path, name, (batch.select(chosen) for batch in batches))


def _guarded(path: Path, name: str, batches: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from batches
    except (OSError, ValueError) as error:
        raise _damaged(path, name, error) from None


def _damaged(path: Path, name: str, error: Exception) -> DataError:
    reason = str(error).splitlines()[0].rstrip(".")
    return DataError(f"{name} is no {kind_of_columnar(path)} file that can be read ({reason})")
