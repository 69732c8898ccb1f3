"""Modes of PyTorch that a call may run under: autocast, tracing, transforms of `torch.func`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad
from torch.nn.modules import module

saved_tensors_hook: Callable[[bool], Any] = getattr(
    torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _: "unknown"
)
"""What PyTorch does with tensors kept for a backward pass (a checkpoint, an offload), or None."""

any_module_hook: Callable[[], bool] = module._has_any_global_hook
"""Whether a hook runs with the call of every module."""

F = TypeVar("F", bound=Callable[..., Any])


def under_autocast(device: torch.device) -> bool:
    """Whether autocast is on for tensors of a device; "meta" has none."""
    return device.type != "meta" and torch.is_autocast_enabled(device.type)


def tracing() -> bool:
    """Whether `torch.jit.trace` (and so the exporter built on it) records the call."""
    recording: Any = torch.jit
    return bool(recording.is_tracing())


def values_known(x: Tensor) -> bool:
    """Whether a tensor's numbers can be read now.

    Not on meta, of a fake tensor, of a program being compiled, or of a tensor that `torch.func` maps over.
    """
    if torch.compiler.is_compiling() or x.is_meta or isinstance(x, FakeTensor):
        return False
    return not torch._C._functorch.is_functorch_wrapped_tensor(x)


def transformed() -> bool:
    """Whether forward mode or a transform of `torch.func` is at work: they see PyTorch's own operations."""
    level: int = getattr(forward_ad, "_current_level", -1)
    return level >= 0 or bool(torch._C._are_functorch_transforms_active())


def eager() -> bool:
    """Whether a call is plain eager PyTorch.

    Not traced, compiled or transformed, and not under autocast, a global module hook, or a mode of
    dispatch, of functions or of saved tensors.
    """
    return not (
        torch.compiler.is_compiling()
        or tracing()
        or transformed()
        or torch.is_autocast_enabled("cpu")
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or saved_tensors_hook(True) is not None
        or any_module_hook()
    )


is_batched: Callable[[Tensor], bool] = torch._C._functorch.is_legacy_batchedtensor
"""Whether a tensor stands for many at once, as gradients do under `is_grads_batched`."""


def needs_graph(d_outputs: Sequence[Tensor | None]) -> bool:
    """Whether a backward pass must run in PyTorch's own operations.

    So it is where its result is differentiated again, under a transform of `torch.func`, and where
    many gradients come at once.
    """
    return (
        torch.is_grad_enabled()
        or transformed()
        or any(d is not None and is_batched(d) for d in d_outputs)
    )


def constant_when_compiled(function: F) -> F:
    """Mark a function whose result a compiled program may keep as a constant.

    As `torch.compiler.assume_constant_result` does, which would import the whole compiler for it.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
