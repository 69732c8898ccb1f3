"""Equations: a program as a reader would write it, for the hidden size at which it was traced."""

from collections import Counter
from collections.abc import Sequence

from sunhwan.cells import Cell
from sunhwan.errors import SunhwanError
from sunhwan.program.cell_program import program_of
from sunhwan.program.operations import Operation, Program
from sunhwan.program.takes import runs_of

INFIX = {"add": " + ", "sub": " − ", "mul": " ⊙ ", "div": " / "}
COMPARED = {"less": " < ", "less_equal": " ≤ ", "equal": " = "}
NAMES = {
    "sigmoid": "σ",
    "sqrt": "√",
    "maximum": "max",
    "minimum": "min",
    "max": "max",
    "min": "min",
}
ALONE = 24
"""Characters up to which a value that is used once stands in the place of its name."""


def equations(
    program: Program, hidden_size: int, gates: Sequence[str] = (), u_gates: Sequence[str] = ()
) -> list[str]:
    """One line a value that has a name; results have the name of their field and a prime.

    gates, u_gates: names of the blocks of a value that has as many times the hidden size.
    """
    return _Writer(program, hidden_size, gates, u_gates).lines()


def step_equations(cell: Cell, sizes: Sequence[int] = (24, 31)) -> list[str]:
    """A step of a cell, from its input to its state: as traced at the first size that it can have."""
    for attempt, H in enumerate(sizes):
        try:
            found = program_of(cell, 3, H)
        except SunhwanError:
            if attempt == len(sizes) - 1:
                raise
            continue
        break
    gates, u_gates = cell.gates, cell.gates_of_W_h
    return [
        line for part in (found.inputs, found.step) for line in equations(part, H, gates, u_gates)
    ]


class _Writer:
    def __init__(
        self, program: Program, hidden_size: int, gates: Sequence[str], u_gates: Sequence[str]
    ) -> None:
        self.program, self.H = program, hidden_size
        self.blocks = {len(names) * hidden_size: names for names in (u_gates, gates)}
        self.used = Counter(p for op in program.operations for p in op.operands)
        self.ends: dict[int, list[str]] = {}
        for name, place in program.results.items():
            self.ends.setdefault(place, []).append(name if name == "a" else f"{name}′")
        self.texts: dict[int, tuple[str, bool]] = {}
        """The text of each value, and whether it holds together without brackets."""

    def lines(self) -> list[str]:
        found: list[str] = []
        for place, operation in enumerate(self.program.operations):
            text, whole = self._text(operation)
            names = self.ends.get(place, [])
            given = operation.kind in ("input", "constant")
            short = len(text) <= ALONE and self.used[place] == 1
            slim = operation.kind == "take" and self._is_block(operation)
            if not names and (given or short or slim):
                self.texts[place] = text, whole
                continue
            if not names:
                names = [f"t{len(found) + 1}"]
            self.texts[place] = names[0], True
            found.append(f"{' = '.join(names)} = {text}")
        return found

    def _text(self, operation: Operation) -> tuple[str, bool]:
        kind = operation.kind
        if kind == "input":
            return operation.name, True
        if kind == "constant" and operation.numbers is not None:
            numbers = operation.numbers
            return (f"{numbers[0]:.6g}" if len(numbers) == 1 else f"({len(numbers)} numbers)"), True
        if kind == "take":
            return self._taken(operation), True
        operands = [self._operand(place, kind) for place in operation.operands]
        if kind == "product":
            return " ".join(operands), False
        if kind == "neg":
            return f"−{operands[0]}", False
        if kind in INFIX or kind in COMPARED:
            return (INFIX | COMPARED)[kind].join(operands), False
        if kind == "select":
            return f"{operands[1]} if {operands[0]} else {operands[2]}", False
        if kind == "sum" or (kind in ("max", "min") and operation.size > 1):
            of = "" if operation.size == 1 else f" of {operation.size}"
            return f"{NAMES.get(kind, kind)}{of}({operands[0]})", True
        return f"{NAMES.get(kind, kind)}({', '.join(operands)})", True

    def _operand(self, place: int, kind: str) -> str:
        text, whole = self.texts[place]
        brackets = not whole and (kind in INFIX or kind in ("product", "neg", *COMPARED, "select"))
        return f"({text})" if brackets else text

    def _taken(self, operation: Operation) -> str:
        """Slices by the names of gates or by bounds; other orders as such."""
        parts = []
        for source, start, count in runs(self.program, operation):
            name, whole = self.texts[source]
            name = name if whole else f"({name})"
            size = self.program.operations[source].size
            if count == size:
                parts.append(name)
            elif size in self.blocks and not (start % self.H or count % self.H):
                blocks = self.blocks[size][start // self.H : (start + count) // self.H]
                parts.append(f"{name}[{', '.join(blocks)}]")
            else:
                parts.append(f"{name}[{self._size(start)}:{self._size(start + count)}]")
        if len(parts) > 8:
            names = list(dict.fromkeys(self.texts[source][0] for source in operation.operands))
            return f"rearranged({', '.join(names)})"
        return parts[0] if len(parts) == 1 else f"[{'; '.join(parts)}]"

    def _is_block(self, operation: Operation) -> bool:
        return len(runs(self.program, operation)) == 1

    def _size(self, number: int) -> str:
        if number % self.H or not number:
            return str(number)
        return "H" if number == self.H else f"{number // self.H}H"


def runs(program: Program, operation: Operation) -> list[tuple[int, int, int]]:
    """What a `take` takes as slices: source, first place in it, count."""
    if operation.numbers is None:
        return []
    sizes = [program.operations[source].size for source in operation.operands]
    found = runs_of(sizes, operation.numbers)
    return [(operation.operands[which], first, count) for which, first, count in found]
