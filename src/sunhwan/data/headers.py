"""The first row of a table: whether it names the columns, and how."""

import re
from collections import Counter
from collections.abc import Sequence

from sunhwan.data.amounts import amounts_in
from sunhwan.data.dates import looks_like_date
from sunhwan.data.numbers import MISSING, is_number, writings
from sunhwan.data.separated import Cells
from sunhwan.data.wide_tables import are_months, time_columns
from sunhwan.errors import DataError, quoted

LONGEST_NAME = 40
SAMPLE = 200
"""Rows that tell whether two lines hold names."""
_LEAST_BELOW = 2

# fmt: off
WELL_KNOWN = frozenset((
    "text", "document", "sentence", "sentence1", "sentence2", "review", "message", "content",
    "body", "comment", "title", "utterance", "premise", "hypothesis", "word", "token", "words", "tokens",
    "label", "labels", "class", "target", "tag", "tags", "category", "sentiment", "intent", "rating",
    "score", "question", "answer", "q", "a", "prompt", "response", "input", "output",
    "source", "src", "trg", "tgt", "translation", "english", "korean", "en", "ko", "eng", "kor",
    "file", "path", "image", "transcript", "article", "summary", "caption", "description",
    "id", "idx", "index", "name", "value", "date", "time", "datetime", "timestamp", "ds", "day",
    "month", "quarter", "year",
    "문장", "본문", "내용", "텍스트", "글", "제목", "리뷰", "댓글", "메시지", "발화", "질문", "답변",
    "대답", "응답", "분류", "라벨", "레이블", "정답", "범주", "감정", "의도", "평점", "점수", "원문",
    "번역", "번역문", "요약", "설명", "그림", "한국어", "영어", "번호", "이름", "값", "날짜", "일자",
    "일시", "시간", "시각", "연도", "월", "단어", "어절", "태그", "품사", "개체명",
))
ROW_NAMES = frozenset(("id", "idx", "index", "no", "no.", "번호", "순번", "연번", "unnamed: 0"))
# fmt: on
"""Names that columns usually have, in lower case; `ROW_NAMES`: of numbers that tell rows apart."""


def column_names(first: Sequence[str], where: str) -> tuple[str, ...]:
    """The names in a first row; of a cell without one, as over saved row numbers, its place from 1 on.

    DataError: two are the same.
    """
    columns = tuple(cell.strip() or str(number) for number, cell in enumerate(first, 1))
    double = next((name for name, count in Counter(columns).items() if count > 1), None)
    if double is not None:
        raise DataError(f"{where}: two columns are named {quoted(double)}; give each its own name.")
    return columns


def is_header(cells: Sequence[str], asked: Sequence[str]) -> bool:
    """Whether a line of so many parts holds the names of the columns that are asked for, and no values."""
    return [c.strip().casefold() for c in cells] == [name.casefold() for name in asked]


def one_header(rows: Cells) -> tuple[Cells, tuple[str, ...]]:
    """The rows with one line of names where these stand in two, or units stand below them, and a note.

    Only over columns that hold numbers or dates alone, which no word of the second line is. In two lines
    a name of the first stands for the columns behind it without one, as of merged cells, or again.
    """
    if len(rows) < _LEAST_BELOW + 2 or len({len(row) for _, row in rows[:SAMPLE]}) != 1:
        return rows, ()
    (line, first), (_, second), *table = rows[:SAMPLE]
    names, words = ([cell.strip() for cell in row] for row in (first, second))
    told = [word for word in words if word and word.casefold() not in MISSING]
    for place, word in enumerate(words):
        column = [row[place].strip() for _, row in table if row[place].strip()]
        if word and (any(map(str.isdigit, word)) or not _are_values(column)):
            return rows, ()
    if not told or any(map(is_number, names)) or not names[0]:
        return rows, ()
    if all(names) and len(set(names)) == len(names):
        note = f"the line below the header is left out ({', '.join(told)})"
        return [rows[0], *rows[2:]], (note,)
    joined, group = list[str](), ""
    for name, word in zip(names, words, strict=True):
        group = name or (group if word else "")
        joined.append(" ".join(dict.fromkeys(part for part in (group, word) if part)))
    if not all(joined) or len(set(joined)) < len(joined):
        return rows, ()
    return [(line, joined), *rows[2:]], ("the names stand in two lines, which are joined",)


def _are_values(column: Sequence[str]) -> bool:
    """Whether cells are numbers or dates alone."""
    return bool(column) and (_are_numbers(column) or all(map(looks_like_date, column)))


def header_again(count: int) -> str:
    """A note about rows in which the header stands once more."""
    return f"the header stands {count:,} time{'s' * (count > 1)} more and is left out there"


_NUMBERED = re.compile(r"([^\W\d]+)[ _.]?([0-9]{1,4})")
_MANY_NUMBERS = 8
"""Numbers below a word, from which on a few cells that are none do not matter."""
_MANY = 3
"""Rows a label, on average, from which on labels tell that the first row is none of theirs."""


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns.

    It does when its cells are distinct, short and no numbers, none but the first and the last ones
    empty, none is one of the few labels below it, and when besides one of them is a usual name of a
    column, or stands over a column of numbers alone, or of a few labels; or when they are numbered,
    as v1 and v2. A usual name of one letter counts only beside another usual name. Or else cells after
    the first ones are times one after the other (`time_columns`), or months over rows of years
    (`are_months`). A long cell may stand over numbers, beside a usual name.
    """
    first = [cell.strip() for cell in rows[0]]
    if time_columns(first) and not (len(rows) > 1 and time_columns(rows[-1])):
        return True
    if are_months(first, rows[1:]):
        return True
    cells = first[: max((place + 1 for place, cell in enumerate(first) if cell), default=0)]
    if (
        not all(cells[1:])
        or not any(cells)
        or (len(set(cells)) < len(cells) and not _are_known_twice(cells))
        or any(_are_numbers([cell]) for cell in cells)
    ):
        return False
    columns = [
        [row[place].strip() for row in rows[1:] if place < len(row) and row != rows[0]]
        for place in range(len(cells))
    ]
    named = any(cell.lower() in WELL_KNOWN and len(cell) > 1 for cell in cells)
    if any(
        len(cell) > LONGEST_NAME
        and not (named and (_are_numbers(column) or _are_mostly_numbers(cell, column)))
        for cell, column in zip(cells, columns, strict=True)
    ):
        return False
    over_labels = [
        cell for cell, column in zip(cells, columns, strict=True) if cell and _are_labels(column)
    ]
    if any(
        cell in column for cell, column in zip(cells, columns, strict=True) if cell in over_labels
    ):
        return False
    known = [cell for cell in cells if cell.lower() in WELL_KNOWN]
    if len(known) > 1 or any(len(cell) > 1 for cell in known) or _are_numbered(cells):
        return True
    dated = any(map(looks_like_date, cells))
    return bool(over_labels) or any(
        cell and (_are_numbers(column) or (not dated and _are_mostly_numbers(cell, column)))
        for cell, column in zip(cells, columns, strict=True)
    )


def _are_known_twice(cells: Sequence[str]) -> bool:
    """Whether a name stands twice beside another one, both usual names of columns."""
    names = {cell for cell in cells if len(cell) > 1 and cell.lower() in WELL_KNOWN}
    return len(names) > 1 and len(set(cells)) < len(cells)


def _are_mostly_numbers(above: str, column: Sequence[str]) -> bool:
    """Whether a word stands above numbers of which a few, such as <1, are none."""
    filled = [cell for cell in column if cell]
    numbers = sum(map(is_number, filled))
    word = any(map(str.isalpha, above)) and above.casefold() not in MISSING
    return word and numbers >= _MANY_NUMBERS and 10 * numbers >= 9 * len(filled)


def _are_numbers(column: Sequence[str]) -> bool:
    return bool(writings(column) or amounts_in(column))


def _are_numbered(cells: Sequence[str]) -> bool:
    """Whether the cells are v1, v2 … or the like, from 0 or 1 on, in whatever order."""
    found = [_NUMBERED.fullmatch(cell) for cell in cells if cell]
    known = [match for match in found if match]
    numbers = sorted(int(match[2]) for match in known)
    return (
        1 < len(known) == len(found)
        and len({match[1] for match in known}) == 1
        and numbers[0] < 2
        and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    )


def _are_labels(column: Sequence[str]) -> bool:
    counts = Counter(cell for cell in column if cell)
    return (
        1 < len(counts) <= 20
        and counts.total() >= _MANY * len(counts)
        and min(counts.values()) > 2
        and max(map(len, counts)) <= LONGEST_NAME
    )
