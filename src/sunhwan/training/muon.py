"""Muon: momentum made orthogonal, with products in float32 or bfloat16."""

from typing import Any

import torch
from torch import Tensor


class Muon(torch.optim.Muon):
    """PyTorch's Muon (Jordan et al. 2024) with products in the precision that suits the device.

    products: "float32", "bfloat16" as PyTorch has it, or "": float32 on a CPU, bfloat16 elsewhere.

    PyTorch iterates in bfloat16, which a processor without units for it emulates: there this one is 8 to
    40 times as fast (`python -m benchmarks.muon`). Where there are such units, `training.fast_products`
    uses them for these products too. State and settings are those of `torch.optim.Muon`, so a checkpoint
    serves both.
    """

    def __init__(self, params: Any, *, products: str = "", **options: Any) -> None:
        super().__init__(params, **options)
        devices = {p.device.type for group in self.param_groups for p in group["params"]}
        self._as_pytorch = products == "bfloat16" or (not products and devices != {"cpu"})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update every parameter that has a gradient."""
        if self._as_pytorch:
            return super().step(closure)  # type: ignore[no-untyped-call]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters: list[Tensor] = []
            gradients: list[Tensor] = []
            buffers: list[Tensor] = []
            self._init_group(group, parameters, gradients, buffers)
            for parameter, gradient, buffer in zip(parameters, gradients, buffers, strict=True):
                _update(parameter, gradient, buffer, group)
        return loss


def _update(parameter: Tensor, gradient: Tensor, buffer: Tensor, group: dict[str, Any]) -> None:
    """One step of one matrix, in place.

    m ← μ m + (1 − μ) g; θ ← (1 − γ λ) θ − γ · 0.2 √max(rows, columns) · orthogonalized(m or, by
    Nesterov, μ m + (1 − μ) g), the factor after Liu et al. 2025.
    """
    momentum, rate = group["momentum"], group["lr"]
    buffer.lerp_(gradient, 1 - momentum)
    update = gradient.lerp(buffer, momentum) if group["nesterov"] else buffer
    update = orthogonalized(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
    parameter.mul_(1 - rate * group["weight_decay"])
    parameter.add_(update, alpha=-rate * 0.2 * max(parameter.shape) ** 0.5)


def orthogonalized(
    G: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """The matrix with its singular values moved near 1, by Newton–Schulz iterations.

    X ← a X + (b A + c A²) X with A = X Xᵀ, from X = G / max(‖G‖, eps).
    """
    a, b, c = coefficients
    wide = G.shape[0] <= G.shape[1]
    X = G if wide else G.T
    X = X / X.norm().clamp(min=eps)
    for _ in range(steps):
        A = X @ X.T
        X = torch.addmm(X, torch.addmm(A, A, A, beta=b, alpha=c), X, beta=a)
    return X if wide else X.T
