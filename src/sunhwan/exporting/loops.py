"""Loops: a program of one row as statements of C or JavaScript, which differ in a few words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sunhwan.program.equations import runs
from sunhwan.program.operations import ELEMENTWISE, Numbers, Operation, Program

SLICES = 8
"""So many slices are copied one by one; more by a table of places."""


@dataclass(frozen=True)
class Dialect:
    """Syntax in which the two languages differ; functions are templates by kind."""

    number: str
    """Declares a number that does not change."""
    counter: str
    functions: dict[str, str]
    literal: str
    """A number, from `value` as a text."""
    infinity: str


C = Dialect(
    "const float", "int",
    {
        "neg": "-{0}", "abs": "fabsf({0})", "exp": "expf({0})", "expm1": "expm1f({0})",
        "log": "logf({0})", "log1p": "log1pf({0})", "sqrt": "sqrtf({0})", "tanh": "tanhf({0})",
        "sigmoid": "1.0f / (1.0f + expf(-{0}))", "sin": "sinf({0})", "cos": "cosf({0})",
        "floor": "floorf({0})", "erf": "erff({0})", "add": "{0} + {1}", "sub": "{0} - {1}",
        "mul": "{0} * {1}", "div": "{0} / {1}", "pow": "powf({0}, {1})",
        "maximum": "fmaxf({0}, {1})", "minimum": "fminf({0}, {1})",
        "less": "(float)({0} < {1})", "less_equal": "(float)({0} <= {1})",
        "equal": "(float)({0} == {1})", "select": "{0} != 0.0f ? {1} : {2}",
        "max": "fmaxf({0}, {1})", "min": "fminf({0}, {1})", "sum": "{0} + {1}",
    },
    "{value}f", "INFINITY",
)  # fmt: skip


JAVASCRIPT = Dialect(
    "const", "let",
    {
        "neg": "-{0}", "abs": "Math.abs({0})", "exp": "exp({0})", "expm1": "Math.expm1({0})",
        "log": "Math.log({0})", "log1p": "Math.log1p({0})", "sqrt": "Math.sqrt({0})",
        "tanh": "tanh({0})", "sigmoid": "1 / (1 + exp(-{0}))", "sin": "Math.sin({0})",
        "cos": "Math.cos({0})", "floor": "Math.floor({0})", "erf": "erf({0})", "add": "{0} + {1}",
        "sub": "{0} - {1}", "mul": "{0} * {1}", "div": "{0} / {1}", "pow": "{0} ** {1}",
        "maximum": "Math.max({0}, {1})", "minimum": "Math.min({0}, {1})",
        "less": "+({0} < {1})", "less_equal": "+({0} <= {1})", "equal": "+({0} === {1})",
        "select": "{0} !== 0 ? {1} : {2}", "max": "Math.max({0}, {1})",
        "min": "Math.min({0}, {1})", "sum": "{0} + {1}",
    },
    "{value}", "Infinity",
)  # fmt: skip


@dataclass
class Statements:
    """Statements of one step.

    lines: in order; the names of inputs and results are those of the program. arrays: constants by
    name; of those that are matrices the rows, in `matrices`. tables: places by name. scratch: how many
    numbers the values in between need at once. operations: additions and multiplications of products.
    """

    lines: list[str] = field(default_factory=list)
    arrays: dict[str, Numbers] = field(default_factory=dict)
    tables: dict[str, Numbers] = field(default_factory=dict)
    matrices: dict[str, int] = field(default_factory=dict)
    scratch: int = 0
    operations: int = 0


def statements(program: Program, dialect: Dialect) -> Statements:
    """A program without parameters as statements on one row.

    Called in them is `product(out, x, W, rows, columns)`; an array of JavaScript is two arguments, the
    array and its first place.
    """
    return _Writer(program, dialect).write()


class _Writer:
    def __init__(self, program: Program, dialect: Dialect) -> None:
        self.program, self.dialect, self.made = program, dialect, Statements()
        self.operations = program.operations
        self.last_use = self._last_uses()
        self.places: dict[int, tuple[str, int]] = {}
        """Array and first place of each value with several numbers."""
        self.free: list[tuple[int, int]] = []
        self.taken: dict[int, tuple[int, int]] = {}

    def write(self) -> Statements:
        now = 0
        while now < len(self.operations):
            end = self._group_end(now)
            if end > now + 1 or self._is_vector(now):
                self._loop(range(now, end))
            else:
                self._single(now)
            self._release(end)
            now = end
        for place in self.program.results.values():
            self._keep(place)
        for name, place in self.program.results.items():
            self._copy(name, 0, place, range(self.operations[place].size))
        return self.made

    # Which values lie where

    def _last_uses(self) -> dict[int, int]:
        """The last operation that reads each value, or a slice of it; results are read at the end."""
        last = dict.fromkeys(range(len(self.operations)), -1)
        for place in reversed(range(len(self.operations))):
            operation = self.operations[place]
            for operand in operation.operands:
                mine = last[place] if self._is_slice(operation) else place
                last[operand] = max(last[operand], mine, place)
        for place in self.program.results.values():
            waiting = [place]
            while waiting:
                one = waiting.pop()
                last[one] = len(self.operations)
                if self._is_slice(self.operations[one]):
                    waiting += self.operations[one].operands
        return last

    def _is_slice(self, operation: Operation) -> bool:
        return operation.kind == "take" and len(runs(self.program, operation)) == 1

    def _is_vector(self, place: int) -> bool:
        operation = self.operations[place]
        return operation.kind in ELEMENTWISE and operation.size > 1

    def _room(self, place: int) -> tuple[str, int]:
        """Scratch for a value: the first gap that is large enough."""
        size, start = self.operations[place].size, 0
        for begin, end in sorted(self.taken.values()):
            if begin - start >= size:
                break
            start = max(start, end)
        self.taken[place] = start, start + size
        self.made.scratch = max(self.made.scratch, start + size)
        self.places[place] = "scratch", start
        return self.places[place]

    def _release(self, now: int) -> None:
        for place in [p for p in self.taken if self.last_use[p] < now]:
            del self.taken[place]

    def _at(self, place: int, index: str) -> str:
        """A number of a value, as an expression."""
        operation = self.operations[place]
        if operation.kind == "constant" and operation.numbers is not None and operation.size == 1:
            return self._literal(float(operation.numbers[0]))
        if operation.size == 1 and place not in self.places:
            return f"v{place}"
        array, start = self._array(place)
        index = "0" if operation.size == 1 else index
        if not start:
            return f"{array}[{index}]"
        return f"{array}[{start}]" if index == "0" else f"{array}[{start} + {index}]"

    def _array(self, place: int) -> tuple[str, int]:
        """Where a value of several numbers lies."""
        operation = self.operations[place]
        if place not in self.places:
            if operation.kind == "constant" and operation.numbers is not None:
                name = f"c{place}"
                self.made.arrays[name] = operation.numbers
                self.places[place] = name, 0
            else:  # a row's only number
                array, start = self._room(place)
                self.made.lines.append(f"{array}[{start}] = v{place};")
        return self.places[place]

    def _literal(self, value: float) -> str:
        if np.isinf(value):
            return ("-" if value < 0 else "") + self.dialect.infinity
        text = f"{np.float32(value):.9g}"
        text = text if any(c in text for c in ".en") else f"{text}.0"
        text = self.dialect.literal.format(value=text)
        return f"({text})" if value < 0 else text

    def _keep(self, place: int) -> None:
        """Move a result that is part of a field of before, which another result may take the place of."""
        array, start = self.places.get(place, ("", 0))
        if array in self.program.results and self.program.results[array] != place:
            size = self.operations[place].size
            to, at = self._room(place)
            self._copy_array(to, at, array, start, size)

    # Statements

    def _group_end(self, start: int) -> int:
        """Where the elementwise operations of one size end that one loop can make."""
        if not self._is_vector(start):
            return start + 1
        end, size = start, self.operations[start].size
        while end < len(self.operations):
            operation = self.operations[end]
            if operation.kind == "constant":
                end += 1
                continue
            inside = operation.kind in ELEMENTWISE and operation.size == size
            if not inside:
                break
            end += 1
        return end

    def _loop(self, group: range) -> None:
        size = self.operations[group.start].size
        body = []
        for place in group:
            operation = self.operations[place]
            if operation.kind == "constant":
                continue
            operands = [
                f"v{x}"
                if x in group and self.operations[x].kind != "constant"
                else self._at(x, "i")
                for x in operation.operands
            ]
            body.append(f"{self.dialect.number} v{place} = {self._call(operation.kind, operands)};")
            if self.last_use[place] >= group.stop:
                array, start = self._room(place)
                at = f"{array}[{start} + i]" if start else f"{array}[i]"
                body.append(f"{at} = v{place};")
        self.made.lines.append(
            f"for ({self.dialect.counter} i = 0; i < {size}; i++) {{\n    "
            + "\n    ".join(body)
            + "\n}"
        )

    def _call(self, kind: str, operands: Sequence[str]) -> str:
        return self.dialect.functions[kind].format(*operands)

    def _single(self, place: int) -> None:
        operation = self.operations[place]
        kind, operands, lines = operation.kind, operation.operands, self.made.lines
        if kind == "input":
            self.places[place] = operation.name, 0
        elif kind == "constant":
            return
        elif kind == "take":
            self._take(place)
        elif kind == "product":
            x, W = operands
            rows, columns = self.operations[x].size, operation.size
            (a, start), (weights, _) = self._array(x), self._array(W)
            array, at = self._room(place)
            parts = self._part(array, at), self._part(a, start), self._part(weights, 0)
            lines.append(f"product({', '.join(parts)}, {rows}, {columns});")
            self.made.matrices[weights] = rows
            self.made.operations += 2 * rows * columns
        elif kind in ("sum", "max", "min"):
            self._reduce(place)
        else:
            values = [self._at(operand, "0") for operand in operands]
            lines.append(f"{self.dialect.number} v{place} = {self._call(kind, values)};")

    def _part(self, array: str, start: int) -> str:
        """An array from a place on, as an argument."""
        if self.dialect is C:
            return f"{array} + {start}" if start else array
        return f"{array}, {start}"

    def _take(self, place: int) -> None:
        operation = self.operations[place]
        pieces = runs(self.program, operation)
        if len(pieces) == 1:
            source, start, _ = pieces[0]
            if self.operations[source].size > 1 or operation.size > 1:
                array, first = self._array(source)
                self.places[place] = array, first + start
                return
        array, at = self._room(place)
        index = operation.numbers
        assert index is not None
        if len(pieces) <= SLICES or len(operation.operands) > 1:
            for source, start, count in pieces:
                self._copy(array, at, source, range(start, start + count))
                at += count
            return
        name = f"places{place}"
        self.made.tables[name] = index
        origin, first = self._array(operation.operands[0])
        offset = f"{first} + " if first else ""
        to = f"{array}[{at} + i]" if at else f"{array}[i]"
        self.made.lines.append(
            f"for ({self.dialect.counter} i = 0; i < {operation.size}; i++) "
            f"{to} = {origin}[{offset}{name}[i]];"
        )

    def _copy(self, array: str, at: int, source: int, part: range) -> None:
        """Copy a part of a value to an array."""
        if self.operations[source].size == 1 and source not in self.places:
            self.made.lines.append(f"{array}[{at}] = {self._at(source, '0')};")
            return
        origin, first = self._array(source)
        self._copy_array(array, at, origin, first + part.start, len(part))

    def _copy_array(self, array: str, at: int, origin: str, first: int, count: int) -> None:
        if count == 1:
            self.made.lines.append(f"{array}[{at}] = {origin}[{first}];")
            return
        to = f"{array}[{at} + i]" if at else f"{array}[i]"
        of = f"{origin}[{first} + i]" if first else f"{origin}[i]"
        self.made.lines.append(f"for ({self.dialect.counter} i = 0; i < {count}; i++) {to} = {of};")

    def _reduce(self, place: int) -> None:
        operation = self.operations[place]
        (source,) = operation.operands
        n = self.operations[source].size // operation.size
        array, start = self._room(place)
        origin, first = self._array(source)
        c = self.dialect.counter
        item = f"{origin}[{first} + i * {n} + j]" if first else f"{origin}[i * {n} + j]"
        to = f"{array}[{start} + i]" if start else f"{array}[i]"
        step = self._call(operation.kind, [to, item])
        self.made.lines.append(
            f"for ({c} i = 0; i < {operation.size}; i++) {{\n"
            f"    {to} = {item.replace(' + j', '')};\n"
            f"    for ({c} j = 1; j < {n}; j++) {to} = {step};\n}}"
        )
