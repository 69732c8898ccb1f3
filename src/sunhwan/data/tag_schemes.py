"""Schemes of entity tags: IOB1, BIO and BIOES, told from tagged sentences."""

import re
from collections.abc import Iterable, Sequence

BIO, IOB1, BIOES = "BIO", "IOB1", "BIOES"
FAULTS = 0.02
"""The share of entities that may break a scheme, as faults of annotation do."""

_MARKED = re.compile(r"([BIES])-(.+)", re.DOTALL)


def parts_of(tag: str) -> tuple[str, str]:
    """A tag as its mark and its kind: ("B", "PER"); ("O", "") for any that marks no entity."""
    found = _MARKED.fullmatch(tag)
    return (found[1], found[2]) if found else ("O", "")


def marks_entities(tags: Iterable[str]) -> bool:
    """Whether tags are "O" and marks of entities alone, of any scheme."""
    marked = [tag for tag in tags if tag != "O"]
    return bool(marked) and all(map(_MARKED.fullmatch, marked))


def scheme_of(sentences: Iterable[Sequence[str]]) -> str:
    """The scheme of tagged sentences; "" where they mark no entities, or follow none.

    By how entities begin, not by which tags there are: an I-X after O begins one in IOB1, where a B-X
    only parts two of a kind, and never in BIO. An E-X or S-X is BIOES.
    """
    inside = begun = parting = 0
    for tags in sentences:
        before = ("O", "")
        for tag in tags:
            mark, kind = parts_of(tag)
            if tag != "O" and mark == "O":
                return ""
            if mark in "ES":
                return BIOES
            follows = kind != "" and before[1] == kind
            inside += mark == "I" and not follows
            begun += mark == "B" and not follows
            parting += mark == "B" and follows
            before = mark, kind
    if not inside:
        return BIO if begun + parting else ""
    if begun <= FAULTS * inside:
        return IOB1
    return BIO if inside <= FAULTS * (begun + parting) else ""


def may_follow(before: str, tag: str, scheme: str) -> bool:
    """Whether a scheme allows a tag after another one; before: "" at the beginning of a sentence."""
    (mark, kind), (last, open_kind) = parts_of(tag), parts_of(before)
    if scheme == IOB1:
        return mark != "B" or (last in "BI" and open_kind == kind)
    if scheme == BIO:
        return mark != "I" or (last in "BI" and open_kind == kind)
    if scheme == BIOES:
        return (mark in "IE" and open_kind == kind) if last in "BI" else mark not in "IE"
    return True
