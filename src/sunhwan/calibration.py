"""Calibration: a temperature that makes probabilities true, a network's share, and how true answers are."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.errors import UsageError

BINS = 10
TRUSTED, SHARE_TRUSTED = 50, 500
"""Examples of which the fit of the temperature, and of the network's share, counts half."""
LOWEST, HIGHEST = 0.2, 20.0
"""The temperatures that are tried."""
LEAST = 0.05
"""Of the weights of a network and of a linear model."""


class Bin(NamedTuple):
    """Answers of about the same confidence: its mean, the share of right ones, how many there are."""

    confidence: float
    accuracy: float
    examples: int


def fitted_temperature(logits: Tensor, targets: Tensor) -> float:
    """τ of the least cross-entropy of softmax(logits / τ) on held-out examples (Guo et al. 2017).

    logits (n, L), targets (n). Few examples say little of it: its logarithm counts n / (n + 50).
    """
    if not len(targets):
        return 1.0
    logits = logits.double()
    # The loss is convex in 1 / τ, and so has one minimum along τ: a search by the golden section.
    low, high = math.log(LOWEST), math.log(HIGHEST)
    ratio = (5**0.5 - 1) / 2
    while high - low > 1e-3:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if _nats(logits, targets, left) <= _nats(logits, targets, right):
            high = right
        else:
            low = left
    trust = len(targets) / (len(targets) + TRUSTED)
    return math.exp(trust * (low + high) / 2)


def fitted_share(network: Tensor, linear: Tensor, targets: Tensor) -> float:
    """ρ of the least cross-entropy of softmax((ρ network + linear) / τ) on held-out examples, τ free.

    network, linear: logits (n, L); targets (n). 1 is what the network learned with, and the most; less is
    of one that has memorised its training data. Few examples say little: log ρ counts n / (n + 500).
    """
    from scipy.optimize import minimize

    if not len(targets):
        return 1.0
    both = torch.stack((network, linear)).double()

    def objective(weights: Any) -> tuple[float, Any]:
        w = torch.tensor(weights, requires_grad=True)
        logits = torch.einsum("k,knl->nl", w, both)
        # Convex in the two weights; where the network says nothing the second term decides.
        loss = functional.cross_entropy(logits, targets) + (w - 1).square().sum() / len(targets)
        (gradient,) = torch.autograd.grad(loss, w)
        return loss.item(), gradient.numpy()

    with torch.enable_grad():
        found = minimize(
            objective, (1.0, 1.0), jac=True, method="L-BFGS-B", bounds=((LEAST, None),) * 2
        )
    trust = len(targets) / (len(targets) + SHARE_TRUSTED)
    share = float(found.x[0] / found.x[1])
    return min(1.0, math.pow(share, trust))


def _nats(logits: Tensor, targets: Tensor, log_temperature: float) -> float:
    return float(functional.cross_entropy(logits / math.exp(log_temperature), targets))


def reliability(confidences: Sequence[float], right: Sequence[bool]) -> list[Bin]:
    """Answers in bins of equal width of confidence, those that hold any, the least confident first."""
    bins: list[list[int]] = [[] for _ in range(BINS)]
    for place, confidence in enumerate(confidences):
        bins[min(int(confidence * BINS), BINS - 1)].append(place)
    return [
        Bin(
            sum(confidences[place] for place in places) / len(places),
            sum(right[place] for place in places) / len(places),
            len(places),
        )
        for places in bins
        if places
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: the mean distance of confidence and accuracy (Naeini et al. 2015)."""
    examples = sum(b.examples for b in bins)
    return sum(b.examples * abs(b.confidence - b.accuracy) for b in bins) / max(examples, 1)


def check_threshold(at_least: float) -> None:
    """UsageError for a threshold of probability that is none."""
    if not 0 <= at_least <= 1:
        raise UsageError(f"--at-least is a probability from 0 to 1, not {at_least:g}")
