"""Streamed tables: the rows of a file of any size, one after another, in bounded memory."""

import codecs
import csv
import io
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
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


MOST_BROKEN = 0.1
"""Share of lines with broken bytes up to which these are faults of a file in UTF-8."""
_BROKEN = "\U0010ffff"
"""No character, and so in no text: it stands for bytes that are none."""
codecs.register_error("sunhwan.broken", lambda error: (_BROKEN, error.end))  # type: ignore[attr-defined]


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
    path: Path,
    asked: Sequence[str] = (),
    header: bool | None = None,
    *,
    only: bool = False,
    broken_rows: bool = False,
) -> Iterator[StreamedTable]:
    """Open a file of rows, plain, `.gz` or `.zst`; "-": standard input.

    JSON Lines and fastText are told as by `read_table`; `.csv`, `.tsv`, `.parquet` and `.arrow` are what
    they are called; so is any other file whose first line holds the columns that are asked for between
    tabs, semicolons or commas. Else each line is a row, cut at tabs where several columns are asked for.

    asked: names of columns that are looked for. header: whether the first row names the columns; None:
    it does where it holds all that are asked for, or looks like it (`looks_like_header`); of lines,
    where it holds these alone. Where it stands again further on, it is left out. only: of Parquet and
    Arrow no other columns than those asked for are read. broken_rows: whether bytes that are no text are
    a problem of their row alone, where they are few.

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
    with _opened(path, name, broken_rows) as (text, head):
        layout = _layout(head, suffix, asked)
        if is_json_lines(suffix, head):
            found = _json_lines(text, name, asked)
        elif is_fasttext(suffix, head):
            found = _fasttext(text, name)
        elif layout.separator:
            found = _separated(text, name, layout, asked, header)
        else:
            found = _lines(text, name, asked, header)
        if any(map(_is_broken, found.columns)):
            raise TextError(f"{name}: the header holds bytes that are no text; save it as UTF-8.")
        yield replace(found, rows=map(_whole_row, found.rows)) if broken_rows else found


def _whole_row(row: StreamedRow) -> StreamedRow:
    """A row as it is, or with the problem that it holds bytes that are no text."""
    if not any(map(_is_broken, row.values.values())):
        return row
    problem = TextError(f"{row.where}: this row holds bytes that are no text; save it as UTF-8.")
    return StreamedRow(row.where, {}, problem)


def _is_broken(value: Any) -> bool:
    return _BROKEN in (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


@contextmanager
def _opened(path: Path, name: str, broken_rows: bool) -> Iterator[tuple[TextIO, str]]:
    """The file as text, and its beginning; see `open_table`."""
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
        if broken_rows and not guess.name and _few_are_broken(whole):
            codec, begin = "utf-8-sig", normalize(whole.decode("utf-8-sig", "sunhwan.broken"))
        else:
            begin = decode_known(whole, name).text  # or the sentence that says what to do
            codec = "utf-8-sig" if guess.codec.lower().replace("-", "") == "utf8" else guess.codec
        joined = io.BufferedReader(_Joined(head, data), HEAD)
        errors = "sunhwan.broken" if broken_rows else "strict"
        try:
            yield io.TextIOWrapper(joined, encoding=codec, errors=errors, newline=None), begin
        except UnicodeDecodeError as error:
            raise TextError(
                f"{name} begins as {error.encoding} and has other bytes further on; save it as UTF-8."
            ) from None


def _few_are_broken(head: bytes) -> bool:
    lines = head.decode("utf-8", "sunhwan.broken").split("\n")
    return sum(_BROKEN in line for line in lines) <= max(1, MOST_BROKEN * len(lines))


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
