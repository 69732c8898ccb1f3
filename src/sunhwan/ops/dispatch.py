"""Dispatch: which implementation runs a recurrence, and why."""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import (
    LSTM,
    Cell,
    Lagged,
    LinearCell,
    Parameters,
    State,
    can_derive,
    has_backward,
    why_not_derived,
)
from sunhwan.errors import ConfigError, UsageError
from sunhwan.ops import fused, lagged, native, operators, program_kernels, reference, scan
from sunhwan.ops.input_products import input_products
from sunhwan.ops.lazy_embedding import LazyEmbedding, materialised
from sunhwan.ops.library import warn_if_missing
from sunhwan.ops.modes import constant_when_compiled, tracing, transformed, under_autocast
from sunhwan.ops.reference import NO_STEP_MASKS, RecurrenceOutput, StepMasks

BACKENDS: dict[str, Any] = {
    "native": operators.run,
    "fused": fused.run,
    "scan": scan.run,
    "reference": reference.run,
    "unrolled": reference.run_unrolled,
}


MISSING = {
    "native": "no compiled kernel here for",
    "fused": "no fused operator for",
    "scan": "no linear recurrence to scan in",
    "reference": "no backward step, nor a way to derive one, for",
}


class Choice(NamedTuple):
    """The name of an implementation in `BACKENDS`, and the reason in one clause."""

    backend: str
    reason: str


def supports(backend: str, cell: Cell, hidden_size: int = 24) -> bool:
    """Whether an implementation can run a cell of so many units."""
    if backend == "native":
        return native.kernel_of(cell, torch.float32, hidden_size) is not None
    if backend == "fused":
        return fused.supports(cell)
    if backend == "reference":
        return has_backward(cell) or can_derive(cell)
    return backend != "scan" or isinstance(cell, LinearCell)


def choose(
    cell: Cell,
    device: torch.device,
    dtype: torch.dtype,
    *,
    hidden_size: int = 24,
    backend: str | None = None,
    needs_internal_access: bool = False,
    return_gates: bool = False,
) -> Choice:
    """The implementation for a cell on a device.

    Rules, measured by `python -m benchmarks.kernels` and `benchmarks.layers`: on a CPU the compiled
    kernel of the cell; cuDNN on CUDA for every cell it has. Without the compiled library a linear
    recurrence is scanned, and oneDNN's fused LSTM is fastest on a CPU (float32). PyTorch's GRU and
    Elman operators on a CPU are loops as ours is: ours has fewer operations, theirs less memory,
    which tells beyond 256 hidden units. The parameters are the same either way. `backend` forces one.

    inside: the call reaches inside the recurrence (padding, zoneout, recurrent dropout, its states),
    which PyTorch's operators do not let one do; return_gates: the values of
    gates are asked for, which compiled kernels do not return.
    """
    if isinstance(cell, Lagged) and backend != "unrolled" and not (transformed() or tracing()):
        found = choose(
            cell.of, device, dtype,
            hidden_size=hidden_size, backend=backend,
            needs_internal_access=needs_internal_access, return_gates=return_gates,
        )  # fmt: skip
        return Choice("lagged", f"{cell.lag} steps at a time, {found.backend}: {found.reason}")
    needs_internal_access = needs_internal_access or return_gates
    if backend != "unrolled" and transformed():
        return Choice("unrolled", "a transform of torch.func needs PyTorch's own operations")
    if torch.onnx.is_in_onnx_export() and not tracing():
        raise UsageError(
            "torch.onnx.export with dynamo=True has no node for a recurrence of this layer: a trained "
            "model is written by `sunhwan export RUN --to onnx`; for a layer alone pass dynamo=False, or "
            "export the module that to_torch() gives"
        )
    if tracing() and backend is None:
        if fused.supports(cell) and not needs_internal_access:
            return Choice("fused", "a trace records PyTorch's own operators")
        return Choice("unrolled", "a trace records PyTorch's own operations")
    if backend is not None:
        if backend not in BACKENDS:
            raise ConfigError(f"no backend {backend!r}: choose from {', '.join(BACKENDS)}")
        if not supports(backend, cell, hidden_size):
            raise ConfigError(f"there is {MISSING[backend]} {type(cell).__name__}")
        closed = (needs_internal_access and backend == "fused") or (
            return_gates and backend == "native"
        )
        if not closed:
            return Choice(backend, "asked for")
    if (
        device.type in ("cpu", "meta")
        and not return_gates
        and native.kernel_of(cell, dtype, hidden_size) is not None
    ):
        if native.name_of(cell) is None:
            return Choice("native", "a compiled kernel runs its step as a program")
        return Choice("native", "the compiled kernel runs the whole sequence")
    if isinstance(cell, LinearCell):
        return Choice("scan", "a linear recurrence is computed for all steps at once")
    if not (has_backward(cell) or can_derive(cell)):
        return Choice(
            "unrolled", f"no backward step, and {why_not_derived(cell)}: autograd step by step"
        )
    if not has_backward(cell):
        reason = "the backward step is derived from the forward one"
        if device.type == "cpu" and (why := program_kernels.why_not(cell, hidden_size)):
            reason += f"; it is no program for the compiled library: {why}"
        return Choice("reference", reason)
    if not fused.supports(cell):
        return Choice("reference", f"PyTorch has no fused {type(cell).__name__}")
    if needs_internal_access:
        return Choice("reference", "a fused operator cannot be reached into")
    if device.type == "cuda":
        return Choice("fused", "cuDNN runs the whole sequence in one kernel")
    if device.type == "cpu" and isinstance(cell, LSTM) and dtype == torch.float32:
        return Choice("fused", "oneDNN runs the whole float32 LSTM in one operator")
    if device.type == "cpu" and hidden_size > 256:
        return Choice("fused", "PyTorch's loop moves less memory beyond 256 hidden units")
    return Choice("reference", f"no fused operator is faster on {device.type} in {dtype}")


def recur(
    cell: Cell,
    x: Tensor | LazyEmbedding,
    parameters: Parameters,
    state: State,
    *,
    step_masks: StepMasks = NO_STEP_MASKS,
    states: bool = False,
    return_gates: bool = False,
    backend: str | None = None,
) -> RecurrenceOutput:
    """Run a recurrence: x (T, N, D), state of (N, H) → `RecurrenceOutput`.

    noise: padding, zoneout and recurrent dropout. states: every state over time must be told;
    return_gates: every saved value too.
    T = 0 and N = 0 give empty results and leave the state as it was. Under autocast the recurrence
    keeps the precision of its parameters.
    """
    like = parameters["W_x"]
    if under_autocast(x.device):
        # A recurrence adds to one state for many steps: it stays in the precision of its weights.
        with torch.autocast(x.device.type, enabled=False):
            state = cell.state_type(*(field.to(like) for field in state))
            options: dict[str, Any] = {
                "step_masks": step_masks, "states": states, "return_gates": return_gates, "backend": backend
            }  # fmt: skip
            return recur(cell, x.to(like), parameters, state, **options)
    if x.shape[0] == 0 or x.shape[1] == 0:
        return reference.nothing(cell, materialised(x), parameters, state)
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        warn_if_missing()
    # From a parameter: the sizes of x and state may be symbols in an exported program.
    H = parameters["W_x"].shape[1] // len(cell.gates)
    chosen = backend_for(
        cell, x.device.type, x.dtype, H, backend, step_masks.acts or states, return_gates
    )
    if chosen == "lagged":
        assert isinstance(cell, Lagged)
        inner = partial(recur, states=states, return_gates=return_gates, backend=backend)
        return lagged.run(
            cell, x, parameters, state, step_masks, inner, states=states or return_gates
        )
    parameters = cell.effective(parameters)
    given = input_products(cell, x, parameters), parameters, state
    outcome: RecurrenceOutput = (
        fused.run(cell, *given)
        if chosen == "fused"
        else BACKENDS[chosen](cell, *given, step_masks, return_gates=return_gates)
    )
    return outcome


def recur_packed(
    cell: Cell,
    x: Tensor | LazyEmbedding,
    parameters: Parameters,
    state: State,
    counts: Tensor,
    step_masks: StepMasks = NO_STEP_MASKS,
) -> tuple[State, State]:
    """Packed sequences x (S, D) by the compiled kernel: every field over time, and each row's last state.

    counts: rows of each step, the longest sequences first; state and noise.drop are in that order,
    and noise.hold is packed as x is.
    """
    like = parameters["W_x"]
    with torch.autocast("cpu", enabled=False):
        state = cell.state_type(*(field.to(like) for field in state))
        parameters = cell.effective(parameters)
        products = input_products(cell, x.to(like), parameters)
        return operators.run_packed(cell, products, parameters, state, counts, step_masks)


@constant_when_compiled
def backend_for(
    cell: Cell,
    device: str,
    dtype: torch.dtype,
    hidden_size: int,
    backend: str | None,
    needs_internal_access: bool,
    return_gates: bool,
) -> str:
    """The name `choose` gives, as a constant of a compiled program."""
    return choose(
        cell, torch.device(device), dtype,
        hidden_size=hidden_size, backend=backend,
        needs_internal_access=needs_internal_access, return_gates=return_gates,
    ).backend  # fmt: skip
