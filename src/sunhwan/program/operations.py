"""Operations of a program, and its builder, which shares common subexpressions.

A value is a row of numbers: one row for each row of the batch, or one for all of them (a parameter, a
constant). There are no other shapes: what a tensor's axes say, such as heads, pairs of units or blocks
of gates, is in the indices of `take`, and in how many groups a reduction makes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]

UNARY = (
    "neg", "abs", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "sin", "cos", "floor",
    "erf",
)  # fmt: skip
BINARY = ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "less", "less_equal", "equal")
ELEMENTWISE = (*UNARY, *BINARY, "select")
"""Number by number. Comparisons give 1 and 0; select (condition, a, b) gives a where it is not 0."""
REDUCTIONS = ("sum", "max", "min")
"""Of neighbouring numbers: a row of G · n becomes one of G."""


COMPARED = 1 << 14
"""Numbers up to which two constants are one by their values; above, if they are one in memory."""


class Operation(NamedTuple):
    """One value of a program and how it is made.

    kind: one of the above; "input", called `name`; "constant", of `numbers`; "take": the numbers at the
        places `numbers` of the operands side by side; "product": x W, W (K, size) row by row.
    operands: places of values before it in the program. In an elementwise operation each has `size`
        numbers, or one that meets them all.
    size: how many numbers. of_rows: whether each row of the batch has its own.
    """

    kind: str
    operands: tuple[int, ...]
    size: int
    of_rows: bool
    numbers: Numbers | None = None
    name: str = ""


class Program(NamedTuple):
    """A function of rows: its operations in order, and which of them are its results, by name."""

    operations: tuple[Operation, ...]
    results: dict[str, int]

    @property
    def inputs(self) -> dict[str, int]:
        """The places of what it is given, by name."""
        found = enumerate(self.operations)
        return {op.name: place for place, op in found if op.kind == "input"}


@dataclass
class Builder:
    """A program in the making; the same operation on the same operands is one value."""

    operations: list[Operation] = field(default_factory=list)
    _known: dict[Any, int] = field(default_factory=dict)

    def input(self, name: str, size: int, of_rows: bool) -> int:
        """A value that is given."""
        return self.add(Operation("input", (), size, of_rows, None, name))

    def constant(self, numbers: Any) -> int:
        """Numbers that are known."""
        values = np.asarray(numbers, np.float64).reshape(-1)
        return self.add(Operation("constant", (), len(values), False, values))

    def take(self, sources: Sequence[int], index: npt.NDArray[np.int64]) -> int:
        """The numbers at these places of the sources side by side."""
        if len(sources) == 1 and np.array_equal(index, np.arange(self.operations[sources[0]].size)):
            return sources[0]
        of_rows = any(self.operations[source].of_rows for source in sources)
        return self.add(Operation("take", tuple(sources), len(index), of_rows, index))

    def elementwise(self, kind: str, *operands: int) -> int:
        """An operation number by number; nothing is added 0 to or multiplied with 1."""
        neutral = {"add": 0.0, "mul": 1.0}.get(kind)
        for place, other in (operands, operands[::-1]) if neutral is not None else ():
            numbers = self.operations[other].numbers
            constant = self.operations[other].kind == "constant" and numbers is not None
            if constant and len(numbers) == 1 and numbers[0] == neutral:  # type: ignore[arg-type,index]
                return place
        size = max(self.operations[place].size for place in operands)
        return self.add(Operation(kind, operands, size, self._of_rows(operands)))

    def reduce(self, kind: str, value: int, groups: int) -> int:
        """The sum, the largest or the smallest of each group of neighbours."""
        if self.operations[value].size == groups:
            return value
        return self.add(Operation(kind, (value,), groups, self._of_rows((value,))))

    def product(self, x: int, W: int) -> int:
        """x W."""
        size = self.operations[W].size // self.operations[x].size
        return self.add(Operation("product", (x, W), size, self._of_rows((x, W))))

    def _of_rows(self, operands: Sequence[int]) -> bool:
        return any(self.operations[place].of_rows for place in operands)

    def add(self, operation: Operation) -> int:
        """An operation as it is; its place."""
        numbers = operation.numbers
        given: Any = numbers
        if numbers is not None:  # to compare whole matrices would take longer than all the rest
            given = numbers.tobytes() if len(numbers) <= COMPARED else id(numbers)
        key = (*operation[:4], given, operation.name)
        if key not in self._known:
            self._known[key] = len(self.operations)
            self.operations.append(operation)
        return self._known[key]
