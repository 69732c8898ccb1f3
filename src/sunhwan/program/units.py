"""A program in blocks of hidden units: every value of a multiple of H numbers as so many rows of H.

What only moves whole blocks is then no operation at all, and an operation number by number treats each
unit by itself, whichever gates lay side by side before.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sunhwan.program.operations import ELEMENTWISE, REDUCTIONS, Builder, Numbers, Operation, Program
from sunhwan.program.takes import sources_of

COMBINED = {"sum": "add", "max": "maximum", "min": "minimum"}
"""How the reductions of two parts become that of both."""


class UnitProgram(NamedTuple):
    """Operations, and of each result the places of its blocks; a block of one number is all alike."""

    operations: tuple[Operation, ...]
    results: dict[str, list[int]]


def in_units(program: Program, hidden_size: int) -> UnitProgram:
    """The same program in blocks. Inputs of several blocks become inputs "NAME i"."""
    pass_ = _InUnits(program, hidden_size)
    for place in range(len(program.operations)):
        pass_.made.append(pass_.blocks_of(program.operations[place]))
    results = {name: pass_.made[place] for name, place in program.results.items()}
    return UnitProgram(tuple(pass_.builder.operations), results)


def block_name(name: str, i: int) -> str:
    """What block i of an input is called."""
    return f"{name} {i}"


class _InUnits:
    """The new program in the making; made: for each old value the new ones it consists of."""

    def __init__(self, program: Program, hidden_size: int) -> None:
        self.program, self.H = program, hidden_size
        self.builder = Builder()
        self.made: list[list[int]] = []

    def blocks_of(self, operation: Operation) -> list[int]:
        kind, size = operation.kind, operation.size
        sizes = self._sizes(size)
        if kind == "input":
            of_rows = operation.of_rows
            named = [(block_name(operation.name, i), s) for i, s in enumerate(sizes)]
            return [self.builder.input(name, s, of_rows) for name, s in named]
        if kind == "constant":
            numbers = np.asarray(operation.numbers)
            return [self._constant(part) for part in np.split(numbers, len(sizes))]
        if kind in ELEMENTWISE:
            return [
                self.builder.elementwise(kind, *(self._block(p, i) for p in operation.operands))
                for i in range(len(sizes))
            ]
        if kind == "take":
            return [
                self._taken(operation, part)
                for part in np.split(self._index(operation), len(sizes))
            ]
        if kind in REDUCTIONS:
            return self._reduced(kind, operation.operands[0], size)
        places = [self._whole(place) for place in operation.operands]
        whole = self.builder.product(*places)
        return (
            [self._slice(whole, i, s) for i, s in enumerate(sizes)] if len(sizes) > 1 else [whole]
        )

    def filled(self, place: int) -> list[int]:
        """The blocks of a value, each with all of its numbers."""
        operation = self.program.operations[place]
        return [
            self._spread(block, size)
            for block, size in zip(self.made[place], self._sizes(operation.size), strict=True)
        ]

    def _sizes(self, size: int) -> list[int]:
        count = size // self.H if size and size % self.H == 0 else 1
        return [size // count] * count

    def _constant(self, numbers: Numbers) -> int:
        alike = len(numbers) and (numbers == numbers[0]).all()
        return self.builder.constant(numbers[:1] if alike else numbers)

    def _block(self, place: int, i: int) -> int:
        """Block i of an operand, or the one number that meets every block."""
        blocks = self.made[place]
        return blocks[i] if len(blocks) > 1 else blocks[0]

    def _spread(self, place: int, size: int) -> int:
        found = self.builder.operations[place]
        if found.size == size:
            return place
        return self.builder.take([place], np.zeros(size, np.int64))

    def _slice(self, whole: int, i: int, size: int) -> int:
        return self.builder.take([whole], np.arange(i * size, (i + 1) * size))

    def _whole(self, place: int) -> int:
        blocks = self.filled(place)
        if len(blocks) == 1:
            return blocks[0]
        return self.builder.take(blocks, np.arange(self.program.operations[place].size))

    def _index(self, operation: Operation) -> Numbers:
        """Of each number that a `take` takes: 2³² times the source, plus the place in it."""
        sizes = [self.program.operations[p].size for p in operation.operands]
        which, local = sources_of(sizes, np.asarray(operation.numbers))
        return (np.asarray(operation.operands, np.int64)[which] << 32) + local

    def _taken(self, operation: Operation, index: Numbers) -> int:
        """One block of a `take`: a block as it is, one number, or a `take` of blocks."""
        places, local = index >> 32, index & 0xFFFFFFFF
        sizes = {p: self._sizes(self.program.operations[p].size)[0] for p in set(places.tolist())}
        width = np.asarray([sizes[p] for p in places.tolist()])
        block, within = local // width, local % width
        found = [self.made[p][b] for p, b in zip(places.tolist(), block.tolist(), strict=True)]
        operations = self.builder.operations
        first = found[0]
        if all(source == first for source in found):
            size = operations[first].size
            if size == 1 or (size == len(index) and bool((within == np.arange(size)).all())):
                return int(first)
        used = list(dict.fromkeys(found))
        begin = dict(
            zip(used, np.cumsum([0, *(operations[p].size for p in used)]).tolist(), strict=False)
        )
        inside = [
            begin[p] + (0 if operations[p].size == 1 else i)
            for p, i in zip(found, within.tolist(), strict=True)
        ]
        return self.builder.take(used, np.asarray(inside, np.int64))

    def _reduced(self, kind: str, place: int, groups: int) -> list[int]:
        """Reductions of whole blocks, and of what lies within one, without joining them."""
        value = self.program.operations[place]
        n = value.size // groups
        blocks = self.filled(place)
        width = value.size // len(blocks)
        if n % width == 0:
            parts = [self.builder.reduce(kind, block, 1) for block in blocks]
            each = n // width
            return self._joined(
                [self._combined(kind, parts[i * each : (i + 1) * each]) for i in range(groups)]
            )
        if width % n == 0:
            return self._joined([self.builder.reduce(kind, block, width // n) for block in blocks])
        return self._joined([self.builder.reduce(kind, self._whole(place), groups)])

    def _combined(self, kind: str, parts: Sequence[int]) -> int:
        found = parts[0]
        for part in parts[1:]:
            found = self.builder.elementwise(COMBINED[kind], found, part)
        return found

    def _joined(self, parts: list[int]) -> list[int]:
        """Values side by side, in blocks of H again."""
        sizes = [self.builder.operations[p].size for p in parts]
        total = sum(sizes)
        wanted = self._sizes(total)
        if wanted == sizes:
            return parts
        whole = parts[0] if len(parts) == 1 else self.builder.take(parts, np.arange(total))
        if len(wanted) == 1:
            return [whole]
        return [self._slice(whole, i, s) for i, s in enumerate(wanted)]
