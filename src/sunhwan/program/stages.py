"""The two passes of a step in stages: the inner products stand between them.

A value is made in the first stage that reads it. What later stages read besides is handed on.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sunhwan.cells import Cell
from sunhwan.program.derivative import (
    CutStep,
    cut_step,
    gradient_of,
    operand_name,
    product_name,
    step_without_cuts,
)
from sunhwan.program.inner_products import InnerProduct
from sunhwan.program.operations import Operation
from sunhwan.program.passes import Pass, available_again, gradients_of_step, saved_values
from sunhwan.program.passes import forget as forget_passes
from sunhwan.program.units import UnitProgram, block_name, in_units


class Stage(NamedTuple):
    """products: which of the inner products come first, of which nothing waits for another; then the
    operations."""

    products: tuple[int, ...]
    work: Pass

    @property
    def kept(self) -> dict[str, int]:
        """What it makes for later stages: names and places."""
        return {name: p for name, p in self.work.results.items() if name.startswith("kept ")}


class StagedStep(NamedTuple):
    """operations: of both passes. saved: their places; operands: of each inner product, which of the saved
    values it reads, side by side. shared_gates: how many blocks of u, from the first on, have the gradient
    of the same block of a."""

    operations: tuple[Operation, ...]
    products: tuple[InnerProduct, ...]
    forward: tuple[Stage, ...]
    backward: tuple[Stage, ...]
    saved: tuple[int, ...]
    operands: tuple[tuple[int, ...], ...]
    shared_gates: int


@lru_cache(maxsize=64)
def stages_of(cell: Cell, hidden_size: int, *, cut: bool = True) -> "StagedStep | str":
    """Both passes of a step, or the reason why there are none, in one clause.

    cut: whether inner products stand between stages; else they are operations on a row.
    """
    sizes = cell.state_sizes(hidden_size)
    if sizes[-1] != hidden_size or any(size > hidden_size for size in sizes):
        return "a field of its state has more numbers than units, or the last one fewer"
    found = cut_step(cell, hidden_size) if cut else step_without_cuts(cell, hidden_size)
    if isinstance(found, str):
        return found
    if not set(cell.step_parameters) <= {*cell.extra, *found.matrices}:
        return "its second product is no product of rows with W_m"
    return _Stages(cell, hidden_size, found).found()


class _Stages:
    def __init__(self, cell: Cell, hidden_size: int, cut: CutStep) -> None:
        self.cell, self.H, self.inner = cell, hidden_size, cut.products
        self.program: UnitProgram = in_units(cut.program, hidden_size)
        self.operations = self.program.operations
        self.fields = cell.state_type._fields
        self.extra = [n for n in cell.step_parameters if n not in cut.matrices]
        self.level = self._levels()
        self.last = max(self.level, default=0)

    def found(self) -> StagedStep:
        results = self.program.results
        forward = {block_name(f, 0): results[f][0] for f in self.fields}
        cut = [product_name(k) for k in range(len(self.inner))]
        backward, shared_gates = gradients_of_step(self.program, self.cell, [*self.extra, *cut])
        operands = [results[operand_name(k)] for k in range(len(self.inner))]
        given = {gradient_of(f) for f in self.fields}
        given |= {gradient_of(operand_name(k)) for k in range(len(self.inner))}
        saved = saved_values(
            self.program, forward, backward.values(), given, {*self.fields, *self.extra},
            len(self.cell.gates), [place for blocks in operands for place in blocks],
        )  # fmt: skip
        forward_stages, saved = self._forward(forward, saved, operands)
        made = {place: f"made {name}" for name, place in forward.items()}
        read = made | {place: f"saved {i}" for i, place in enumerate(saved)}
        where = {place: i for i, place in enumerate(saved)}
        return StagedStep(
            self.operations, self.inner, forward_stages, self._backward(backward, read), saved,
            tuple(tuple(where[place] for place in blocks) for blocks in operands), shared_gates,
        )  # fmt: skip

    def _levels(self) -> list[int]:
        """Of each inner product the first stage that has what it gives."""
        found: list[int] = []
        for k in range(len(self.inner)):
            waits: set[int] = set(self.program.results[operand_name(k)])
            for place in reversed(range(len(self.operations))):
                if place in waits:
                    waits.update(self.operations[place].operands)
            before = [
                found[j]
                for j in range(k)
                if any(
                    self.operations[place].name.startswith(product_name(j) + " ") for place in waits
                )
            ]
            found.append(1 + max(before, default=0))
        return found

    def _forward(
        self, fields: Mapping[str, int], saved: Sequence[int], operands: Sequence[Sequence[int]]
    ) -> tuple[tuple[Stage, ...], tuple[int, ...]]:
        """The stages, and the saved values in the order in which they may take the place of the input
        products: each not before that one was read for the last time."""
        due = {
            block_name(operand_name(k), i): (place, self.level[k] - 1)
            for k, blocks in enumerate(operands)
            for i, place in enumerate(blocks)
        }
        when = self._when(
            [*due.values(), *((p, self.last) for p in (*fields.values(), *saved))], {}
        )
        last_read = [0] * len(self.cell.gates)
        for place, op in enumerate(self.operations):
            for operand in op.operands if place in when else ():
                name = self.operations[operand].name
                if name.rsplit(" ", 1)[0] == "a":
                    gate = int(name.rsplit(" ", 1)[1])
                    last_read[gate] = max(last_read[gate], when[place])
        for place in (*fields.values(), *saved):
            name = self.operations[place].name
            if name.rsplit(" ", 1)[0] == "a":  # written as it is read
                last_read[int(name.rsplit(" ", 1)[1])] = self.last
        whole = [place for place in saved if self.operations[place].size == self.H]
        rest = [place for place in saved if self.operations[place].size != self.H]
        order = _in_slots(whole, last_read, lambda place: self._written(place, when))
        saved = (*order, *rest)
        results = dict(due)
        results |= {name: (place, self._written(place, when)) for name, place in fields.items()}
        for i, place in enumerate(saved):
            after = last_read[i] if i < len(last_read) else 0
            results[block_name("saved", i)] = place, max(after, self._written(place, when))
        products = [[k for k, level in enumerate(self.level) if level == s] for s in self._all()]
        return self._cut(results, {}, when, products), saved

    def _backward(self, gradients: Mapping[str, int], read: dict[int, str]) -> tuple[Stage, ...]:
        """The stages, from that of the last product to that of the first; carries last of all that
        the gradient of the same field is read for."""
        read = {p: name for p, name in read.items() if not available_again(self.operations[p])}
        due = {}
        for k, level in enumerate(self.level):
            name = gradient_of(product_name(k))
            for result, place in gradients.items():
                if result.rsplit(" ", 1)[0] == name:
                    due[result] = place, self.last - level
        others = {name: place for name, place in gradients.items() if name not in due}
        when = self._when([*due.values(), *((p, self.last) for p in others.values())], read)
        reads = dict.fromkeys((gradient_of(f) for f in self.fields), 0)
        for place, op in enumerate(self.operations):
            for operand in op.operands if place in when else ():
                field = self.operations[operand].name.rsplit(" ", 1)[0]
                if field in reads:
                    reads[field] = max(reads[field], when[place])
        handed_on = [*due.values(), *((place, self.last) for place in others.values())]
        for place, stage in handed_on:
            field = self.operations[place].name.rsplit(" ", 1)[0]
            if field in reads:
                reads[field] = max(reads[field], stage)
        results = dict(due)
        for name, place in others.items():
            stage = self._written(place, when, read)
            value = name.rsplit(" ", 1)[0]
            if value.endswith(" before"):
                is_constant = self.operations[place].kind == "constant"
                field = gradient_of(value.removesuffix(" before").removeprefix("d "))
                stage = max(0 if is_constant else stage, reads[field])
            results[name] = place, stage
        products = [
            [k for k, level in enumerate(self.level) if self.last - level + 1 == s]
            for s in self._all()
        ]
        return self._cut(results, read, when, products)

    def _all(self) -> range:
        return range(self.last + 1)

    def _written(
        self, place: int, when: Mapping[int, int], read: Mapping[int, str] | None = None
    ) -> int:
        """The stage in which a result is written: where it is made, what is only handed on in the last."""
        made = bool(self.operations[place].operands) and place not in (read or {})
        return when[place] if made else self.last

    def _when(self, wanted: Iterable[tuple[int, int]], read: Mapping[int, str]) -> dict[int, int]:
        """The first stage that reads each value that is needed."""
        found: dict[int, int] = {}
        for place, stage in wanted:
            found[place] = min(stage, found.get(place, stage))
        for place in reversed(range(len(self.operations))):
            if place in found and place not in read:
                for operand in self.operations[place].operands:
                    found[operand] = min(found[place], found.get(operand, found[place]))
        return found

    def _cut(
        self,
        results: Mapping[str, tuple[int, int]],
        read: Mapping[int, str],
        when: Mapping[int, int],
        products: Sequence[Sequence[int]],
    ) -> tuple[Stage, ...]:
        """The operations of each stage, and what is handed on between them."""
        uses: dict[int, set[int]] = {}
        for place in when:
            if place not in read:
                for operand in self.operations[place].operands:
                    uses.setdefault(operand, set()).add(when[place])
        for place, stage in results.values():
            uses.setdefault(place, set()).add(stage)
        made = [p for p in when if self.operations[p].operands and p not in read]
        kept = sorted(p for p in made if max(uses.get(p, {0})) > when[p])
        numbers = {place: i for i, place in enumerate(kept)}
        stages = []
        for stage in self._all():
            here = {p for p in made if when[p] == stage}
            written = {name: p for name, (p, s) in results.items() if s == stage}
            written |= {f"kept {numbers[p]}": p for p in kept if when[p] == stage}
            needed = {*here, *written.values()}
            needed.update(operand for p in here for operand in self.operations[p].operands)
            label = {
                p: read[p] if p in read else f"kept {numbers[p]}"
                for p in needed
                if p not in here and (p in read or p in numbers)
            }
            stages.append(
                Stage(tuple(products[stage]), Pass(tuple(sorted(needed)), label, written))
            )
        return tuple(stages)


def _in_slots(places: Sequence[int], last_read: Sequence[int], written: object) -> list[int]:
    """The places in an order in which, as far as there are such, each is written when its slot is free."""
    when = {place: written(place) for place in places}  # type: ignore[operator]
    slots = sorted(range(min(len(last_read), len(places))), key=lambda i: -last_read[i])
    left = sorted(places, key=lambda place: -when[place])
    found: dict[int, int] = {}
    for slot in slots:
        fits = [p for p in left if when[p] >= last_read[slot]]
        place = min(fits, key=lambda p: when[p]) if fits else left[-1]
        found[slot] = place
        left.remove(place)
    return [*(found[i] for i in sorted(found)), *left]


def forget() -> None:
    """Trace every step anew."""
    for kept in (stages_of, cut_step):
        kept.cache_clear()
    forget_passes()
