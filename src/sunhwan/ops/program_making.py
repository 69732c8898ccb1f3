"""Making the kernel of a cell of one's own: its step traced, written down, and tried on two rows."""

import ctypes
import itertools
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sunhwan.cells import Cell, State
from sunhwan.cells.tracing import without_modes
from sunhwan.errors import ShapeError
from sunhwan.ops.library import library
from sunhwan.ops.program_kernels import MatrixGradient, ProgramKernel
from sunhwan.ops.program_record import Names, record_of
from sunhwan.ops.record import EXTRA, FIELDS, OF_PROGRAM, SAVED, Kernel
from sunhwan.ops.reference import check_step
from sunhwan.program import evaluate
from sunhwan.program.derivative import cut_step, gradient_of, operand_name, product_name
from sunhwan.program.stages import StagedStep, forget, stages_of

__all__ = ["forget", "make", "still_holds", "why_not"]

LARGEST = 1 << 16
"""Numbers of a value up to which a row of it is worth computing as a program."""

_NUMBERS = itertools.count()


def still_holds(kernel: ProgramKernel) -> bool:
    """Whether the step is what it was: a number that it reads besides may have been changed."""
    given, made = kernel.seen
    if not (torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack()):
        with torch.no_grad():  # a few microseconds an operation, and nearly always enough
            if all(map(torch.equal, _step(kernel.cell, given), made)):
                return True
    with without_modes(), torch.no_grad():
        return _same(_step(kernel.cell, given), made)


def why_not(cell: Cell, hidden_size: int) -> str | None:
    """Why a step cannot be written down, in one clause; None if it can."""
    found = _chosen(cell, hidden_size)
    return found if isinstance(found, str) else None


def _chosen(cell: Cell, hidden_size: int) -> StagedStep | str:
    """The step with its inner products cut out, else with them among its operations; else why not."""
    reasons = []
    for cut in (True, False):
        step = stages_of(cell, hidden_size, cut=cut)
        reason = step if isinstance(step, str) else _objection(cell, hidden_size, step)
        if reason is None:
            return step
        reasons.append(reason)
    return reasons[0]


def _objection(cell: Cell, hidden_size: int, passes: StagedStep) -> str | None:
    if len(cell.state_type._fields) > FIELDS or len(cell.extra) > EXTRA:
        return "it has too many fields or parameters"
    if len(passes.saved) > SAVED:
        return f"its backward step needs more than {SAVED} values of the forward one"
    sizes = [passes.operations[place].size for place in passes.saved]
    if any(size > hidden_size for size in sizes):
        return "its backward step needs values that are larger than a row of units"
    if any(op.size > LARGEST for op in passes.operations):
        return f"one of its values has more than {LARGEST:,} numbers"
    return None


def make(cell: Cell, hidden_size: int) -> ProgramKernel | None:
    """A new kernel; None where a step taken again gives something else."""
    passes = _chosen(cell, hidden_size)
    if isinstance(passes, str):
        return None
    given = _probe(cell, hidden_size)
    with without_modes(), torch.random.fork_rng(devices=[]):
        try:
            learning = _step(cell, given)
            with torch.no_grad():
                made = _step(cell, given)
        except ShapeError:
            return None  # which is said when the layer is called
        if not (_same(made, learning) and _same(made, _evaluated(cell, hidden_size, given))):
            return None  # a step that does one thing in training and another one after it
    names = Names(cell.state_type._fields, cell.state_sizes(hidden_size), cell.extra)
    name = f"program:{type(cell).__qualname__}:{next(_NUMBERS)}"
    kernels, records = {}, {}
    for dtype in (torch.float32, torch.float64):
        of_u = len(cell.gates_of_W_h)
        records[dtype] = record_of(passes, names, hidden_size, of_u, dtype)
        kernels[dtype] = _kernel(name, cell, passes, hidden_size, dtype)
    products = matrix_gradients_of(passes, cell)
    kernel = ProgramKernel(name, cell, hidden_size, kernels, records, products, (given, made))
    return kernel if still_holds(kernel) else None


def _same(now: State, then: State) -> bool:
    return all(
        torch.allclose(a.double(), b.double(), 1e-5, 1e-5, equal_nan=True)
        for a, b in zip(now, then, strict=True)
    )


def matrix_gradients_of(step: StagedStep, cell: Cell) -> tuple[MatrixGradient, ...]:
    """The products of a step but that with W_h, as their weights' gradients are made."""
    found, column = [], 0
    for one, operands in zip(step.products, step.operands, strict=True):
        which = 3 + cell.extra.index(one.name) if one.name in cell.extra else 2
        read = tuple((i, step.operations[step.saved[i]].size) for i in operands)
        found.append(MatrixGradient(which, one.transposed, read, one.K, column, one.J))
        column += one.J
    return tuple(found)


def _kernel(
    name: str, cell: Cell, passes: StagedStep, hidden_size: int, dtype: torch.dtype
) -> Kernel:
    driver = _driver(dtype, library().instructions)  # type: ignore[union-attr]
    kernel = Kernel()
    kernel.name = name.encode()
    kernel.gates, kernel.fields = len(cell.gates), len(cell.state_type._fields)
    kernel.saved = len(passes.saved)
    for i, place in enumerate(passes.saved):
        size = passes.operations[place].size
        kernel.saved_width[i] = 1 if size == hidden_size else -size
    kernel.recurrent_gates, kernel.shared_gates = len(cell.gates_of_W_h), passes.shared_gates
    kernel.second, kernel.always_saves = OF_PROGRAM, 0
    kernel.forward, kernel.backward = driver.forward, driver.backward
    return kernel


@cache
def _driver(dtype: torch.dtype, instructions: str) -> Kernel:
    """The kernel that runs any program."""
    address = library().kernel("program", dtype)  # type: ignore[union-attr]
    return ctypes.cast(address, ctypes.POINTER(Kernel)).contents  # type: ignore[arg-type]


def _probe(cell: Cell, hidden_size: int) -> tuple[Tensor, ...]:
    """Rows of small and of large numbers as a step reads them."""
    H = hidden_size
    blocks = [len(cell.gates)] + ([len(cell.gates_of_W_h)] if cell.gates_of_W_h else [])
    widths = [*(n * H for n in blocks), *cell.state_sizes(H)]
    with without_modes(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        scale = torch.tensor([[0.5], [5.0]])
        rows = [scale * torch.randn(2, width) for width in widths]
        own = cell.initial_extra(H)
    return (*rows, *(own[name].detach() for name in cell.step_parameters))


def _step(cell: Cell, given: tuple[Tensor, ...]) -> State:
    first = 2 if cell.gates_of_W_h else 1
    u: Any = given[1] if first == 2 else None
    end = first + len(cell.state_type._fields)
    state = cell.state_type(*given[first:end])
    found = cell.pointwise(given[0], u, state, *given[end:])
    check_step(cell, found, state)
    return tuple(found[0])


def _evaluated(cell: Cell, hidden_size: int, given: tuple[Tensor, ...]) -> State:
    """What the program makes of the same."""
    step = cut_step(cell, hidden_size)
    assert not isinstance(step, str)
    fields, own = cell.state_type._fields, cell.step_parameters
    read = ["a", *(["u"] if cell.gates_of_W_h else []), *fields, *own]
    values = dict(zip(read, (value.double().numpy() for value in given), strict=True))
    sizes = dict(zip(fields, cell.state_sizes(hidden_size), strict=True))
    for k, one in enumerate(step.products):
        sizes[operand_name(k)] = one.K
        values[product_name(k)] = np.zeros((2, one.J))
    values |= {gradient_of(name): np.zeros((2, size)) for name, size in sizes.items()}
    made = evaluate(step.program, values)
    for k, one in enumerate(step.products):  # each waits for those before it alone
        W = values[one.name].T if one.transposed else values[one.name]
        values[product_name(k)] = np.broadcast_to(made[operand_name(k)], (2, one.K)) @ W
        made = evaluate(step.program, values)
    return tuple(torch.from_numpy(np.broadcast_to(made[f], (2, sizes[f])).copy()) for f in fields)
