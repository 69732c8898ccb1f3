"""The compiled recurrence as operators of PyTorch, `torch.ops.sunhwan.recurrence` and its backward.

Registered through `torch.library`: schema, shapes for fake and meta tensors, autograd, a rule for
vmap, autocast. So `torch.compile` and `torch.export` take a recurrence as one node.

The gradient of the operator is the compiled backward pass. Where that is not enough (a second
derivative, forward mode, a transform of `torch.func`) the same recurrence runs step by step in
PyTorch's own operations, which can be differentiated any number of times.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from sunhwan.cells import Cell, Parameters, State
from sunhwan.errors import ShapeError
from sunhwan.ops import native
from sunhwan.ops.input_products import InputProducts
from sunhwan.ops.inputs import Inputs
from sunhwan.ops.modes import constant_when_compiled, is_batched, transformed
from sunhwan.ops.program_kernels import cell_called, latest
from sunhwan.ops.reference import (
    NO_STEP_MASKS,
    RecurrenceOutput,
    StepMasks,
    differentiable_gradients,
    forward_packed,
    split,
    stacked,
)
from sunhwan.ops.reference import forward as loop_over_time

LIBRARY: Any = torch.library.Library("sunhwan", "DEF")  # type: ignore[no-untyped-call]
READS = (
    "str cell, float constant, Tensor x, Tensor? ids, Tensor? W_x, Tensor? b, Tensor?[] loop, "
    "Tensor[] initial, Tensor[] hold, Tensor? drop, Tensor? counts"
)
LIBRARY.define(f"recurrence({READS}, bool save) -> Tensor[]", tags=(torch.Tag.pt2_compliant_tag,))
LIBRARY.define(
    f"recurrence_backward({READS}, Tensor[] states, Tensor[] kept, Tensor?[] d_states, "
    "Tensor?[] d_last, bool[] needs) -> Tensor[]",
    tags=(torch.Tag.pt2_compliant_tag,),
)
Below: Any = torch._C._AutoDispatchBelowAutograd


def recurrence(inputs: Inputs, *, save: bool = False) -> list[Tensor]:
    """Every field over time, then every field after the last step."""
    found: list[Tensor] = torch.ops.sunhwan.recurrence(*inputs, save)
    return found[: 2 * len(inputs.initial)]


def run(
    cell: Cell,
    products: InputProducts,
    parameters: Parameters,
    state: State,
    step_masks: StepMasks = NO_STEP_MASKS,
    *,
    return_gates: bool = False,
) -> RecurrenceOutput:
    """Input products, state of (N, H) → `RecurrenceOutput`; the saved values are not given."""
    over_time, last = run_packed(cell, products, parameters, state, None, step_masks)
    return RecurrenceOutput(over_time[0], last, over_time)


def run_packed(
    cell: Cell,
    products: InputProducts,
    parameters: Parameters,
    state: State,
    counts: Tensor | None,
    step_masks: StepMasks = NO_STEP_MASKS,
) -> tuple[State, State]:
    """Input products, with counts of packed sequences → every field over time, and the last."""
    found = recurrence(
        Inputs(
            name_in_library(cell, parameters["W_x"].shape[1] // len(cell.gates)),
            cell.kernel_constant,
            *products,
            cell.parameters_of_step(parameters).values(),
            state,
            step_masks.hold or (),
            step_masks.drop,
            counts,
        )
    )
    F = len(state)
    return cell.state_type(*found[:F]), cell.state_type(*found[F:])


@constant_when_compiled
def name_in_library(cell: Cell, hidden_size: int) -> str:
    """The cell's name there; TypeError where it has none."""
    own = latest(cell, hidden_size)  # the choice of this implementation has looked at it
    name = native.name_of(cell, hidden_size) if own is None else own.name
    if name is None:
        raise TypeError(f"there is no compiled kernel for {type(cell).__name__}")
    return name


@lru_cache(maxsize=256)
def cell_named(name: str, constant: float, projection: int) -> Cell:
    """The cell behind an operator's arguments."""
    return cell_called(name).with_kernel_constants(constant, projection)


# On a CPU, and as shapes.


def _recurrence(*reads: Any) -> list[Tensor]:
    *given, save = reads
    found, last = native.forward(Inputs(*given), save=save)
    return [*found.states, *last, *(found.kept() if save else [])]


def _check_devices(inputs: Inputs, *values: Any) -> None:
    """ShapeError unless all tensors are on one device: one on meta has shapes alone.

    The counts of packed rows may be on the CPU.
    """
    given = [inputs._replace(counts=None), *values]
    devices = {value.device.type for value in tree_leaves(given) if isinstance(value, Tensor)}
    if inputs.counts is not None and inputs.counts.device.type != "cpu":
        devices.add(inputs.counts.device.type)
    if len(devices) > 1:
        raise ShapeError(f"tensors of one recurrence are on {' and '.join(sorted(devices))}")


def _recurrence_shapes(*reads: Any) -> list[Tensor]:
    *given, save = reads
    inputs = Inputs(*given)
    _check_devices(inputs)
    kernel = native.kernel_named(inputs.name, inputs.x.dtype)
    found = native.allocate(inputs, kernel, None, save=save)
    last = [
        torch.empty_like(field, memory_format=torch.contiguous_format) for field in inputs.initial
    ]
    return [*found.states, *last, *(found.kept() if save else [])]


def _recurrence_backward(*reads: Any) -> list[Tensor]:
    *given, states, kept, d_states, d_last, needs = reads
    inputs = Inputs(*given)
    kernel = native.kernel_named(inputs.name, inputs.x.dtype)
    found = native.result_of(inputs, kernel, states, kept)
    gradients = native.backward(inputs, found, d_states, d_last, needs)
    # An operator's list holds no None: nothing, of size 0, stands for it.
    return [inputs.x.new_empty((0,)) if d is None else d for d in gradients]


def _backward_shapes(*reads: Any) -> list[Tensor]:
    *given, states, kept, d_states, d_last, needs = reads
    inputs = Inputs(*given)
    _check_devices(inputs, states, kept, d_states, d_last)
    new = inputs.x.new_empty
    first = [
        new(p.shape) if p is not None and wanted else new((0,))
        for p, wanted in zip((inputs.x, inputs.W_x, inputs.b), needs[:3], strict=True)
    ]
    if inputs.W_x is None:
        first[0] = new(inputs.x.shape)
    if inputs.W_x is not None and needs[1]:
        first[1] = new(inputs.W_x.shape[::-1]).T
    # Gradients of matrices are laid out as the parameters are stored, transposed.
    loop = [
        new((0,)) if p is None else new(p.shape[::-1]).T if p.dim() == 2 else new(p.shape)
        for p in inputs.loop
    ]
    initial = [new(field.shape if needs[3] else (0,)) for field in inputs.initial]
    return [*first, *loop, *initial]


# Gradients.


class ArgumentCounts(NamedTuple):
    """How many tensors of each kind lie in a row."""

    name: str
    constant: float
    loop: int
    initial: int
    hold: int

    def inputs(self, tensors: Sequence[Tensor | None]) -> Inputs:
        """The operator's arguments, of tensors in a row."""
        x, ids, W_x, b, *rest = tensors
        ends = (self.loop, self.loop + self.initial, self.loop + self.initial + self.hold)
        loop, initial, hold = rest[: ends[0]], rest[ends[0] : ends[1]], rest[ends[1] : ends[2]]
        drop, counts = rest[ends[2] :]
        given: Any = (x, ids, W_x, b, loop, initial, hold, drop, counts)
        return Inputs(self.name, self.constant, *given)


def flat(inputs: Inputs) -> tuple[ArgumentCounts, list[Tensor | None]]:
    """The operator's arguments as tensors in a row, for autograd."""
    sizes = ArgumentCounts(
        inputs.name, inputs.constant, len(inputs.loop), len(inputs.initial), len(inputs.hold)
    )
    first = (inputs.x, inputs.ids, inputs.W_x, inputs.b)
    return sizes, [
        *first,
        *inputs.loop,
        *inputs.initial,
        *inputs.hold,
        inputs.drop,
        inputs.counts,
    ]


class NativeRecurrence(torch.autograd.Function):
    """(the operator's tensors in a row) → every field over time and the last."""

    @staticmethod
    def forward(ctx: Any, sizes: ArgumentCounts, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        inputs = sizes.inputs(tensors)
        with Below():
            found = torch.ops.sunhwan.recurrence(*inputs, True)
        F = sizes.initial
        ctx.sizes = sizes
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *found[:F], *found[2 * F :])
        return tuple(found[: 2 * F])

    @staticmethod
    def backward(ctx: Any, *d: Tensor | None) -> tuple[Tensor | None, ...]:
        sizes: ArgumentCounts = ctx.sizes
        F, n = (
            sizes.initial,
            6 + sizes.loop + sizes.initial + sizes.hold,
        )
        saved = ctx.saved_tensors
        needs = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled() or any(p is not None and is_batched(p) for p in d):
            return None, *differentiable_gradients(
                lambda *tensors: unrolled(sizes.inputs(tensors)), saved[:n], d, needs
            )
        inputs = sizes.inputs(saved[:n])
        found = torch.ops.sunhwan.recurrence_backward(
            *inputs, saved[n : n + F], saved[n + F :], list(d[:F]), list(d[F:]),
            [needs[0], needs[2], needs[3], any(needs[4 + sizes.loop : 4 + sizes.loop + F])],
        )  # fmt: skip
        d_x, d_W_x, d_b, *rest = found
        inner, last = rest[: sizes.loop], rest[sizes.loop :]
        every = [d_x, None, d_W_x, d_b, *inner, *last, *[None] * (sizes.hold + 2)]
        wanted = zip(every, needs, saved[:n], strict=True)
        return None, *(g if need and p is not None else None for g, need, p in wanted)


def unrolled(inputs: Inputs) -> list[Tensor]:
    """The same in PyTorch's own operations, step by step: differentiable any number of times."""
    cell = cell_named(inputs.name, inputs.constant, inputs.initial[0].shape[1])
    loop, initial = split(cell, (*inputs.loop, *inputs.initial))
    a = inputs.products.in_graph()
    step_masks = NO_STEP_MASKS
    if inputs.hold or inputs.drop is not None:
        step_masks = StepMasks(tuple(inputs.hold) or None, inputs.drop)
    if inputs.counts is not None:
        found, last = forward_packed(cell, a, loop, initial, step_masks, inputs.counts.tolist())
        return [*found, *last]
    states, _, _ = loop_over_time(cell, a, loop, initial, step_masks, separate_nodes=True)
    return [*stacked(states), *states[-1]]


def _with_gradient(*reads: Any) -> list[Tensor]:
    *given, save = reads
    inputs = Inputs(*given)
    sizes, tensors = flat(inputs)
    if not save and transformed():
        return unrolled(inputs)
    learning = torch.is_grad_enabled() and any(p is not None and p.requires_grad for p in tensors)
    if learning and not save:
        return list(NativeRecurrence.apply(sizes, *tensors))  # type: ignore[no-untyped-call]
    with Below():
        found: list[Tensor] = torch.ops.sunhwan.recurrence(*inputs, save)
    return found


# vmap: one call for each entry of the mapped axis.


def _each(op: Any) -> Any:
    def rule(info: Any, in_dims: Any, *arguments: Any) -> Any:
        def entry(value: Any, dim: Any, i: int) -> Any:
            if isinstance(value, list | tuple):
                dims = dim if isinstance(dim, list | tuple) else [dim] * len(value)
                return [entry(v, d, i) for v, d in zip(value, dims, strict=True)]
            return value.select(dim, i) if dim is not None and isinstance(value, Tensor) else value

        calls = []
        for i in range(info.batch_size):
            calls.append(op(*(entry(v, d, i) for v, d in zip(arguments, in_dims, strict=True))))
        found = [torch.stack(values) for values in zip(*calls, strict=True)]
        return found, [0] * len(found)

    return rule


LIBRARY.impl("recurrence", _recurrence, "CPU")
LIBRARY.impl("recurrence_backward", _recurrence_backward, "CPU")
LIBRARY.impl("recurrence", _with_gradient, "Autograd")
for _name, _shapes in (
    ("recurrence", _recurrence_shapes),
    ("recurrence_backward", _backward_shapes),
):
    torch.library.register_fake(f"sunhwan::{_name}", _shapes, lib=LIBRARY)
    torch.library.register_vmap(
        f"sunhwan::{_name}", _each(getattr(torch.ops.sunhwan, _name)), lib=LIBRARY
    )
for _device in ("cpu", "cuda"):
    torch.library.register_autocast("sunhwan::recurrence", _device, torch.float32, lib=LIBRARY)
