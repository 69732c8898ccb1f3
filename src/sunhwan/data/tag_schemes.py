"""Schemes of entity tags: IOB1, BIO and BIOES, told from tagged sentences."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

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


class _Entities(NamedTuple):
    """How many entities of sentences begin and end how.

    begun: with B-X; inside: with I-X; parting: with B-X behind another X. ended: with E-X or S-X, as all do
    in BIOES; open: with B-X or I-X.
    """

    begun: int = 0
    inside: int = 0
    parting: int = 0
    ended: int = 0
    open: int = 0

    @property
    def scheme(self) -> str:
        if self.ended:
            return BIOES if self.open <= FAULTS * self.ended else ""
        if not self.inside:
            return BIO if self.begun + self.parting else ""
        if self.begun <= FAULTS * self.inside:
            return IOB1
        return BIO if self.inside <= FAULTS * (self.begun + self.parting) else ""


def scheme_of(sentences: Iterable[Sequence[str]]) -> str:
    """The scheme of tagged sentences; "" where they mark no entities, or follow none.

    By how entities begin, not by which tags there are: an I-X after O begins one in IOB1, where a B-X
    only parts two of a kind, and never in BIO. Where entities end with E-X or S-X, it is BIOES.
    """
    return _entities(sentences).scheme


def told_scheme(sentences: Iterable[Sequence[str]]) -> tuple[str, list[str]]:
    """The scheme of tagged sentences, and a sentence on it, or on entities that follow none."""
    found = _entities(sentences)
    begun = found.begun + found.parting
    if found.scheme:
        return found.scheme, [f"the labels mark entities by the scheme {found.scheme}"]
    if found.ended:
        return "", [
            f"the labels mark entities by no one scheme: {found.ended:,} end with E- or S-, {found.open:,} "
            "without, so none is enforced"
        ]
    if begun + found.inside:
        return "", [
            f"the labels mark entities by no one scheme: {begun:,} begin with B-, {found.inside:,} with "
            "I-, so none is enforced"
        ]
    return "", []


def _entities(sentences: Iterable[Sequence[str]]) -> _Entities:
    """The entities of tagged sentences; none where a tag is neither "O" nor the mark of one."""
    inside = begun = parting = ended = unended = 0
    for tags in sentences:
        before = ("O", "")
        for tag in (*tags, "O"):
            mark, kind = parts_of(tag)
            if tag != "O" and mark == "O":
                return _Entities()
            follows = kind != "" and before[1] == kind
            inside += mark == "I" and not follows
            begun += mark == "B" and not follows
            parting += mark == "B" and follows
            ended += mark in "ES"
            unended += before[0] in "BI" and not (mark in "IE" and follows)
            before = mark, kind
    return _Entities(begun, inside, parting, ended, unended)


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
