"""Labels of a training set: their counts, and whether they can be labels at all."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, NamedTuple

from sunhwan.data.numbers import is_number
from sunhwan.errors import DataError, StoreError, quoted
from sunhwan.tasks.common.questions import Pair

MANY = 50
"""Up to so many labels nothing is wrong with each being seen once."""
RARE = 20
"""How many times as often as a rare label one is that may have been meant."""
# fmt: off
NO_ANSWERS = frozenset((
    "n/a", "na", "#n/a", "<na>", "nan", "null", "none", "-", "?", "없음", "해당 없음", "해당없음", "무응답",
    "미응답", "결측",
))
# fmt: on
"""What stands, in lower case, in the place of a label that is not known, unless it is one itself."""


class NoAnswers(NamedTuple):
    """Cells that stand for no answer, in lower case, and a sentence on each that may."""

    cells: frozenset[str]
    notes: list[str]


def no_answers(cells: Iterable[str], column: str) -> NoAnswers:
    """Which of `NO_ANSWERS` in a column of labels are no labels: those that are fewer than half as many as
    a label is on average, beside two labels at least."""
    counts = Counter(cell.strip() for cell in cells if cell.strip())
    marks = Counter[str]()
    for cell in list(counts):
        if cell.casefold() in NO_ANSWERS:
            marks[cell.casefold()] += counts.pop(cell)
    few = [cell for cell, n in marks.items() if 2 * n * len(counts) < counts.total()]
    missing = frozenset(few if len(counts) > 1 else ())
    notes = [
        f"{quoted(cell)} ({n:,}) means no answer in {column}: if it is a label, write it as another word"
        if cell in missing
        else f"{quoted(cell)} ({n:,}) is a label of {column}: if it means no answer, leave its cells empty"
        for cell, n in marks.items()
    ]
    return NoAnswers(missing, notes)


class OneLabelANumber(NamedTuple):
    """The label of each writing, one of equal numbers, and a sentence on those that are several."""

    labels: dict[str, str]
    notes: list[str]


def one_label_a_number(counts: Mapping[str, int]) -> OneLabelANumber:
    """The most frequent writing of each number among labels stands for the others, such as 1 for 1.0.

    Codes with zeros in front are no such numbers.
    """
    written: dict[Decimal, str] = {}
    labels, told = {}, []
    for label, n in sorted(counts.items(), key=lambda item: -item[1]):
        number = _number(label)
        first = label if number is None else written.setdefault(number, label)
        labels[label] = first
        if first != label:
            told.append(f"{label} ({n:,}) = {first} ({counts[first]:,})")
    return OneLabelANumber(
        labels, [f"labels that are equal numbers are one: {', '.join(told[:5])}"] if told else []
    )


def equal_number(cell: str, labels: Sequence[str]) -> str:
    """The label that is the same number as a cell, "" where none is."""
    number = _number(cell)
    return next((x for x in labels if number is not None and _number(x) == number), "")


def _number(label: str) -> Decimal | None:
    """The number that a label is; None of words, and of codes such as 007."""
    whole = label.lstrip("+-").partition(".")[0]
    code = len(whole) > 1 and whole[0] == "0"
    return None if code or not is_number(label) else Decimal(label)


def count_labels(labels: Iterable[str], files: Sequence[str], cure: str) -> Counter[str]:
    """How often each occurs; DataError where there is one alone, or nearly as many as examples.

    cure: what the user shall do, said at the sentence's end.
    """
    counts = Counter(labels)
    names = ", ".join(files)
    if len(counts) < 2:
        raise DataError(
            f"every label in {names} is {quoted(next(iter(counts), ''))}: at least two are needed, "
            f"or {cure}"
        )
    if len(counts) > max(MANY, counts.total() / 2):
        raise DataError(
            f"there are {len(counts):,} different labels among {counts.total():,} in {names}, so they "
            f"are no labels: {cure}"
        )
    return counts


def alike(counts: Counter[str]) -> list[str]:
    """A sentence on labels that may be meant as one: that differ in case, spaces, marks or zeros in front
    alone, or of which one is rare and spelled nearly as another."""
    found = []
    by_letters: dict[str, str] = {}
    common = {label: n for label, n in counts.items() if n > counts.total() / 100}
    for label, n in counts.most_common():
        letters = "".join(filter(str.isalnum, label.casefold()))
        key = letters.lstrip("0") or letters if is_number(label) else letters
        other = by_letters.setdefault(key, label) if letters else label
        if other == label and len(_spelled(letters)) > 4 and letters.isalpha():
            near = [x for x, m in counts.items() if m >= RARE * n and _one_off(label, x)]
            if label not in common:
                near += get_close_matches(label, common, 1, 0.85)
            other = next(iter(near), label)
        if other != label:
            found.append(f"{quoted(label)} ({n:,}) ~ {quoted(other)} ({counts[other]:,})")
    if not found:
        return []
    return [f"nearly equal labels, learned as different ones: {', '.join(found[:5])}"]


def _spelled(text: str) -> str:
    """A text letter by letter, those of a Korean syllable each for itself."""
    return unicodedata.normalize("NFD", text.casefold())


def _one_off(one: str, other: str) -> bool:
    """Whether one letter more, less or other makes a text of the other."""
    short, long = sorted(map(_spelled, (one, other)), key=len)
    same = next(
        (n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short)
    )
    rest = short[same + (len(short) == len(long)) :]
    return short != long and len(long) - len(short) <= 1 and long[same + 1 :] == rest


def contradictions(pairs: Iterable[Pair]) -> list[str]:
    """A sentence on texts that stand with different labels, of which a classifier can learn one alone."""
    labels: dict[tuple[str, ...], str] = {}
    where: dict[tuple[str, ...], str] = {}
    for pair in pairs:
        cells = pair.question.cells
        if labels.setdefault(cells, pair.answer) != pair.answer:
            where.setdefault(cells, pair.question.where)
    if not where:
        return []
    (cells, first), *_ = where.items()
    texts = "text has" if len(where) == 1 else "texts have"
    return [
        f"{len(where):,} {texts} different labels, such as {quoted(' | '.join(cells))} ({first})"
    ]


def restored_labels(stored: Any) -> list[str]:
    """The labels that a model folder holds; StoreError where they are no list of different texts."""
    texts = isinstance(stored, list) and all(isinstance(label, str) for label in stored)
    if not texts or not stored or len(set(stored)) < len(stored):
        raise StoreError("The stored labels are damaged: they are no list of different texts")
    return list(stored)


def most_common(counts: Counter[str]) -> str:
    """The most frequent labels with their counts, in words."""
    shown = ", ".join(f"{label} {count:,}" for label, count in counts.most_common(6))
    return shown + (" …" if len(counts) > 6 else "")
