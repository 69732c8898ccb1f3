"""Calibration: a temperature that makes probabilities true, and how true they are."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from sunhwan.errors import UsageError

BINS = 10
TRUSTED = 50
"""Examples of which the fit counts half."""
LOWEST, HIGHEST = 0.2, 20.0
"""The temperatures that are tried."""


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
