"""Columns: which of a table are read, and which is the answer."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from sunhwan.config import Config
from sunhwan.data.headers import ROW_NAMES
from sunhwan.data.images import IMAGE_SUFFIXES
from sunhwan.data.named_columns import column
from sunhwan.data.numbers import COMMA, GROUPED, is_number, plain_cell
from sunhwan.data.tables import Table
from sunhwan.errors import DataError, listed, quoted

LONGEST_LABEL = 40
SENTENCE = 12
"""Characters from which on, on average, texts are what is read, though there are numbers too."""
ROWS_A_LABEL = (5, 2, 1.2)
"""Rows that each label has on average, at least, where labels are known by what they are: or fewer
where no column has so many."""

EXAMPLES = {GROUPED: "1,204.5", COMMA: "1.204,5"}
RATINGS = ("rating", "stars", "score", "평점", "별점")
"""Usual names of columns of stars, the answers beside a text where no other column is told."""

_CODE = re.compile(r"(?:[a-z]I[dD]|_id|_ID)$")
"""What ends the name of a column that tells users or products apart: ProductId, user_id."""

FEW_LABELS = 20
"""Labels up to which a column of words is that of the answers, though one of numbers has fewer."""


class Columns(NamedTuple):
    """Which columns are read, and which is the answer.

    writings: how each input column writes its numbers, "" of one that writes them plainly or has none; no
    entry where all are so.
    """

    inputs: tuple[str, ...]
    target: str
    writings: tuple[str, ...] = ()

    def written_as(self, table: Table) -> Self:
        """The same columns, with the writings of a table."""
        found = tuple(table.writings.get(name, "") for name in self.inputs)
        return self._replace(writings=found if any(found) else ())

    def plain(self, cells: Sequence[str], where: str) -> tuple[str, ...]:
        """A row's cells with plain numbers, as training read them; DataError: one is written otherwise."""
        if not self.writings:
            return tuple(cells)
        return tuple(
            _plain(cell, way, where, name) if way else cell
            for name, cell, way in zip(self.inputs, cells, self.writings, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        writings = {"writings": list(self.writings)} if self.writings else {}
        return {"inputs": list(self.inputs), "target": self.target, **writings}

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Of what `to_dict` gave; KeyError or TypeError where it is damaged."""
        inputs, writings = tuple(map(str, values["inputs"])), tuple(values.get("writings", ()))
        if writings and (len(writings) != len(inputs) or not {"", GROUPED, COMMA} >= set(writings)):
            raise TypeError("the writings of numbers are not those of the columns")
        return cls(inputs, str(values["target"]), writings)


def _plain(cell: str, way: str, where: str, name: str) -> str:
    found = plain_cell(cell, way)
    if found is None and is_number(cell):
        raise DataError(
            f"{where}: column {quoted(name)} holds {quoted(cell)}, but the model was trained on numbers "
            f"such as {EXAMPLES[way]}: write them alike"
        )
    return cell if found is None else found


def choose_columns(
    table: Table,
    config: Config,
    inputs: Sequence[str],
    targets: Sequence[str],
    *,
    labels: bool = False,
) -> Columns:
    """Those that the configuration names, or the first of each list of usual names that are there.

    labels: whether the answers are labels; then columns without such a name are told by what they
    hold, where that tells them: labels by how often each comes again, a text by its length.
    """
    task = config.task
    taken = {name.casefold() for name in (*task.input, task.target)}
    inputs, targets = (
        [n for n in names if n.casefold() not in taken] for names in (inputs, targets)
    )
    target = task.target
    if labels and len(table.columns) > 2:  # of two, their order tells, if nothing else does
        inputs, targets = ([n for n in names if not n.isdigit()] for names in (inputs, targets))
    if labels and not target and not _usual(table, targets, named=True):
        target = _label_column(table, task.input)
        target = target or _rating(table)
    target = column(table, target, targets, "answers")
    if task.input:
        return Columns(tuple(column(table, name, (), "input") for name in task.input), target)
    usual = _usual(table, inputs, named=labels)
    steps = step_columns(table, target) if task.kind == "vector" or not usual else ()
    texts: list[str] = []
    if labels and not usual and task.kind != "vector":
        texts = _text_columns(table, target, SENTENCE if steps else 0)
    if _are_pair(texts):
        return Columns(tuple(sorted(texts)), target)
    found = texts[0] if len(texts) == 1 else ""
    unclear = len([name for name in texts if _mostly_differ(table, name)]) > 1
    if steps and not found and not unclear and task.kind != "text":
        return Columns(steps, target)
    name = column(table, found, [n for n in inputs if n != target], "input")
    if name == target:
        raise DataError(
            f"{table.name} has one column alone, {listed(table.columns)}: give one to read and one of "
            "answers"
        )
    return Columns((name,), target)


def step_columns(table: Table, target: str) -> tuple[str, ...]:
    """What a vector stands in, beside the answers: every column of numbers, or the first of images.

    Numbers under a name such as "id" tell rows apart and say nothing.
    """
    others = [n for n in table.columns if n != target and n.casefold() not in ROW_NAMES]
    numbers = tuple(name for name in others if every(table, name, is_number))
    return numbers or tuple(name for name in others if every(table, name, is_image))[:1]


def every(table: Table, name: str, test: Callable[[str], bool]) -> bool:
    """Whether every cell of a column passes a test."""
    return all(test(row.values[name]) for row in table.rows)


def is_image(cell: str) -> bool:
    """Whether a cell is the name of an image."""
    return Path(cell).suffix.lower() in IMAGE_SUFFIXES


def _usual(table: Table, names: Sequence[str], *, named: bool) -> bool:
    """Whether a usual name is there; named: other than the number of a column without a name."""
    return any(name.casefold() in table.by_case for name in names if not (named and name.isdigit()))


def _label_column(table: Table, read: Sequence[str]) -> str:
    """The one column of a few short labels that repeat, of several the one without
    numbers, unless that has many, as names of people; "": none tells."""
    taken = {name.casefold() for name in read}
    each: dict[str, float] = {}
    labels: dict[str, int] = {}
    for name in table.columns:
        counts = Counter(row.values[name].strip() for row in table.rows)
        empty = counts.pop("", 0)
        short = counts and max(map(len, counts)) <= LONGEST_LABEL and not all(map(_is_date, counts))
        named = name.casefold() not in taken and not _CODE.search(name)
        if named and len(counts) > 1 and counts.total() > empty and short:
            each[name], labels[name] = counts.total() / len(counts), len(counts)
    found: list[str] = []
    for least in ROWS_A_LABEL:
        found = found or [name for name, rows in each.items() if rows >= least]
    words = [name for name in found if not every(table, name, is_number)]
    if len(words) == 1 and labels[words[0]] <= max(FEW_LABELS, min(labels[name] for name in found)):
        found = words
    return found[0] if len(found) == 1 else ""


def _is_date(cell: str) -> bool:
    return not is_number(cell) and not any(map(str.isalpha, cell)) and any(map(str.isdigit, cell))


def _rating(table: Table) -> str:
    """The column of stars or points beside a text, or ""."""
    name = next((table.by_case[name] for name in RATINGS if name in table.by_case), "")
    return name if name and _text_columns(table, name, SENTENCE) else ""


def _are_pair(texts: Sequence[str]) -> bool:
    """Whether two columns are called alike but for 1 and 2, as question1 and question2."""
    ends = sorted(name[-1:] for name in texts)
    return ends == ["1", "2"] and len({name[:-1].casefold() for name in texts}) == 1


def _mostly_differ(table: Table, name: str) -> bool:
    """Whether most cells of a column stand once, as sentences do and names of kinds do not."""
    return 2 * len({row.values[name] for row in table.rows}) > len(table.rows)


def _text_columns(table: Table, target: str, least: int) -> list[str]:
    """The columns, beside the answers, of texts; the longest alone where it is twice as long as others.

    least: characters that they have on average, where they are not several words.
    """
    lengths = {}
    for name in table.columns:
        cells = [row.values[name] for row in table.rows]
        signs = [sign for cell in cells[:200] for sign in cell if not sign.isspace()]
        plain = 2 * sum(map(str.isalpha, signs)) < len(signs) or every(table, name, is_image)
        long = sum(map(len, cells)) >= least * len(cells)
        if name != target and not plain and (long or sum(" " in c for c in cells) > len(cells) / 2):
            lengths[name] = sum(map(len, cells))
    found = sorted(lengths, key=lambda name: -lengths[name])
    return found[:1] if len(found) > 1 and lengths[found[0]] >= 2 * lengths[found[1]] else found
