"""A layer's step as the compiled engine reads it: `StepProgram` of native/generation.hpp.

The operations stand in stages: first the products that wait for none of the operations of the stage,
which threads share out by columns, then the operations on the values of a row.
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sunhwan.ops.program_record import KINDS, LINE, write_take
from sunhwan.program.operations import REDUCTIONS, Builder, Numbers, Operation, Program
from sunhwan.program.takes import runs_of

X = "x"
"""The name of a step's input."""
OUTPUT = "output"
"""The name of what a layer gives; the other results have the names of the state before."""

HEADER = 10
"""Words of a `StepProgram`."""
MOST_HALF = 65504.0
"""The largest number of float16."""


class StepRecord(NamedTuple):
    """words: the record. kept: the numbers that it points to."""

    words: "array[int]"
    kept: list[Numbers]

    @property
    def address(self) -> int:
        """Where the record is."""
        return self.words.buffer_info()[0]


def step_record(program: Program, table: Mapping[str, int], table_size: int) -> StepRecord:
    """Write a step down, float32.

    program: x or columns of a table, and the state → the state and "output", in constants and
    operations on rows alone. table: where in a row of the table each of its inputs begins.
    """
    return _Writer(_apart(program), table, table_size).record()


def _apart(program: Program) -> Program:
    """The same program, whose results are values of their own, not those that it is given."""
    builder = Builder(list(program.operations))
    results = {}
    for name, place in program.results.items():
        operation = builder.operations[place]
        if operation.kind in ("input", "constant", "take"):
            index = np.arange(operation.size)
            copied = Operation("take", (place,), operation.size, True, index, f"copy {name}")
            place = builder.add(copied)
        results[name] = place
    return Program(tuple(builder.operations), results)


class _Writer:
    """stage: of a value, that in which it is made; begins: its place among the numbers of a row."""

    def __init__(self, program: Program, table: Mapping[str, int], table_size: int) -> None:
        self.program, self.table, self.table_size = program, table, table_size
        self.operations = program.operations
        self.words = array("q", [0] * HEADER)
        self.kept: list[Numbers] = []
        self.source: list[tuple[int, int]] = []
        for place in range(len(self.operations)):
            self.source.append(self._source(place))
        self.stage = self._stages()
        self.copied = self._copied()
        self.begins: dict[int, int] = {}
        self.image: Numbers = np.zeros(0, np.float32)
        self._lay_out()

    def record(self) -> StepRecord:
        stages = [self._stage(stage) for stage in range(max(self.stage) + 1)]
        if not any(stages[0][i] for i in (1, 3, 5, 7)):
            del stages[0]
        stages_at = len(self.words)
        for words in stages:
            self.words.extend(words)
        fields_at = len(self.words)
        fields = [name for name in self.program.results if name != OUTPUT]
        for name in fields:
            place = self.program.inputs[name]
            self.words.extend((self.begins[place], self.operations[place].size))
        self.kept.append(self.image)
        output = self.program.results[OUTPUT]
        self.words[:HEADER] = array(
            "q",
            [len(self.words), len(self.image), self.table_size, self.image.ctypes.data, stages_at,
             len(stages), fields_at, len(fields), self._at(output), self.operations[output].size],
        )  # fmt: skip
        return StepRecord(self.words, self.kept)

    def _source(self, place: int) -> tuple[int, int]:
        """The value that a value is part of as it lies, and where in it: a slice is no operation."""
        op = self.operations[place]
        if op.kind != "take" or op.name or len(op.operands) > 1:
            return place, 0
        runs = runs_of([self.operations[op.operands[0]].size], np.asarray(op.numbers))
        if len(runs) != 1:
            return place, 0
        of, first = self.source[op.operands[0]]
        return of, first + runs[0][1]

    def _stages(self) -> list[int]:
        found: list[int] = []
        for op in self.operations:
            latest = max((found[operand] for operand in op.operands), default=0)
            found.append(latest + (op.kind == "product"))
        return found

    def _reads(self, place: int) -> Sequence[int]:
        """The operands that must be among the numbers of a row."""
        op = self.operations[place]
        if op.kind != "product":
            return op.operands
        first = self.operations[op.operands[0]]
        return () if first.kind == "input" and first.name == X else op.operands[:1]

    def _copied(self) -> dict[int, int]:
        """The inputs that are copied to the numbers of a row, and in which stage."""
        found: dict[int, int] = {}
        for place, op in enumerate(self.operations):
            if self.source[place][0] != place:
                continue
            stage = self.stage[place] - (op.kind == "product")
            for operand in self._reads(place):
                of = self.source[operand][0]
                given = self.operations[of]
                if given.kind == "input" and (given.name == X or given.name in self.table):
                    found[of] = min(found.get(of, stage), stage)
        return found

    def _lay_out(self) -> None:
        """Give each value its place: constants and the state for good, others until they are read."""
        read = {of for place in range(len(self.operations)) for of in self._read_by(place)}
        single: list[int] = []
        longer: list[int] = []
        born: list[tuple[tuple[int, int, int], int]] = []
        last = {self.source[place][0]: (len(self.operations), 0, 0)
                for place in self.program.results.values()}  # fmt: skip
        for place, op in enumerate(self.operations):
            for of in self._read_by(place):
                last[of] = max(last.get(of, (0, 0, 0)), self._time(place))
            if self.source[place][0] != place or (op.kind == "constant" and place not in read):
                continue
            if op.kind == "constant":
                (single if op.size == 1 else longer).append(place)
            elif op.kind == "input":
                if place in self.copied:
                    born.append(((self.copied[place], 1, -1), place))
                elif op.name in self.program.results:
                    longer.append(place)
            else:
                born.append((self._time(place), place))
        self.constant = {place: i for i, place in enumerate(single)}
        self.begins.update(self.constant)
        end = -(-len(single) // LINE) * LINE
        for place in longer:
            self.begins[place], end = end, end + self._room(place)
        end = self._lay_out_made(sorted(born), last, end)
        self.image = np.zeros(end + LINE, np.float32)
        for place in (*single, *longer):
            numbers = self.operations[place].numbers
            if self.operations[place].kind == "constant" and numbers is not None:
                begin = self.begins[place]
                self.image[begin : begin + len(numbers)] = numbers

    def _lay_out_made(
        self,
        born: Sequence[tuple[tuple[int, int, int], int]],
        last: Mapping[int, tuple[int, int, int]],
        end: int,
    ) -> int:
        free: dict[int, list[int]] = {}
        living: list[int] = []
        for time, place in born:
            for other in [p for p in living if last.get(p, (0, 0, 0)) < time]:
                living.remove(other)
                free.setdefault(self._room(other), []).append(self.begins[other])
            room = self._room(place)
            if free.get(room):
                self.begins[place] = free[room].pop()
            else:
                self.begins[place], end = end, end + room
            living.append(place)
        return end

    def _read_by(self, place: int) -> list[int]:
        return [self.source[operand][0] for operand in self._reads(place)]

    def _time(self, place: int) -> tuple[int, int, int]:
        """When a value is made; all products of a stage at once, and before its operations."""
        product = self.operations[place].kind == "product"
        return (self.stage[place], 0, 0) if product else (self.stage[place], 1, place)

    def _room(self, place: int) -> int:
        return -(-self.operations[place].size // LINE) * LINE

    def _at(self, place: int) -> int:
        of, first = self.source[place]
        return self.begins[of] + first

    def _stage(self, stage: int) -> list[int]:
        """Write the lists of a stage; where they are and how long."""
        mine = [
            place
            for place, op in enumerate(self.operations)
            if self.stage[place] == stage and op.operands and self.source[place][0] == place
        ]
        products = [p for p in mine if self.operations[p].kind == "product"]
        computed = [p for p in mine if self.operations[p].kind != "product"]
        inputs = [self._copy_of(p) for p, first in self.copied.items() if first == stage]
        outputs = []
        if stage == max(self.stage):
            for name, place in self.program.results.items():
                if name != OUTPUT:
                    to = self.begins[self.program.inputs[name]]
                    outputs.append((self._at(place), to, self.operations[place].size))
        lists = (
            [self._product(place) for place in products],
            inputs,
            [self._operation(place) for place in computed],
            outputs,
        )
        found = []
        for rows in lists:
            found += [len(self.words), len(rows)]
            for row in rows:
                self.words.extend(row)
        return found

    def _copy_of(self, place: int) -> tuple[int, int, int]:
        op = self.operations[place]
        return self.table.get(op.name, 0), self.begins[place], op.size

    def _product(self, place: int) -> list[int]:
        x, weights = self.operations[place].operands
        K, J = self.operations[x].size, self.operations[place].size
        numbers = np.asarray(self.operations[weights].numbers)
        # A matrix of the equation itself, such as the triangle of a cumulative sum, is no weight to round.
        whole = bool(np.isin(numbers, (-1.0, 0.0, 1.0)).all())
        exact = whole or float(np.abs(numbers).max(initial=0)) > MOST_HALF
        kept = np.ascontiguousarray(numbers, np.float32)
        self.kept.append(kept)
        given = self.operations[x]
        outside = given.kind == "input" and given.name == X
        return [-1 if outside else self._at(x), K, self.begins[place], J, int(exact),
                kept.ctypes.data, J, 1]  # fmt: skip

    def _operation(self, place: int) -> list[int]:
        op = self.operations[place]
        where, step = [0, 0, 0], [0, 0, 0]
        inner = list_at = 0
        if op.kind == "take":
            sizes = [self.operations[operand].size for operand in op.operands]
            starts = [self._at(operand) for operand in op.operands]
            inner, list_at = write_take(self.words, sizes, starts, np.asarray(op.numbers))
        else:
            for i, operand in enumerate(op.operands):
                where[i] = self._at(operand)
                same = self.operations[operand].size == op.size
                step[i] = int(same and self.source[operand][0] not in self.constant)
            if op.kind in REDUCTIONS:
                inner = self.operations[op.operands[0]].size // op.size
        kind = KINDS.index(op.kind)
        return [kind, self.begins[place], op.size, *where, *step, inner, list_at]
