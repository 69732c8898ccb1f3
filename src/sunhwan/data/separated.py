"""Separated values: the separator of a text by evidence, and its rows of cells."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from sunhwan.errors import DataError

Cells: TypeAlias = list[tuple[int, list[str]]]
"""Rows of cells, each with the number of the line where it begins."""

_LONGEST_CELL = 2**31 - 1  # the largest limit that csv takes everywhere; its own is 131,072
_SAMPLE = 1 << 16
_TOLD = re.compile(r"sep=([\t;,])\n")
_QUOTED = re.compile(r'"(?:[^"]++|"")*+"')


class Layout(NamedTuple):
    """How the rows of a text are cut into cells.

    separator: "" where each line is one cell. quotes: whether a cell in double quotes may hold the
    separator and newlines (RFC 4180). spaced: whether spaces behind a separator belong to no cell.
    told: whether the first line only names the separator, as Excel's `sep=;`.
    """

    separator: str
    quotes: bool = True
    spaced: bool = False
    told: bool = False

    @property
    def kind(self) -> str:
        """In words."""
        return KINDS[self.separator]

    @property
    def cure(self) -> str:
        """The advice where a row has too many or too few cells."""
        if self.separator == "\t":
            return "put one tab between two cells and none inside a cell"
        name = "comma" if self.separator == "," else "semicolon"
        return f"put a cell that holds a {name} in double quotes"


KINDS = {
    "\t": "tab-separated",
    ",": "comma-separated",
    ";": "semicolon-separated",
    "": "one text a line",
}


def find_layout(text: str, usual: str = "", *, certain: bool = False) -> Layout:
    """The layout of a text; usual: the separator that the file's name promises, "" for none.

    certain: it is that separator, whatever the rows look like.

    Tab, semicolon and comma are compared by the first rows: that separates by which most rows have
    as many cells, and of equal ones the promised one, or else the first of these three. But one that
    a space follows everywhere, as in sentences, gives way, and without a promise is none; and so do
    commas that stand between digits alone, as decimal ones, to semicolons.
    """
    if match := _TOLD.match(text):
        return Layout(match[1], told=True)
    sample = text if len(text) <= _SAMPLE else text[: text.rfind("\n", 0, _SAMPLE) + 1]
    whole = len(sample) == len(text)
    shares = {separator: _share(sample, separator, whole) for separator in "\t;,"}
    first, _, _ = sample.partition("\n")
    if first.count('"') % 2:  # a quoted cell goes on in the next line
        first = sample
    if not usual:
        shares = {s: n for s, n in shares.items() if re.search(f"{s}(?! )", first)}
    good = {s: n for s, n in shares.items() if n >= (0.5 if s == usual or not usual else 0.9)}
    if usual and not good and not shares[usual]:  # rows of one cell, but for a few of other things
        good = {s: n for s, n in shares.items() if n >= 0.5 and re.search(f"{s}(?! )", first)}
    cut = {s: n for s, n in good.items() if re.search(f"{s}(?! )", sample)} or good
    separator = max(cut, key=lambda s: (cut[s], s == usual), default=usual)
    if certain:
        separator = usual
    elif ";" in good and separator == "," and _commas_are_decimal(sample):
        separator = ";"
    if separator == "\t":
        return Layout(separator, _tabs_are_quoted(text))
    spaced = bool(separator) and _is_spaced(sample, separator)
    return Layout(separator, bool(separator), spaced)


def read_cells(text: str, layout: Layout, name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of cells, with the number of the line where each begins; an empty line has none.

    Raises:
        DataError: a quote is left open, or text follows a closing one.
    """
    if not layout.quotes:
        for number, whole in enumerate(text.split("\n") if text else [], 1):
            cells = whole.split(layout.separator) if layout.separator else [whole]
            yield number, cells if whole else []
        return
    for line, cells in quoted_rows(io.StringIO(text, newline=""), layout, name):
        if not (layout.told and line == 1):
            yield line, cells


def quoted_rows(lines: Iterable[str], layout: Layout, name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of cells, of which quoted ones may hold line breaks, with the line where each begins.

    Raises:
        DataError: a quote is left open, or text follows a closing one.
    """
    line, reader = 1, _reader(lines, layout)
    while True:
        # Of the whole process, and so not while the caller is at work.
        limit = csv.field_size_limit(_LONGEST_CELL)
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{name}, line {line}: the row that begins here has an unpaired double quote "
                f"({error}); quote the whole cell and write a quote inside it twice."
            ) from None
        finally:
            csv.field_size_limit(limit)
        if cells is None:
            return
        yield line, cells
        line = reader.line_num + 1


def _reader(lines: Iterable[str], layout: Layout) -> Any:
    return csv.reader(
        lines, strict=True, delimiter=layout.separator, skipinitialspace=layout.spaced
    )


def _widths(text: str, layout: Layout, whole: bool = True) -> list[int] | None:
    """How many cells each row has; None where quotes are not paired."""
    found: list[int] = []
    try:
        for _, cells in quoted_rows(io.StringIO(text, newline=""), layout, ""):
            found.append(len(cells))
    except DataError:
        return None if whole or not found else found
    return found


def _share(text: str, separator: str, whole: bool) -> float:
    """The share of rows that have as many cells, of more than one, as most; empty lines are none."""
    ways = [_widths(text, Layout(separator, spaced=spaced), whole) for spaced in (False, True)]
    if separator == "\t":
        ways.append([line.count("\t") + 1 for line in text.split("\n") if line])
    filled = ([width for width in widths or () if width] for widths in ways)
    return max((_modal(widths) for widths in filled if widths), default=0.0)


def _modal(widths: Sequence[int]) -> float:
    width, count = Counter(widths).most_common(1)[0]
    return count / len(widths) if width > 1 else 0.0


def _commas_are_decimal(text: str) -> bool:
    """Whether each stands between digits, or before a space as in a sentence."""
    return re.search(r"(?<![0-9]),(?! )|,(?![0-9 ])", text) is None


def _is_spaced(text: str, separator: str) -> bool:
    """Whether quotes pair only if spaces before them belong to no cell."""
    if re.search(f'{separator} +"', text) is None:
        return False
    plain, spaced = (_widths(text, Layout(separator, spaced=way)) for way in (False, True))
    return spaced is not None and (plain is None or _modal(spaced) > _modal(plain))


def _tabs_are_quoted(text: str) -> bool:
    """Whether quotes in a tab-separated text are those of a spreadsheet.

    They are ordinary characters, as reviews and messages have them, unless every cell with a quote is
    a whole quoted one and some hold a doubled quote or each row has one, or rows are alike only so.
    """
    if '"' not in text:
        return False
    plain = [line.split("\t") for line in text.split("\n") if line]
    quoted = _widths(text, Layout("\t"))
    if quoted is None or len({width for width in quoted if width}) != 1:
        return False
    if len(set(map(len, plain))) != 1:
        return True
    cells = [[cell for cell in row if '"' in cell] for row in plain]
    if not all(_QUOTED.fullmatch(cell) for row in cells for cell in row):
        return False
    return (len(cells) > 1 and all(cells)) or any('""' in c[1:-1] for row in cells for c in row)
