"""Margins of a table: the titles above its header, the totals and footnotes below its rows."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from sunhwan.data.headers import looks_like_header
from sunhwan.data.numbers import is_number, plain_columns
from sunhwan.data.separated import Cells
from sunhwan.errors import shortened

MOST_ABOVE, MOST_BELOW, MOST_FOOTNOTES = 10, 3, 10
SAMPLE = 200
"""Rows from which it is told whether the first ones are titles."""

# fmt: off
TOTALS = frozenset((
    "total", "totals", "grand total", "sum", "summe", "gesamt", "합계", "총계", "총합", "총합계", "계",
))
MEANS = frozenset(("average", "mean", "mittelwert", "durchschnitt", "평균"))
# fmt: on


_FOOTNOTE = re.compile(
    r"(?:\(?(?:출처|자료(?:출처)?|주석?|비고|참고|단위|sources?|notes?|remarks?|quellen?|anmerkung(?:en)?|fuente|fonte)"
    r"\s*[0-9]*\s*[:：)]|[※*†‡]+\s*\S).*",
    re.IGNORECASE | re.DOTALL,
)


def titles_above(rows: Sequence[Sequence[str]]) -> int:
    """How many of the first rows stand above a header: of one cell or none, or facts about the table, over
    rows of as many cells.

    0 unless the row below them looks like a header.
    """
    rows = rows[:SAMPLE]
    above = next((n for n, row in enumerate(rows) if _filled(row) > 1), 0)
    above = above or _facts_above(rows)
    table = [row for row in rows[above:] if _filled(row)]
    if not 0 < above <= MOST_ABOVE or len(table) < 2:
        return 0
    (width, count), *_ = Counter(map(len, table)).most_common(1)
    alike = len(table[0]) == width and count >= 0.9 * len(table)
    return above if alike and looks_like_header(table) else 0


def _facts_above(rows: Sequence[Sequence[str]]) -> int:
    """How many rows end with an empty one below a row of names and one of their values, such as the place
    of a weather station, over a table of another width; else 0."""
    if len(rows) < 4 or _filled(rows[2]) or not len(rows[0]) == len(rows[1]) != len(rows[3]):
        return 0
    return 3


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def footnotes_below(rows: Sequence[Sequence[str]]) -> list[str]:
    """The footnotes in the last rows, such as the source: alone in their row, below fuller ones.

    So is a name of the header that stands alone once more.
    """
    found: list[str] = []
    header = [cell.strip() for cell in rows[0]] if rows else []
    for row in reversed(rows[1:]):
        note = ",".join(cell for cell in row if cell.strip()).strip()
        alone = _filled(row) == 1 and _FOOTNOTE.fullmatch(note)
        if len(found) == MOST_FOOTNOTES or not (alone or (len(header) > 1 and note in header)):
            break
        found.insert(0, note)
    above = rows[len(rows) - len(found) - 1] if len(rows) > len(found) else ()
    return found if len(rows) - len(found) > 1 and _filled(above) > 1 else []


def totals_below(rows: Sequence[Sequence[str]], separator: str = "") -> int:
    """How many of the last rows are totals: they say so, and are the sums or means of the rows above.

    rows: without the header, of as many cells each.
    """
    count = 0
    while count < min(MOST_BELOW, len(rows) - 2) and _says_total(rows[len(rows) - count - 1]):
        count += 1
    body = rows[: len(rows) - count]
    below = rows[len(rows) - count :]
    return count if all(_adds_up(body, row, separator) for row in below) else 0


def _says_total(row: Sequence[str]) -> bool:
    return _word(row) in TOTALS or _word(row) in MEANS


def _word(row: Sequence[str]) -> str:
    first = next((cell.strip() for cell in row if cell.strip()), "")
    return first.rstrip(":").strip().casefold()


def _adds_up(body: Sequence[Sequence[str]], row: Sequence[str], separator: str) -> bool:
    """Whether a cell of the row is the sum or the mean of its column, as exactly as it is written."""
    columns = {
        str(place): [above[place] for above in body if place < len(above)] + [cell]
        for place, cell in enumerate(row)
        if cell.strip()
    }
    plain = {name: cells for name, (_, cells) in plain_columns(columns, separator).items()}
    for cells in (columns | plain).values():
        if len(cells) < 3 or not all(is_number(cell) or not cell.strip() for cell in cells):
            continue
        *above, told = (float(cell) for cell in cells if cell.strip())
        step = 10.0 ** -max(len(cell.strip().partition(".")[2]) for cell in cells)
        total = sum(above)
        # Whole numbers are added up exactly; of others each may have been rounded.
        near = 0.51 * step * (len(above) if step < 1 else 1) + 1e-9 * abs(told)
        is_sum = abs(told - total) <= near
        if (
            any(above)
            and math.isfinite(told)
            and (is_sum or _is_mean(row, told, total / len(above)))
        ):
            return True
    return False


def _is_mean(row: Sequence[str], told: float, mean: float) -> bool:
    decimals = max(len(cell.strip().partition(".")[2]) for cell in row)
    return _word(row) in MEANS and abs(told - mean) <= 0.51 * 10.0**-decimals


def within_margins(rows: Cells, separator: str = "") -> tuple[Cells, tuple[str, ...]]:
    """The rows without titles above, totals and footnotes below, and what was left out, in words.

    A table without a header keeps its totals; empty rows beside what is left out go with it.
    """
    above = titles_above([cells for _, cells in rows])
    rows, notes = rows[above:], list[str]()
    if above:
        notes.append(f"{_lines(above)} above the header left out")
    filled = [row for row in rows if _filled(row[1])]
    footnotes = footnotes_below([cells for _, cells in filled])
    if footnotes:
        rows = _up_to(rows, filled[-len(footnotes) - 1])
        told = shortened(footnotes[0], 40)
        notes.append(f"{_lines(len(footnotes))} below the rows left out, of footnotes ({told})")
    last = next((cells for _, cells in reversed(rows) if _filled(cells)), ())
    if _says_total(last):
        filled = [row for row in rows if _filled(row[1])]
        table = [cells for _, cells in filled]
        below = totals_below(table[1:], separator) if looks_like_header(table) else 0
        if below:
            words = ", ".join(next(c.strip() for c in row if c.strip()) for row in table[-below:])
            rows = _up_to(rows, filled[-below - 1])
            notes.append(f"{_lines(below)} below the rows left out, their totals ({words})")
    return rows, tuple(notes)


def _up_to(rows: Cells, last: tuple[int, list[str]]) -> Cells:
    """The rows up to this one."""
    return rows[: 1 + next(n for n, row in enumerate(rows) if row is last)]


def _lines(count: int) -> str:
    return f"{count} line{'s' * (count > 1)}"
