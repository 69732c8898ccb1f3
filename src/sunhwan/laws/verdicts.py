"""The check of a cell against all laws."""

from typing import NamedTuple

from sunhwan.cells import Cell
from sunhwan.laws.case import Case
from sunhwan.laws.compare import LawBroken
from sunhwan.laws.registry import LAWS, Law
from sunhwan.ops import supports


class Verdict(NamedTuple):
    """Verdict on a law. passed: None where it does not apply; detail: the numbers, or why."""

    law: str
    passed: bool | None
    detail: str


def check(cell: Cell, name: str) -> list[Verdict]:
    """Every law of a cell; a cell that raises in one has broken it."""
    return [verdict(law, cell, name) for law in LAWS]


def verdict(law: Law, cell: Cell, name: str) -> Verdict:
    """One law of a cell."""
    if not law.applies(cell):
        return Verdict(law.name, None, law.unless)
    largest: float | None = None
    backend = "reference" if supports("reference", cell) else "unrolled"
    for case in law.cases(Case(name, own=cell, backend=backend)):
        options = f"{case.backend}, {case.layers} layer{'s' * (case.layers > 1)}"
        try:
            found = law.run(case)
        except LawBroken as broken:
            return Verdict(law.name, False, f"{broken} [{options}]")
        except Exception as error:
            said = (str(error).splitlines() or [""])[0]
            return Verdict(law.name, False, f"{type(error).__name__}: {said} [{options}]")
        largest = max(found or 0.0, largest or 0.0)
    if law.bound:
        return Verdict(
            law.name, True, f"off by {largest or 0.0:.1e} at most, {law.bound:g} allowed"
        )
    return Verdict(law.name, True, "exactly")
