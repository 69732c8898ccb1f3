"""Streamed tables: the rows of a file of any size, one after another, in bounded memory."""

import csv
import io
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from sunhwan.data.headers import column_names, header_again, is_header, looks_like_header
from sunhwan.data.margins import titles_above
from sunhwan.data.separated import Layout, find_layout, quoted_rows
from sunhwan.data.sheets import COLUMNAR, WORKBOOKS, column_batches
from sunhwan.data.tables import (
    FASTTEXT_COLUMNS,
    SEPARATORS,
    is_fasttext,
    is_json_lines,
    parse_fasttext,
    read_table,
)
from sunhwan.errors import DataError, SunhwanError, TextError, listed
from sunhwan.files import open_unpacked, parse_json, unpacked_name
from sunhwan.text.decoding import decode_known, normalize
from sunhwan.text.encodings import recognise

HEAD = 1 << 20
"""Bytes from which the encoding and the separator are told."""
SAMPLE = 200
"""Rows from which it is told whether the first one names the columns."""
ABOVE = 20
"""Lines among which a header with the columns that are asked for is sought: titles may stand above it."""


class StreamedRow(NamedTuple):
    """One row: its place, and its cells by column, none of an empty line.

    problem: why the row cannot be read, where it cannot.
    """

    where: str
    values: dict[str, Any]
    problem: SunhwanError | None = None


@dataclass(frozen=True)
class StreamedTable:
    """A table that is read as its rows are taken; columns: those of the header, or 1, 2, …, or of a
    file of texts the one that was asked for."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[StreamedRow]
    is_table: bool = True
    """False: lines of text."""
    notes: list[str] = field(default_factory=list)
    """What is no question, in words; complete when all rows are taken."""


@contextmanager
def open_table(
    path: Path, asked: Sequence[str] = (), header: bool | None = None, *, only: bool = False
) -> Iterator[StreamedTable]:
    """Open a file of rows, plain, `.gz` or `.zst`; "-": standard input.

    JSON Lines and fastText are told as by `read_table`; `.csv`, `.tsv`, `.parquet` and `.arrow` are what
    they are called; so is any other file whose first line holds the columns that are asked for between
    tabs, semicolons or commas. Else each line is a row, cut at tabs where several columns are asked for.

    asked: names of columns that are looked for. header: whether the first row names the columns; None:
    it does where it holds all that are asked for, or looks like it (`looks_like_header`); of lines,
    where it holds these alone. Where it stands again further on, it is left out. only: of Parquet and
    Arrow no other columns than those asked for are read.

    TextError: the file is missing or in no known encoding. DataError: quotes are not paired.
    """
    name = "standard input" if str(path) == "-" else normalize(str(path))
    suffix = Path(unpacked_name(name)).suffix
    if suffix in COLUMNAR:
        yield _columnar(path, name, asked if only else ())
        return
    if suffix in WORKBOOKS:
        table = read_table(path, header)
        yield StreamedTable(name, table.columns, (StreamedRow(*row) for row in table.rows))
        return
    with _opened(path, name) as (text, head):
        if is_json_lines(suffix, head):
            yield _json_lines(text, name, asked)
            return
        if is_fasttext(suffix, head):
            yield _fasttext(text, name)
            return
        layout = _layout(head, suffix, asked)
        if layout.separator:
            yield _separated(text, name, layout, asked, header)
        else:
            yield _lines(text, name, asked, header)


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[TextIO, str]]:
    """The file as text, and its beginning."""
    with ExitStack() as stack:
        data: Any = sys.stdin.buffer
        try:
            if str(path) != "-":
                data = stack.enter_context(open_unpacked(path))
        except FileNotFoundError:
            raise TextError(f"There is no file {name}; check the path.") from None
        except IsADirectoryError:
            raise TextError(f"{name} is a folder where a file is needed.") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise TextError(f"{name} cannot be read ({reason}); check the path.") from None
        head = data.read(HEAD) if str(path) != "-" else data.read()
        whole = head if len(head) < HEAD else head[: _end_of_line(head)]
        guess = recognise(whole)
        begin = decode_known(whole, name).text  # or the sentence that says what to do
        codec = "utf-8-sig" if guess.codec.lower().replace("-", "") == "utf8" else guess.codec
        joined = io.BufferedReader(_Joined(head, data), HEAD)
        try:
            yield io.TextIOWrapper(joined, encoding=codec, newline=None), begin
        except UnicodeDecodeError as error:
            raise TextError(
                f"{name} begins as {error.encoding} and has other bytes further on; save it as UTF-8."
            ) from None


def _end_of_line(head: bytes) -> int:
    """Up to where a beginning holds no half character."""
    if recognise(head[: 1 << 16]).codec.startswith(("UTF-16", "UTF-32")):
        return len(head) - len(head) % 4
    return head.rfind(b"\n") + 1 or len(head)


class _Joined(io.RawIOBase):
    """What was read already, and then the rest."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head, self._rest = io.BytesIO(head), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _layout(head: str, suffix: str, asked: Sequence[str]) -> Layout:
    """The layout of a table, or that of lines of text where no separator is promised and none parts a
    header with the columns that are asked for."""
    sample = head[: head.rfind("\n") + 1] or head
    usual = SEPARATORS.get(suffix, "")
    first = [line for line in sample.split("\n", ABOVE) if line][: ABOVE if usual else 1]
    for line, separator in itertools.product(first if asked else (), ("\t", ";", ",")):
        if separator in line and _holds(_cells_of(line, separator), asked):
            return find_layout(sample, separator, certain=True)
    return find_layout(sample, usual) if usual else Layout("", quotes=False)


def _cells_of(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _holds(cells: Sequence[str], asked: Sequence[str]) -> bool:
    names = {cell.strip().casefold() for cell in cells}
    return all(name.casefold() in names for name in asked)


def _lines(text: TextIO, name: str, asked: Sequence[str], header: bool | None) -> StreamedTable:
    columns = tuple(asked) or ("text",)
    lines: Iterator[tuple[int, str]] = enumerate(text, 1)
    first = next(lines, None)
    given = () if first is None else _parts_of(normalize(first[1].removesuffix("\n")))
    notes: list[str] = []
    if header is None and first is not None and is_header(given, asked):
        header = True
        notes.append(
            f"{name}: the first line is a header, {listed(given)} (--no-header answers it)"
        )
    if header and first is not None:
        if len(given) != len(columns):
            raise DataError(
                f"{name}, line 1: the model reads {len(columns)} parts, separated by tabs, and finds "
                f"{len(given)}"
            )
        columns = given
    elif first is not None:
        lines = itertools.chain([first], lines)

    def rows() -> Iterator[StreamedRow]:
        again = 0
        for number, line in lines:
            where, line = f"{name}, line {number}", normalize(line.removesuffix("\n"))
            cells = (line,) if len(columns) == 1 else tuple(line.split("\t"))
            if not line.strip():
                yield StreamedRow(where, {})
            elif header and _parts_of(line) == columns:
                again += 1
            elif len(cells) != len(columns):
                yield StreamedRow(where, {}, DataError(
                    f"{where}: the model reads {len(columns)} parts, separated by tabs, and finds "
                    f"{len(cells)}"
                ))  # fmt: skip
            else:
                yield StreamedRow(where, dict(zip(columns, cells, strict=True)))
        if again:
            notes.append(f"{name}: {header_again(again)}")

    return StreamedTable(name, columns, rows(), is_table=bool(header), notes=notes)


def _parts_of(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.split("\t"))


def _fasttext(text: TextIO, name: str) -> StreamedTable:
    def rows() -> Iterator[StreamedRow]:
        for number, line in enumerate(text, 1):
            where, line = f"{name}, line {number}", normalize(line.removesuffix("\n"))
            if not line.strip():
                yield StreamedRow(where, {})
                continue
            try:
                yield StreamedRow(where, parse_fasttext(line, where))
            except DataError as error:
                yield StreamedRow(where, {}, error)

    return StreamedTable(name, FASTTEXT_COLUMNS, rows())


def _separated(
    text: TextIO, name: str, layout: Layout, asked: Sequence[str], header: bool | None
) -> StreamedTable:
    cells = quoted_rows(text, layout, name) if layout.quotes else _plain_cells(text, layout)
    if layout.told:
        next(cells, None)
    first = list(itertools.islice(cells, SAMPLE))
    if header is not False:
        first = first[titles_above([row for _, row in first]) :]
    filled = [row for _, row in first if row]
    if header is None:
        known = bool(asked) and bool(filled) and _holds(filled[0], asked)
        header = known or (bool(filled) and looks_like_header(filled))
    width = len(filled[0]) if filled else 0
    columns = tuple(map(str, range(1, width + 1))) or tuple(asked)
    notes: list[str] = []
    if header and filled:
        columns = column_names(filled[0], name)

    def rows() -> Iterator[StreamedRow]:
        named, again = not header, 0
        for line, row in itertools.chain(first, cells):
            where = f"{name}, line {line}"
            if not named and row:
                named = True
            elif not row:
                yield StreamedRow(where, {})
            elif header and row == filled[0]:
                again += 1
            elif len(row) != width:
                yield StreamedRow(where, {}, DataError(
                    f"{where}: the first row has {width} cells, and this row {len(row)}; {layout.cure}, "
                    "and write an empty cell rather than none"
                ))  # fmt: skip
            else:
                yield StreamedRow(where, dict(zip(columns, map(normalize, row), strict=True)))
        if again:
            notes.append(f"{name}: {header_again(again)}")

    return StreamedTable(name, columns, rows(), notes=notes)


def _plain_cells(text: TextIO, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text, 1):
        line = line.removesuffix("\n")
        yield number, line.split(layout.separator) if line else []


def _json_lines(text: Iterable[str], name: str, asked: Sequence[str]) -> StreamedTable:
    rows = _objects(iter(text), name)
    first: list[StreamedRow] = []
    for row in rows:
        first.append(row)
        if row.values or len(first) == SAMPLE:
            break
    columns = tuple(first[-1].values if first else asked)
    return StreamedTable(name, columns, itertools.chain(first, rows))


def _objects(lines: Iterator[str], name: str) -> Iterator[StreamedRow]:
    for number, line in enumerate(lines, 1):
        where = f"{name}, line {number}"
        if not line.strip():
            yield StreamedRow(where, {})
            continue
        try:
            found = parse_json(line)
        except ValueError as error:
            yield StreamedRow(where, {}, DataError(f"{where}: this line is no JSON ({error})"))
            continue
        if isinstance(found, dict) and found:
            yield StreamedRow(where, {normalize(k): _normal(v) for k, v in found.items()})
        else:
            yield StreamedRow(
                where, {}, DataError(f"{where}: this line is no JSON object with keys")
            )


def _normal(value: Any) -> Any:
    return normalize(value) if isinstance(value, str) else value


def _columnar(path: Path, name: str, only: Sequence[str]) -> StreamedTable:
    names, batches = column_batches(path, only)

    def rows() -> Iterator[StreamedRow]:
        number = 0
        for batch in batches:
            for values in batch.to_pylist():
                number += 1
                yield StreamedRow(
                    f"{name}, row {number}", {k: _normal(v) for k, v in values.items()}
                )

    return StreamedTable(name, names, rows())
