"""Training in the page: the passes of a cell's step as JavaScript, and the networks that it trains.

A step is one program, forward and backward (`program/passes.py`); here it becomes two functions on rows.
The products, the loss and the optimiser around it are in `trainer.js`.
"""

import json
import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np
import torch

from sunhwan.cells import CELLS, Cell, Lagged
from sunhwan.exporting import loops
from sunhwan.layers.connections import Plain
from sunhwan.layers.programs import numbers_of
from sunhwan.models import LanguageModel
from sunhwan.program import Program
from sunhwan.program.operations import ELEMENTWISE, Builder, Numbers
from sunhwan.program.passes import Pass, StepPasses, passes_of

LESSONS = ("elman", "gru", "lstm")
"""The cells that a page can start with random weights, beside its model's own."""
SIZE, SIZES = 64, (32, 64, 128)
"""How many units they can have: of a cell whose step is another for each size the first."""


def step_source(cell: Cell, hidden_size: int) -> str:
    """The step of a cell as a function of H in JavaScript: sizes, parameters, `forward` and `backward`.

    ValueError, with the reason in one clause, for a cell that has none.
    """
    passes = passes_of(cell, hidden_size)
    if isinstance(passes, str):
        raise ValueError(passes)
    hooks = ("effective", "inputs", "parameters_of_step", "forward_step")
    if any(getattr(type(cell), hook) is not getattr(Cell, hook) for hook in hooks):
        raise ValueError("it reads its parameters in a way of its own")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        extra = {n: v.reshape(-1).tolist() for n, v in cell.initial_extra(hidden_size).items()}
    bias = [(b, len(list(run))) for b, run in groupby(cell.initial_bias(hidden_size).tolist())]
    rows = _Rows(passes, cell, hidden_size, {name: len(v) for name, v in extra.items()})
    runs = ", ".join(f"[{b}, {rows.sized(count)}]" for b, count in bias)
    fields = json.dumps(cell.state_type._fields)
    return f"""H => ({{ hidden: H, gates: {len(cell.gates)}, recurrent: {len(cell.gates_of_W_h)},
saved: {rows.widths["saved"]}, fields: {fields}, shared: {json.dumps(rows.shared)},
biasOfProduct: {json.dumps(cell.recurrent_bias)}, bias: [{runs}], extra: {json.dumps(extra)},
forward: {rows.function(rows.forward())},
backward: {rows.function(rows.backward())} }})"""


def serves_fewer(cell: Cell, hidden_size: int) -> bool:
    """Whether the source for so many units is right for fewer, too: every operation is unit by unit."""
    bias = cell.initial_bias(hidden_size).reshape(-1, hidden_size)
    if cell.extra or bool((bias != bias[:, :1]).any()):
        return False
    passes = passes_of(cell, hidden_size)
    return not isinstance(passes, str) and all(
        operation.kind in ("input", *ELEMENTWISE) or operation.size == 1
        for part in (passes.forward, passes.backward)
        for operation in (passes.operations[place] for place in part.places)
    )


class _Rows:
    """The two functions in the making. widths: numbers a row of each array, as JavaScript."""

    def __init__(
        self, passes: StepPasses, cell: Cell, hidden_size: int, extra: Mapping[str, int]
    ) -> None:
        self.passes, self.cell, self.H = passes, cell, hidden_size
        G, R = len(cell.gates), len(cell.gates_of_W_h)
        self.shared = R > 0 and passes.shared_gates == G == R
        """Whether the gradients of a and u are the same."""
        blocks = [passes.operations[place].size for place in passes.saved]
        self.offsets = np.cumsum([0, *blocks]).tolist()
        sizes = {"a": G * self.H, "u": R * self.H, "da": G * self.H, "du": R * self.H}
        sizes["saved"] = sum(blocks)
        for field in cell.state_type._fields:
            sizes |= {f"{kind}_{field}": self.H for kind in ("state", "next", "d", "back")}
        sizes |= {f"{kind}_{name}": n for name, n in extra.items() for kind in ("extra", "grad")}
        self.widths = {name: self.sized(size) for name, size in sizes.items()}

    def sized(self, count: int) -> str:
        """A number of values as JavaScript, in H where it is a multiple of it."""
        if count % self.H or not count:
            return str(count)
        return "H" if count == self.H else f"{count // self.H} * H"

    def forward(self) -> Program:
        """a, u and the state → the next state, and what is saved."""
        results = {
            f"next_{name.replace(' ', '_')}": place
            for name, place in self.passes.forward.results.items()
        }
        results |= {f"saved_{i}": place for i, place in enumerate(self.passes.saved)}
        return self._program(self.passes.forward, results)

    def backward(self) -> Program:
        """The gradient of the next state → those of a, u, the state and the cell's own parameters."""
        found = self.passes.backward.results
        results = {_gradient(name): place for name, place in found.items()}
        if not self.shared:
            results |= {f"du_{i}": found[f"d a {i}"] for i in range(self.passes.shared_gates)}
        return self._program(self.passes.backward, results)

    def _program(self, part: Pass, results: Mapping[str, int]) -> Program:
        builder, place = Builder(), dict[int, int]()
        operations = self.passes.operations
        for old in part.places:
            operation = operations[old]
            if old in part.read or operation.kind == "input":
                name = part.read.get(old, operation.name)
                place[old] = builder.input(self._named(name), operation.size, operation.of_rows)
            else:
                operands = tuple(place[operand] for operand in operation.operands)
                place[old] = builder.add(operation._replace(operands=operands))
        made = {}
        for name, old in results.items():
            new = place[old]
            if not name.startswith("saved") and builder.operations[new].size != self.H:
                new = builder.elementwise("add", new, builder.constant(np.zeros(self.H)))
            made[name] = new
        return Program(tuple(builder.operations), made)

    def _named(self, name: str) -> str:
        """What an input is called in JavaScript: NAME_BLOCK."""
        whole, block = name.rsplit(" ", 1)
        made, _, field = whole.partition(" ")
        fields = self.cell.state_type._fields
        if whole in ("a", "u", "saved"):
            return f"{whole}_{block}"
        if made == "made":
            return f"next_{field}_{block}"
        if made == "d" and field:
            return f"d_{field}_{block}"
        return f"{'state' if whole in fields else 'extra'}_{whole}_{block}"

    def function(self, program: Program) -> str:
        """A program on the rows from `from` to `to` of the arrays in `m`, by their names."""
        made = loops.statements(program, loops.JAVASCRIPT)
        text = "\n".join(made.lines).replace(f"i < {self.H};", "i < H;")
        used = [name for name in self.widths if re.search(rf"\b{name}_\d+\[", text)]
        for name in used:
            at = "" if name.startswith("extra") else f"at_{name} + "
            text = re.sub(
                rf"\b{name}_(\d+)\[",
                lambda found, at=at, name=name: (
                    f"{name}[{at}{self._offset(name, int(found[1]))} + "
                ),  # type: ignore[misc]
                text,
            )
        places = "".join(
            f"const at_{name} = {'(row - from)' if _is_passing(name) else 'row'} * {self.widths[name]};\n"
            for name in used
            if not name.startswith("extra")
        )
        text = text.replace(" + 0 + ", " + ").replace("[0 + ", "[")
        constants = "".join(
            f"const {name} = {_listed(numbers)};\n"
            for name, numbers in {**made.tables, **made.arrays}.items()
        )
        scratch = f"const scratch = new Float32Array({made.scratch});\n" if made.scratch else ""
        body = f"const {{ {', '.join(used)} }} = m;\n{constants}{scratch}"
        body += f"for (let row = from; row < to; row++) {{\n{places}{text}\n}}"
        return f"(from, to, m) => {{\n{body}\n}}"

    def _offset(self, name: str, block: int) -> str:
        return self.sized(self.offsets[block] if name == "saved" else block * self.H)


def _listed(numbers: Numbers) -> str:
    alike = (numbers == numbers[0]).all()
    return (
        f"new Float32Array({len(numbers)}).fill({numbers[0]})" if alike else str(numbers.tolist())
    )


def _gradient(name: str) -> str:
    """What the gradient "d NAME i" or "d FIELD before i" is called in JavaScript."""
    whole, block = name.removeprefix("d ").rsplit(" ", 1)
    if whole in ("a", "u"):
        return f"d{whole}_{block}"
    if whole.endswith(" before"):
        return f"back_{whole.removesuffix(' before')}_{block}"
    return f"grad_{whole}_{block}"


def _is_passing(name: str) -> bool:
    """Whether an array has the rows of one step alone."""
    return name.startswith(("d_", "back_", "grad_"))


def training(model: LanguageModel, arrays: Mapping[str, Numbers]) -> tuple[str, dict[str, Any]]:
    """What a page needs to train: steps (JavaScript) by cell, and which networks there are.

    A step that serves one size alone is called "CELL SIZE". arrays: the weights that the page has anyway,
    as they lie there. The facts are "lessons", the sizes of each cell to choose from at random weights,
    and "model", or "why" the model's own training cannot go on.
    """
    stack, names = list(model.recurrent.stack), list(model.config.cells)
    names = names * len(stack) if len(names) == 1 else names
    cells = {name: CELLS[name] for name in LESSONS}
    cells |= {
        name: layer.cell
        for name, layer in zip(names, stack, strict=True)
        if not isinstance(layer.cell, Lagged)
    }
    sources: dict[str, str] = {}
    lessons: dict[str, tuple[int, ...]] = {}
    lacking: dict[str, str] = {}
    for name, cell in cells.items():
        own = {layer.hidden_size for layer, mine in zip(stack, names, strict=True) if mine == name}
        try:
            largest = max(*SIZES, *own)
            if serves_fewer(cell, largest):
                sources[name], lessons[name] = step_source(cell, largest), SIZES
            else:
                sources |= {f"{name} {H}": step_source(cell, H) for H in {SIZE, *own}}
                lessons[name] = (SIZE,)
        except ValueError as error:
            lacking[name] = str(error)
    facts: dict[str, Any] = {"lessons": lessons}
    why = why_not(model) or next((lacking[name] for name in names if name in lacking), None)
    places = _found(_weights(model), arrays) if why is None else {}
    if not all(place is not None for place in places.values()):
        why = "its step is computed from other numbers than are learned"
    if why is None:
        layers = [[name, layer.hidden_size] for name, layer in zip(names, stack, strict=True)]
        facts["model"] = {"layers": layers, "weights": places}
    else:
        facts["why"] = why
    steps = ",\n".join(f"{json.dumps(key)}: {source}" for key, source in sources.items())
    return f"const STEPS = {{\n{steps}\n}};", facts


def why_not(model: LanguageModel) -> str | None:
    """Why the page cannot go on with a model's training, in one clause; None if it can."""
    recurrent = model.recurrent
    if model.config.tied or model.config.input == "number":
        return "its embedding is not a layer of its own"
    if not model.config.bias:
        return "its gates have no biases"
    if any(type(connection) is not Plain for connection in recurrent.connections):
        return "something goes around its layers"
    if any(isinstance(norm, torch.nn.LayerNorm) for norm in recurrent.norms):
        return "it normalises between its layers"
    if any(isinstance(layer.cell, Lagged) for layer in recurrent.stack):
        return "its layers read what they gave some steps before"
    if any(layer.zoneout or layer.zoneout_cell for layer in recurrent.stack):
        return "it is trained with zoneout"
    return None


def _weights(model: LanguageModel) -> dict[str, Numbers]:
    """The parameters by the names of `trainer.js`; of a one-hot input E is the first W_x."""
    found: dict[str, Numbers] = {}
    if model.embedding is not None:
        found["E"] = model.embedding.weight.detach().numpy()
    for depth, layer in enumerate(model.recurrent.stack):
        found |= {f"{depth} {name}": value for name, value in numbers_of(layer).items()}
    if model.embedding is None:
        found["E"] = found.pop("0 W_x")
    found["W_o"] = model.output.weight.detach().numpy().T
    found["b_o"] = model.output.bias.detach().numpy()
    return found


def _found(weights: Mapping[str, Numbers], arrays: Mapping[str, Numbers]) -> dict[str, Any]:
    """Where each parameter lies in the page: its array, and whether transposed; [] for zeros.

    None where only what is made of it lies there.
    """
    found: dict[str, Any] = {}
    for name, value in weights.items():
        flat = {False: value.reshape(-1), True: value.T.reshape(-1)}
        places = (
            [array, transposed]
            for array, numbers in arrays.items()
            for transposed, mine in flat.items()
            if np.array_equal(mine, numbers.reshape(-1).astype(np.float32))
        )
        found[name] = next(places, None) if value.any() else []
    return found
