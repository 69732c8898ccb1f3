"""Labels of a training set: their counts, and whether they can be labels at all."""

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from sunhwan.errors import DataError, StoreError, quoted
from sunhwan.tasks.common.questions import Pair

MANY = 50
"""Up to so many labels nothing is wrong with each being seen once."""


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
    """A sentence on labels that may be meant as one: that differ in case, spaces or marks alone, or
    of which one is rare and spelled nearly as another."""
    found = []
    by_letters: dict[str, str] = {}
    common = {label: n for label, n in counts.items() if n > counts.total() / 100}
    for label, n in counts.most_common():
        letters = "".join(filter(str.isalnum, label.casefold()))
        other = by_letters.setdefault(letters, label) if letters else label
        if other == label and len(letters) > 4 and letters.isalpha() and label not in common:
            (other,) = get_close_matches(label, common, 1, 0.85) or [label]
        if other != label:
            found.append(f"{quoted(label)} ({n:,}) and {quoted(other)} ({counts[other]:,})")
    if not found:
        return []
    return [f"nearly equal labels, learned as different ones: {', '.join(found[:5])}"]


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
