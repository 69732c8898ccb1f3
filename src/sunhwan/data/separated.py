"""Text to rows of cells, each with the number of the line where it begins."""

import csv
import io
from collections.abc import Iterator
from typing import TypeAlias

from sunhwan.errors import DataError

Cells: TypeAlias = list[tuple[int, list[str]]]

_LONGEST_CELL = 2**31 - 1  # the largest limit that csv takes everywhere; its own is 131,072


def one_a_line(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Each line is one cell.

    Raises:
        DataError: a line is empty; so for the others below.
    """
    return ((number, [line]) for number, line in _lines(text, name))


def tab_separated(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Lines split at tabs; a quote is a character like others, as reviews and messages have it."""
    return ((number, line.split("\t")) for number, line in _lines(text, name))


def comma_separated(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows as spreadsheets write them (RFC 4180): a cell in quotes may hold commas and newlines.

    Raises:
        DataError: a quote is left open, or text follows a closing one.
    """
    line = 1
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        for cells in reader:
            if not cells:
                raise _empty(name, line)
            yield line, cells
            line = reader.line_num + 1  # a quoted cell may hold line breaks
    except csv.Error as error:
        raise DataError(
            f"{name}, line {line}: the row that begins here has an unpaired double quote "
            f"({error}); quote the whole cell and write a quote inside it twice."
        ) from None
    finally:
        csv.field_size_limit(limit)


def _lines(text: str, name: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n") if text else [], 1):
        if not line:
            raise _empty(name, number)
        yield number, line


def _empty(name: str, line: int) -> DataError:
    return DataError(f"{name}, line {line}: this line is empty; remove it, or fill in the row.")
