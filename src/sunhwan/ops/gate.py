"""Checks of tensors before their addresses go to the library: type, device, size and memory."""

from functools import lru_cache

import torch
from torch import Tensor

from sunhwan.errors import ShapeError
from sunhwan.ops.inputs import Inputs
from sunhwan.ops.program_kernels import cell_called
from sunhwan.ops.record import Kernel


def check(inputs: Inputs, kernel: Kernel) -> Inputs:
    """The same, laid out as the library reads it; ShapeError where a type, device or size differs."""
    if len(inputs.initial) != kernel.fields or any(f.dim() != 2 for f in inputs.initial):
        raise ShapeError(f"the state of {inputs.name} has {kernel.fields} fields of (N, H)")
    x, H, P = inputs.x, inputs.initial[-1].shape[-1], inputs.initial[0].shape[-1]
    if len(inputs.hold) not in (0, kernel.fields):
        raise ShapeError(f"hold has {len(inputs.hold)} fields, not one for each of {kernel.fields}")
    lead, N = inputs.lead, len(inputs.initial[0])
    steps = len(lead)
    if inputs.counts is None:
        if steps != 2 or lead[1] != N or not lead[0]:
            raise ShapeError(f"values over time of {lead} do not belong to {N} rows of state")
    else:
        _check_counts(inputs.counts, lead, N)
    if inputs.ids is not None and (inputs.W_x is None or x.dim() != 2):
        raise ShapeError("token numbers need a table (V, D) and W_x")
    names = ("W_h", "b_h", "W_m", *cell_called(inputs.name).extra)
    if len(inputs.loop) != len(names):
        raise ShapeError(
            f"the step of {inputs.name} reads {len(names)} parameters, {', '.join(names)}"
        )
    W_h, b_h, W_m, *extra = inputs.loop
    of_cell = _sizes(inputs.name, H)
    for name, value in zip(names, inputs.loop, strict=True):
        if name != "b_h" and (value is None) != (name not in of_cell):
            raise ShapeError(
                f"{inputs.name} needs {name}" if value is None else f"{inputs.name} has no {name}"
            )
    width = kernel.gates * H
    wanted: list[tuple[str, Tensor | None, tuple[int, ...] | None]] = [
        ("x", x, None if inputs.W_x is not None else (*lead, width)),
        ("W_x", inputs.W_x, (x.shape[-1], width)),
        ("b", inputs.b, (width,)),
        ("W_h", W_h, (P, kernel.recurrent_gates * H)),
        ("b_h", b_h, (kernel.recurrent_gates * H,)),
        ("drop", inputs.drop, (N, P)),
    ]
    if W_m is not None:
        wanted.append(("W_m", W_m, (H, P) if kernel.second == -1 else of_cell["W_m"]))
    wanted += [(name, e, of_cell[name]) for name, e in zip(names[3:], extra, strict=True)]
    sizes = [field.shape[-1] for field in inputs.initial]
    wanted += [("state", f, (N, s)) for f, s in zip(inputs.initial, sizes, strict=True)]
    for field, size in zip(inputs.hold, sizes[: len(inputs.hold)], strict=True):
        wanted.append(("hold", field, (*lead, size if field.shape[-1] > 1 else 1)))
    for name, value, shape in wanted:
        if value is not None:
            check_tensor(name, value, shape, x)
    if inputs.ids is not None:
        if inputs.ids.dtype not in (torch.int64, torch.int32):
            raise ShapeError(f"token numbers must be int64 or int32, not {inputs.ids.dtype}")
        address(inputs.ids)
    # The product reads a matrix as it lies; of a cell's own parameters each is read number after number.
    loop = [
        p if p is None or (i < 3 and p.dim() == 2) else p.contiguous()
        for i, p in enumerate(inputs.loop)
    ]
    return inputs._replace(
        x=x if inputs.W_x is not None else x.contiguous(),
        loop=loop,
        initial=[field.contiguous() for field in inputs.initial],
        hold=[field.contiguous() for field in inputs.hold],
        drop=None if inputs.drop is None else inputs.drop.contiguous(),
    )


def check_tensor(name: str, value: Tensor, shape: tuple[int, ...] | None, like: Tensor) -> None:
    """ShapeError unless a tensor is of the type, on the device and of the shape it should be."""
    if value.dtype != like.dtype or value.device != like.device:
        raise ShapeError(
            f"{name} is {value.dtype} on {value.device}, but the input is {like.dtype} on "
            f"{like.device}: convert one of them with .to(…)"
        )
    if shape is not None and value.shape != shape:
        raise ShapeError(f"{name} has shape {tuple(value.shape)}, not {shape}")
    address(value)


@lru_cache(maxsize=256)
def _sizes(name: str, H: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a cell's further parameters; of its second matrix, where that does not project."""
    cell = cell_called(name)
    with torch.device("meta"):
        fresh = cell.initial_parameters(1, H)
    return {name: tuple(value.shape) for name, value in fresh.items()}


def _check_counts(counts: Tensor, lead: tuple[int, ...], N: int) -> None:
    address(counts)
    fits = counts.dim() == 1 and counts.dtype == torch.int64 and counts.device.type == "cpu"
    if not fits or len(lead) != 1 or not len(counts) or int(counts.sum()) != lead[0]:
        raise ShapeError(f"the counts of packed rows do not add up to {lead[0]}")
    if int(counts[0]) != N or int(counts[-1]) < 1 or bool((counts[1:] > counts[:-1]).any()):
        raise ShapeError("the counts of packed rows must fall, from all rows to at least one")


def gradient(d: Tensor | None, like: Tensor) -> Tensor | None:
    """A gradient from outside; ShapeError where it is not one of these values."""
    if d is not None:
        check_tensor("a gradient", d, tuple(like.shape), like)
    return d


def laid_out(d: Tensor | None) -> Tensor | None:
    """Row after row in memory."""
    return None if d is None else d.contiguous()


def address(x: Tensor) -> int:
    """Where a tensor's numbers are; ShapeError where its memory was given back."""
    address: int = x.data_ptr()
    if not address and x.numel():
        raise ShapeError(f"a tensor of shape {tuple(x.shape)} has no memory: it was freed")
    return address
