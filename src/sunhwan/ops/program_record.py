"""The two passes of a step as the compiled library reads them: `ProgramHeader` of native/problem.hpp."""

import itertools
from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from sunhwan.program.derivative import operand_name, product_name
from sunhwan.program.operations import BINARY, REDUCTIONS, UNARY, Numbers, Operation
from sunhwan.program.passes import Pass
from sunhwan.program.stages import Stage, StagedStep
from sunhwan.program.takes import runs_of
from sunhwan.program.units import block_name

KINDS = (*UNARY, *BINARY, "select", *REDUCTIONS, "take", "product")
"""In the order of `ProgramKind` of native/program_tile.hpp."""

INPUTS = ("a", "between", "before", "extra", "gradient", "saved", "made", "numbers")
OUTPUTS = (
    "field", "saved", "gradient of a", "gradient of u", "carry", "gradient of extra", "kept",
    "gradient of product",
)  # fmt: skip

TILE = 1024
"""Bytes of a value's part in a tile of units: some thirty values lie in the nearest cache."""

LINE = 16
"""Numbers to whose multiples the places of values are rounded up."""

HEADER = 6 + 2 * 3
"""Words of a `ProgramHeader`."""


class Names(NamedTuple):
    """External names of a program's values: the fields of the state, of these sizes, and the
    extra parameters."""

    fields: tuple[str, ...]
    sizes: tuple[int, ...]
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
    step: StagedStep, names: Names, hidden_size: int, gates_of_u: int, dtype: torch.dtype
) -> ProgramRecord:
    """Write both passes down for one type of numbers."""
    return _Writer(step, names, hidden_size, dtype).record(gates_of_u)


class _Writer:
    def __init__(
        self, step: StagedStep, names: Names, hidden_size: int, dtype: torch.dtype
    ) -> None:
        self.step, self.names, self.H = step, names, hidden_size
        operations = step.operations
        works = [stage.work for stage in (*step.forward, *step.backward)]
        places = sorted({place for work in works for place in work.places})
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
        self.most = self.count
        self.of_w = list(itertools.accumulate((one.J for one in step.products), initial=0))
        self.words = array("q", [0] * HEADER)

    def record(self, gates_of_u: int) -> ProgramRecord:
        forward = self._stages(self.step.forward, gates_of_u * self.H, back=False)
        backward = self._stages(self.step.backward, 0, back=True)
        pointer = self.constants.data_ptr() if len(self.constants) else 0
        self.words[:HEADER] = array(
            "q",
            [self.tile, self.most, self.count, gates_of_u, self.step.shared_gates, pointer, *forward,
             *backward],
        )  # fmt: skip
        return ProgramRecord(self.words, self.constants)

    def _stages(self, stages: Sequence[Stage], begin: int, *, back: bool) -> list[int]:
        """Write the stages of a pass; where they are, how many, and how wide what they hand on is."""
        self.column: dict[str, int] = {"u": 0}
        end = -(-begin // LINE) * LINE
        sizes: dict[str, int] = {}
        for k, one in enumerate(self.step.products):
            sizes |= (
                {f"d {operand_name(k)}": one.K}
                if back
                else {product_name(k): one.J, operand_name(k): one.K}
            )
        for stage in stages:
            for name, place in stage.kept.items():
                sizes[name] = self.step.operations[place].size
        for name, size in sizes.items():
            self.column[name], end = end, end + -(-size // LINE) * LINE
        found: list[int] = []
        for stage in stages:
            products = [self._product(k, back=back) for k in stage.products]
            products_at = len(self.words)
            for words in products:
                self.words.extend(words)
            found += [products_at, len(products), *self._pass(stage.work)]
        stages_at = len(self.words)
        self.words.extend(found)
        return [stages_at, len(stages), end]

    def _product(self, k: int, *, back: bool) -> list[int]:
        """An inner product forward, or backward: d m = d w Wᵀ."""
        name, transposed, K, J = self.step.products[k]
        which = 1 + self.names.extra.index(name) if name in self.names.extra else 0  # W_m
        if back:
            to = self.column[f"d {operand_name(k)}"]
            return [which, int(not transposed), J, K, self.of_w[k], to]
        columns = self.column[operand_name(k)], self.column[product_name(k)]
        return [which, int(transposed), K, J, *columns]

    def _units(self, one: Pass) -> int:
        """How many numbers every value of a stage has, each a unit's; 0 where they differ or meet."""
        operations = self.step.operations
        sizes = set()
        for place in one.places:
            op = operations[place]
            if op.kind == "constant" and place not in one.results.values():
                if op.size > 1:
                    sizes.add(op.size)
            elif op.kind == "input" and not op.of_rows and op.size == 1:
                continue
            elif place not in one.read and op.kind in (*REDUCTIONS, "take", "product"):
                return 0
            elif op.kind != "constant":
                sizes.add(op.size)
        for name, place in one.results.items():
            sizes.add(self._output(name, place)[3])
        return sizes.pop() if len(sizes) == 1 else 0

    def _pass(self, one: Pass) -> list[int]:
        """Write the operations of a stage: its units, where its lists are and how long."""
        operations = self.step.operations
        self.unitwise = bool(units := self._units(one))
        results = [(*self._output(name, place), place) for name, place in one.results.items()]
        places = list(one.places)
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
        for kind, index, offset, size, place in results:
            outputs += [kind, index, at[place], int(operations[place].size == size), size, offset]
        found = [units]
        for entries, count in ((inputs, counts[0]), (steps, counts[1]), (outputs, len(results))):
            found += [len(self.words), count]
            self.words.extend(entries)
        return found

    def _laid_out(self, one: Pass, places: list[int], kept: set[int]) -> dict[int, int]:
        """Where each value has its numbers: as soon as one is not read again another may have its place."""
        operations = self.step.operations
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
        return all(self.step.operations[o].size == op.size for o in op.operands)

    def _room(self, op: Operation) -> int:
        return self.tile if self.unitwise else -(-op.size // LINE) * LINE

    def _input(self, one: Pass, place: int, op: Operation) -> tuple[int, int, int]:
        if place in one.read:
            kind, name = one.read[place].split(" ", 1)
            if kind == "saved":
                return INPUTS.index("saved"), int(name), 0
            if kind == "kept":
                return INPUTS.index("between"), 0, self.column[one.read[place]]
            return INPUTS.index("made"), self.names.fields.index(name.rsplit(" ", 1)[0]), 0
        if place in self.offset:
            return INPUTS.index("numbers"), 0, self.offset[place]
        name, block = op.name.rsplit(" ", 1)
        if name == "a":
            return INPUTS.index("a"), int(block), 0
        if name in self.column:
            return INPUTS.index("between"), 0, self.column[name] + int(block) * op.size
        if name in self.names.fields:
            return INPUTS.index("before"), self.names.fields.index(name), 0
        if name in self.names.extra:
            return INPUTS.index("extra"), self.names.extra.index(name), int(block) * op.size
        return INPUTS.index("gradient"), self.names.fields.index(name.removeprefix("d ")), 0

    def _output(self, name: str, place: int) -> tuple[int, int, int, int]:
        """kind, index, offset and size of a result; one number may stand for a whole block."""
        value, block = name.rsplit(" ", 1)
        size = self.step.operations[place].size
        if value == "saved":
            return OUTPUTS.index("saved"), int(block), 0, size
        if value == "kept":
            return OUTPUTS.index("kept"), 0, self.column[name], size
        kind, index, offset, whole = self._block(value, int(block))
        return OUTPUTS.index(kind), index, offset, size if size > 1 else whole

    def _block(self, value: str, block: int) -> tuple[str, int, int, int]:
        """kind, index, offset and size of a block of a result."""
        names, H = self.names, self.H
        if value in names.fields:
            index = names.fields.index(value)
            return "field", index, 0, names.sizes[index]
        if value in self.column:  # what an inner product reads
            size = self._width(self.step.products[int(value.split(" ")[1])].K)
            return "kept", 0, self.column[value] + block * size, size
        of = value.removeprefix("d ")
        if of == "a":
            return "gradient of a", block, 0, H
        if of == "u":
            return "gradient of u", block - self.step.shared_gates, 0, H
        if of.endswith(" before"):
            index = names.fields.index(of.removesuffix(" before"))
            return "carry", index, 0, names.sizes[index]
        if of.startswith("product "):
            k = int(of.split(" ")[1])
            size = self._width(self.step.products[k].J)
            return "gradient of product", 0, self.of_w[k] + block * size, size
        size = next(op.size for op in self.step.operations if op.name == block_name(of, block))
        return "gradient of extra", names.extra.index(of), block * size, size

    def _width(self, size: int) -> int:
        """How many numbers a block of a value has."""
        return self.H if size % self.H == 0 else size

    def _operation(self, op: Operation, out: int, at: dict[int, int]) -> list[int]:
        operations = self.step.operations
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
