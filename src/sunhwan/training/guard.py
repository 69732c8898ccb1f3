"""Guard of the gradient: clipping, and a stop at what is not finite."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sunhwan.config import TrainingConfig
from sunhwan.errors import NonFiniteError


class Clipped(NamedTuple):
    """The norm of the whole gradient before clipping, and whether clipping changed anything."""

    norm: float
    acted: bool


def clip(parameters: Iterable[Tensor], config: TrainingConfig) -> Clipped:
    """Limit the gradient in place: its global norm (Pascanu et al. 2013), or each entry's value.

    By norm: g ← g · min(1, clip_norm / ‖g‖), ‖g‖ over all parameters together, which keeps the
    direction. Each limit of 0 is off.
    """
    holders: list[Any] = [_Holder(numbers) for numbers in gradient_numbers(parameters)]
    gradients = [holder.grad for holder in holders]
    total = nn.utils.get_total_norm(gradients)
    norm = float(total)
    acted = False
    if math.isfinite(norm):
        if config.clip_norm and norm > config.clip_norm:
            nn.utils.clip_grads_with_norm_(holders, config.clip_norm, total)
            acted = True
        if config.clip_value:
            acted = acted or any(float(g.abs().max()) > config.clip_value for g in gradients)
            nn.utils.clip_grad_value_(holders, config.clip_value)
    return Clipped(norm, acted)


class _Holder(NamedTuple):
    """A gradient, where PyTorch's functions look for it."""

    grad: Tensor


def gradient_numbers(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The gradient of each parameter that has one, to be changed in place; of a sparse one its rows."""
    found = []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is not None and gradient.is_sparse:
            parameter.grad = gradient = gradient.coalesce()
            gradient = gradient.values()
        if gradient is not None:
            found.append(gradient)
    return found


def check_finite(
    step: int, loss: float, norm: float, model: nn.Module, learning_rate: float
) -> None:
    """NonFiniteError before anything is updated, naming the step, the tensor and the likely cure."""
    if math.isfinite(loss) and math.isfinite(norm):
        return
    culprit = "the loss"
    # The loss itself first; then a weight, since it explains every gradient; then the gradients.
    for what, tensors in (
        ("the weight", model.named_parameters()),
        (
            "the gradient of",
            ((n, g) for n, p in model.named_parameters() for g in gradient_numbers([p])),
        ),
    ):
        if math.isfinite(loss) or what == "the weight":
            bad = next((n for n, t in tensors if not bool(torch.isfinite(t).all())), None)
            if bad:
                culprit = f"{what} {bad}"
                break
    value = loss if not math.isfinite(loss) else norm
    raise NonFiniteError(
        f"step {step}: {culprit} is {value}, and nothing was updated; the likely cure is a lower "
        f"training.learning_rate (now {learning_rate:.3g}) or training.clip_norm"
    )
