"""Made tables: what people's programs write, in every layout, read to the right cells or refused.

    python -m tests.deep.made_tables 10000

A table of texts, labels, numbers and dates is drawn, written in a layout, and read again. Right is
each cell as it was, a number in whatever writing as the same number, the header seen where it is, and
the columns of labels and texts found; a refusal in one sentence is right too; anything else is wrong.
"""

import argparse
import csv
import io
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sunhwan.config import Config
from sunhwan.data.tables import read_table
from sunhwan.errors import SunhwanError
from sunhwan.tasks.classify.task import INPUTS, TARGETS
from sunhwan.tasks.common.columns import choose_columns
from sunhwan.text import normalize

SENTENCES = {
    "en": ["a fine film, really", "It was dull", "so-so; not bad", 'he said "no"', "no plot",
           "great\nbut long", "worth it!", "1,204 people agree", "meh"],
    "ko": ["정말 재미있는 영화", "지루하고 길다", "배우는 좋았는데, 영 별로", "최고; 또 보고 싶다",
           '그는 "다시는 안 본다"고 했다', "돈이 아깝다", "그냥 그렇다", "음악이\n좋았다", "ㅋㅋㅋ 웃겼다"],
    "de": ["ein schöner Film, wirklich", "Er war öde", "naja; nicht übel", "für Kinder", "größer als",
           "die Straße war leer", "müde\nund lang"],
    "fr": ["un très beau film, vraiment", "c'était ennuyeux", "bof; pas mal", "à revoir", "vu déjà",
           "trop long\nmais drôle", "une fête réussie"],
}  # fmt: skip
LABELS = [
    ("pos", "neg"),
    ("0", "1"),
    ("긍정", "부정", "중립"),
    ("ham", "spam"),
    ("sports", "world", "tech"),
]
TEXT_NAMES = ["text", "review", "문장", "Document", "content", "v2", "what they wrote"]
LABEL_NAMES = ["label", "class", "라벨", "Category", "v1", "the verdict"]


@dataclass
class Made:
    """A table as it is meant, and how it is written."""

    rows: list[list[str]]
    header: list[str] | None
    kinds: list[str]
    numbers: str
    separator: str
    encoding: str
    suffix: str
    quoting: int
    newline: str
    junk: int

    def written(self) -> bytes:
        """The bytes of the file."""
        out = io.StringIO(newline="")
        writer = csv.writer(
            out, delimiter=self.separator, quoting=self.quoting, lineterminator=self.newline
        )
        if self.header:
            writer.writerow([*self.header, *[""] * self.junk])
        for row in self.rows:
            cells = [
                in_writing(cell, self.numbers) if kind == "number" else cell
                for cell, kind in zip(row, self.kinds, strict=True)
            ]
            writer.writerow([*cells, *[""] * self.junk])
        return out.getvalue().encode(self.encoding)


def in_writing(number: str, writing: str) -> str:
    """A plain number with a decimal comma, or with commas between thousands."""
    if not number or writing == "plain":
        return number
    grouped = f"{float(number):,.2f}"
    if writing == "grouped":
        return grouped
    return grouped.translate(str.maketrans({",": ".", ".": ","}))


@st.composite
def made_tables(draw: st.DrawFn) -> Made:
    """Tables of 12 to 40 rows."""
    language = draw(st.sampled_from(sorted(SENTENCES)))
    count = draw(st.integers(12, 40))
    labels = draw(st.sampled_from(LABELS))
    kinds = [
        "text",
        "label",
        *draw(st.lists(st.sampled_from(["number", "date", "id"]), max_size=2)),
    ]
    kinds = draw(st.permutations(list(dict.fromkeys(kinds))))
    gaps = draw(st.sampled_from([0, 0, 1, 3]))
    flat = draw(st.booleans())
    rows = []
    for number in range(count):
        sentence = draw(st.sampled_from(SENTENCES[language])) + f" {number}"
        cells = {
            "text": sentence.replace("\n", " ") if flat else sentence,
            "label": "" if gaps and number % 7 == gaps else labels[number % len(labels)],
            "number": f"{draw(st.integers(-999_999, 99_999_999)) / 100:.2f}",
            "date": f"2024-{1 + number % 3:02}-{1 + number % 4:02}",
            "id": str(1000 + number),
        }
        rows.append([cells[kind] for kind in kinds])
    names = {
        "text": draw(st.sampled_from(TEXT_NAMES)), "label": draw(st.sampled_from(LABEL_NAMES)),
        "number": "price", "date": "date", "id": "id",
    }  # fmt: skip
    header = [names[kind] for kind in kinds] if draw(st.integers(0, 3)) else None
    separator = draw(st.sampled_from("\t;,"))
    of_name = {"\t": [".tsv", ".txt", ".csv"], ";": [".csv", ".txt"], ",": [".csv", ".txt"]}
    encodings = {
        "ko": ["utf-8", "utf-8-sig", "utf-16", "cp949"], "en": ["utf-8", "utf-8-sig", "utf-16"],
        "de": ["utf-8", "utf-16", "cp1252", "latin-1"], "fr": ["utf-8", "utf-16", "cp1252"],
    }  # fmt: skip
    korean = any(not cell.isascii() for row in (*rows, header or []) for cell in row)
    encoding = draw(st.sampled_from(encodings[language]))
    if encoding in ("cp1252", "latin-1") and korean:
        whole = "".join(cell for row in (*rows, header or []) for cell in row)
        if any("ㄱ" <= letter <= "힣" for letter in whole):
            encoding = "utf-8"
    return Made(
        rows=rows,
        header=header,
        kinds=list(kinds),
        numbers=draw(st.sampled_from(["plain", "plain", "grouped", "comma"])),
        separator=separator,
        encoding=encoding,
        suffix=draw(st.sampled_from(of_name[separator])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        newline=draw(st.sampled_from(["\n", "\r\n"])),
        junk=draw(st.sampled_from([0, 0, 0, 3])) if header else 0,
    )


class WrongError(AssertionError):
    """A table was read to other cells than were written."""


def check(made: Made, folder: Path) -> str:
    """ "right" or the beginning of the refusal; WrongError for what was read wrongly."""
    path = folder / f"made{made.suffix}"
    path.write_bytes(made.written())
    try:
        table = read_table(path)
    except SunhwanError as error:
        sentence = str(error)
        if "\n" in sentence or len(sentence) < 20:
            raise WrongError(f"a refusal that says nothing: {sentence!r}") from None
        return " ".join(sentence.split(": ", 1)[-1].split()[:6])
    expected = [[normalize(cell) for cell in row] for row in made.rows]
    if len(table.rows) != len(expected):
        raise WrongError(f"{len(table.rows)} rows, not {len(expected)}: {table.said}")
    if made.header and table.columns != tuple(made.header):
        raise WrongError(f"the columns are {table.columns}, not {made.header}: {table.said}")
    for row, right in zip(table.rows, expected, strict=True):
        for cell, wanted, kind in zip(row.values.values(), right, made.kinds, strict=True):
            same = cell == wanted or (kind == "number" and float(cell) == float(wanted))
            if not same:
                raise WrongError(f"{row.where}: {cell!r}, not {wanted!r}: {table.said}")
    try:
        columns = choose_columns(table, Config(), INPUTS, TARGETS, labels=True)
    except SunhwanError as error:
        return "columns: " + " ".join(str(error).split(" has ", 1)[-1].split()[:4])
    found = (*columns.inputs, columns.target)
    right_ones = tuple(table.columns[made.kinds.index(kind)] for kind in ("text", "label"))
    if found != right_ones:
        raise WrongError(f"read as {found}, not {right_ones}: {table.said}")
    return "right"


def run(count: int, folder: Path) -> Counter[str]:
    """So many tables; how each ended. WrongError with the smallest table that is read wrongly."""
    ends: Counter[str] = Counter()

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(made_tables())
    def each(made: Made) -> None:
        ends[check(made, folder)] += 1

    each()
    return ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    given_: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ends = run(given_.count, Path(folder))
    for end, count in ends.most_common():
        print(f"{count:6} {end}")


if __name__ == "__main__":
    main()
