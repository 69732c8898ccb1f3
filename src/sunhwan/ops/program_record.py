"""The two passes of a step as the compiled library reads them: `ProgramHeader` of native/problem.hpp."""

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from sunhwan.program.operations import BINARY, REDUCTIONS, UNARY, Numbers, Operation
from sunhwan.program.passes import Pass, StepPasses
from sunhwan.program.takes import runs_of
from sunhwan.program.units import block_name

KINDS = (*UNARY, *BINARY, "select", *REDUCTIONS, "take", "product")
"""In the order of `ProgramKind` of native/programmed.hpp."""

INPUTS = ("a", "u", "before", "extra", "gradient", "saved", "made", "numbers")
OUTPUTS = ("field", "saved", "gradient of a", "gradient of u", "carry", "gradient of extra")

TILE = 1024
"""Bytes of a value's part in a tile of units: some thirty values lie in the nearest cache."""

LINE = 16
"""Numbers to whose multiples the places of values are rounded up."""

HEADER = 7 + 2 * 6
"""Words of a `ProgramHeader`."""


class Names(NamedTuple):
    """What the values of a program are called outside: the fields of the state, the extra parameters."""

    fields: tuple[str, ...]
    extra: tuple[str, ...]


class ProgramRecord(NamedTuple):
    """words: the record; constants: the numbers that it points to."""

    words: "array[int]"
    constants: torch.Tensor

    @property
    def address(self) -> int:
        """Where the record is."""
        return self.words.buffer_info()[0]


def record_of(
    passes: StepPasses, names: Names, hidden_size: int, gates_of_u: int, dtype: torch.dtype
) -> ProgramRecord:
    """Write both passes down for one type of numbers."""
    return _Writer(passes, names, hidden_size, dtype).record(gates_of_u)


class _Writer:
    def __init__(
        self, passes: StepPasses, names: Names, hidden_size: int, dtype: torch.dtype
    ) -> None:
        self.passes, self.names, self.H = passes, names, hidden_size
        operations = passes.operations
        places = sorted({*passes.forward.places, *passes.backward.places})
        single = [p for p in places if operations[p].kind == "constant" and operations[p].size == 1]
        longer = [p for p in places if operations[p].kind == "constant" and operations[p].size > 1]
        self.constant = {place: i for i, place in enumerate(single)}
        self.count = len(single)
        self.offset: dict[int, int] = {}
        numbers = [np.asarray(operations[p].numbers) for p in single]
        begin = self.count
        for place in longer:
            self.offset[place] = begin
            numbers.append(np.asarray(operations[place].numbers))
            begin += operations[place].size
        values = np.concatenate(numbers) if numbers else np.zeros(0)
        self.constants = torch.from_numpy(values.astype(np.float64)).to(dtype)
        self.tile = TILE // dtype.itemsize
        computed = [
            operations[p]
            for one in (passes.forward, passes.backward)
            for p in one.places
            if p not in one.read and operations[p].kind not in ("input", "constant")
        ]
        self.unitwise = all(
            op.size == hidden_size and op.kind not in (*REDUCTIONS, "take", "product")
            for op in computed
        ) and all(operations[place].size == hidden_size for place in passes.saved)
        self.most = self.count
        self.words = array("q", [0] * HEADER)

    def record(self, gates_of_u: int) -> ProgramRecord:
        forward = self._pass(self.passes.forward, self._saved_as_outputs())
        backward = self._pass(self.passes.backward, [])
        pointer = self.constants.data_ptr() if len(self.constants) else 0
        self.words[:HEADER] = array(
            "q",
            [int(self.unitwise), self.tile, self.most, self.count, gates_of_u, self.passes.distinct,
             pointer, *forward, *backward],
        )  # fmt: skip
        return ProgramRecord(self.words, self.constants)

    def _saved_as_outputs(self) -> list[tuple[int, int, int]]:
        return [(OUTPUTS.index("saved"), i, place) for i, place in enumerate(self.passes.saved)]

    def _pass(self, one: Pass, also: Iterable[tuple[int, int, int]]) -> list[int]:
        """Write a pass; where its lists are and how long."""
        operations = self.passes.operations
        results = [
            (*self._output(name), place) for name, place in one.results.items()
        ]  # kind, index, offset, place
        results += [(kind, i, 0, place) for kind, i, place in also]
        places = sorted({*one.places, *(place for *_, place in results)})
        at = self._laid_out(one, places, {place for *_, place in results})
        inputs: list[int] = []
        steps: list[int] = []
        counts = [0, 0]
        for place in places:
            op = operations[place]
            if place in one.read or op.kind == "input" or place in self.offset:
                kind, index, offset = self._input(one, place, op)
                inputs += [kind, index, at[place], 1, op.size, offset]
                counts[0] += 1
            elif op.kind != "constant":
                steps += self._operation(op, at[place], at)
                counts[1] += 1
        outputs: list[int] = []
        for kind, index, offset, place in results:
            op = operations[place]
            size = self._size_of(kind, index, offset, op)
            outputs += [kind, index, at[place], int(op.size == size), size, offset]
        found = []
        for entries, count in ((inputs, counts[0]), (steps, counts[1]), (outputs, len(results))):
            found += [len(self.words), count]
            self.words.extend(entries)
        return found

    def _size_of(self, kind: int, index: int, offset: int, op: Operation) -> int:
        """Of a result: one number may stand for a whole block, of what is saved it stands for itself."""
        if OUTPUTS[kind] == "saved" or op.size > 1:
            return op.size
        if OUTPUTS[kind] == "gradient of extra":
            name = block_name(self.names.extra[index], offset // self.H)
            return next(op.size for op in self.passes.operations if op.name == name)
        return self.H

    def _laid_out(self, one: Pass, places: list[int], kept: set[int]) -> dict[int, int]:
        """Where each value has its numbers: as soon as one is not read again another may have its place."""
        operations = self.passes.operations
        last = dict.fromkeys(kept, len(operations))
        for place in places:
            if place not in one.read:
                for operand in operations[place].operands:
                    last[operand] = max(last.get(operand, 0), place)
        at = dict(self.constant)
        free: dict[int, list[int]] = {}
        end = -(-self.count // LINE) * LINE
        given = [
            p for p in places if p in one.read or operations[p].kind == "input" or p in self.offset
        ]
        computed = [p for p in places if p not in given and p not in self.constant]
        for place in [*given, *computed]:
            op = operations[place]
            over = [
                operand
                for operand in dict.fromkeys(op.operands)
                if place in computed
                and last.get(operand, 0) == place
                and operand not in self.constant
            ]
            # Number by number an operation may write where it reads.
            room = self._room(op)
            freed = [(self._room(operations[o]), at[o]) for o in over]
            if op.kind not in ("take", "product", *REDUCTIONS) and self._plain(op):
                for width, where in freed:
                    free.setdefault(width, []).append(where)
                freed = []
            if free.get(room):
                at[place] = free[room].pop()
            else:
                at[place], end = end, end + room
            for width, where in freed:
                free.setdefault(width, []).append(where)
        self.most = max(self.most, end)
        return at

    def _plain(self, op: Operation) -> bool:
        """Whether no operand is one number that meets many: it would be written over as it is read."""
        return all(self.passes.operations[o].size == op.size for o in op.operands)

    def _room(self, op: Operation) -> int:
        return self.tile if self.unitwise else -(-op.size // LINE) * LINE

    def _input(self, one: Pass, place: int, op: Operation) -> tuple[int, int, int]:
        if place in one.read:
            kind, name = one.read[place].split(" ", 1)
            if kind == "saved":
                return INPUTS.index("saved"), int(name), 0
            return INPUTS.index("made"), self.names.fields.index(name.rsplit(" ", 1)[0]), 0
        if place in self.offset:
            return INPUTS.index("numbers"), 0, self.offset[place]
        name, block = op.name.rsplit(" ", 1)
        if name in ("a", "u"):
            return INPUTS.index(name), int(block), 0
        if name in self.names.fields:
            return INPUTS.index("before"), self.names.fields.index(name), 0
        if name in self.names.extra:
            return INPUTS.index("extra"), self.names.extra.index(name), int(block) * op.size
        return INPUTS.index("gradient"), self.names.fields.index(name.removeprefix("d ")), 0

    def _output(self, name: str) -> tuple[int, int, int]:
        """kind, index and offset of a result by its name."""
        value, block = name.rsplit(" ", 1)
        if value in self.names.fields:
            return OUTPUTS.index("field"), self.names.fields.index(value), 0
        of = value.removeprefix("d ")
        if of == "a":
            return OUTPUTS.index("gradient of a"), int(block), 0
        if of == "u":
            return OUTPUTS.index("gradient of u"), int(block) - self.passes.distinct, 0
        if of.endswith(" before"):
            return OUTPUTS.index("carry"), self.names.fields.index(of.removesuffix(" before")), 0
        return OUTPUTS.index("gradient of extra"), self.names.extra.index(of), int(block) * self.H

    def _operation(self, op: Operation, out: int, at: dict[int, int]) -> list[int]:
        operations = self.passes.operations
        where, step = [0, 0, 0], [0, 0, 0]
        inner = list_at = 0
        if op.kind == "take":
            sizes = [operations[operand].size for operand in op.operands]
            starts = [at[operand] for operand in op.operands]
            inner, list_at = write_take(self.words, sizes, starts, np.asarray(op.numbers))
        else:
            for i, operand in enumerate(op.operands):
                where[i] = at[operand]
                step[i] = int(operations[operand].size == op.size and operand not in self.constant)
            if op.kind in REDUCTIONS:
                inner = operations[op.operands[0]].size // op.size
            elif op.kind == "product":
                inner = operations[op.operands[0]].size
        return [KINDS.index(op.kind), out, op.size, *where, *step, inner, list_at]


def write_take(
    words: "array[int]", sizes: Sequence[int], starts: Sequence[int], index: Numbers
) -> tuple[int, int]:
    """Write what a `take` takes of sources that begin in these places.

    Returns how many runs there are, and where the list is.
    """
    found = runs_of(sizes, index)
    begin = len(words)
    if len(found) * 4 <= len(index):
        done = 0
        for which, first, count in found:
            words.extend((done, starts[which] + first, count))
            done += count
        return len(found), begin
    for which, first, count in found:
        start = starts[which] + first
        words.extend(range(start, start + count))
    return 0, begin
