"""A fault: one node of a function's syntax tree, which must be there exactly once, becomes another.

So a fault that no longer fits its function is noticed instead of passing as caught.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from sunhwan.laws import LAWS
from tests.cases import Case
from tests.laws import test_dropout, test_equations, test_initialisation, test_traces
from tests.laws.planted.mutation import mutated

# The package names its function as the module.
DERIVE = importlib.import_module("sunhwan.cells.derive")
STRUCTURE = importlib.import_module("sunhwan.cells.structure")
PROGRAM = importlib.import_module("sunhwan.program.cell_program")

CHECKS: dict[str, Callable[[Case], Any]] = {law.name: law.run for law in LAWS} | {
    "equation": lambda case: test_equations.equation(case.name),
    "beginning": lambda case: test_initialisation.begins_well(case.name),
    "gates by name": lambda case: test_traces.gates_are_what_their_names_say(case.name),
    "dropout": test_dropout.only_between_layers,
}
"""What notices a fault: the laws by name, and what our own tests know besides."""


@dataclass(frozen=True)
class Fault:
    """In `owner.name`, the node `right` becomes `wrong`; the law, applied to the case, must notice.

    A law is a name in `CHECKS`, or a function without arguments.
    """

    owner: Any
    name: str
    right: str
    wrong: str
    law: str | Callable[[], Any]
    case: Case | None = None

    def __str__(self) -> str:
        where = self.owner.__name__.rsplit(".")[-1]
        law = self.law if isinstance(self.law, str) else getattr(self.law, "__name__", "law")
        about = f"{law}, {self.case}" if self.case else law
        return f"{where}.{self.name}: {self.right} -> {self.wrong} ({about})".replace("\n", " ")

    def check(self) -> None:
        """AssertionError when the fault is there."""
        if isinstance(self.law, str):
            CHECKS[self.law](self.case)
        else:
            self.law()

    def plant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        function = plain(inspect.getattr_static(self.owner, self.name))
        planted = plain(mutated(function, self.right, self.wrong))
        # The code alone, so that whoever holds the function already has the fault as well.
        monkeypatch.setattr(function, "__code__", planted.__code__)


def of(
    owner: Any, name: str, case: Case | str | None, *rows: tuple[str, str, str | Callable[[], Any]]
) -> list[Fault]:
    """Faults of one function: what is right, what is wrong, and the law."""
    case = Case(case) if isinstance(case, str) else case
    return [Fault(owner, name, right, wrong, law, case) for right, wrong, law in rows]


def plain(function: Any) -> Any:
    """The function itself, out of staticmethod, classmethod, property and decorators."""
    function = getattr(function, "fget", function)
    return inspect.unwrap(getattr(function, "__func__", function))


def forget_what_was_derived() -> None:
    """Backward steps are derived once; with a fault, or without it again, they are others."""
    derived = (DERIVE.derive, DERIVE.derive_at, STRUCTURE.is_unitwise, STRUCTURE._trace)
    for cached in (*derived, PROGRAM._traced):
        cached.cache_clear()
    DERIVE._TRACES.clear()
