"""Sampling: from logits to the next token, with temperature, top-k and nucleus filters."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.config import TEMPERATURE
from sunhwan.errors import NonFiniteError, UsageError, did_you_mean

PRECISIONS = ("fp32", "fp16", "int8")
"""In the order of `Precision` of native/generation.hpp."""

NOT_FINITE = "the model's numbers are not finite: its training diverged or its file changed"


class SamplingFilters(NamedTuple):
    """How tokens are drawn from logits; see `filtered_probabilities`.

    stop: the token that ends a text, −1: none. never, first: bool (V), tokens that are not drawn,
    ever or as the first one.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    stop: int = -1
    never: Tensor | None = None
    first: Tensor | None = None


def filtered_probabilities(
    logits: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> Tensor:
    """logits (V,) → probabilities (V,), float64.

    softmax(logits / temperature), of which the top_k most likely (0: all) and then the fewest that
    hold top_p of the mass (nucleus; Holtzman et al. 2020) are kept. Temperature 0 keeps the first.
    """
    logits = logits.double()
    if temperature == 0:
        probabilities = torch.zeros_like(logits)
        probabilities[logits.argmax()] = 1.0
        return probabilities
    probabilities = torch.softmax(logits / temperature, -1)
    ordered, order = probabilities.sort(descending=True, stable=True)
    keep = torch.ones_like(ordered, dtype=torch.bool)
    if top_k:
        keep[top_k:] = False
    if top_p < 1:
        ordered = ordered * keep
        mass_before = ordered.cumsum(0) - ordered
        keep &= mass_before < top_p * ordered.sum()
    kept = torch.zeros_like(probabilities)
    kept[order[keep]] = probabilities[order[keep]]
    return kept / kept.sum()


@dataclass(frozen=True)
class Sampling:
    """How a text is written; UsageError for an option out of range.

    length: at most so many tokens. temperature, top_k, top_p: as `filtered_probabilities` takes them.
    seed: of the random numbers. until_eos: end where the model ends the text (EOS). precision: of
    the weights, where the compiled engine runs the model: see `choice.engine_for`.
    """

    length: int = 500
    temperature: float = TEMPERATURE
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 1
    until_eos: bool = False
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.length < 0:
            raise UsageError(f"the length must be 0 or more, not {self.length}")
        if not 0 <= self.temperature < math.inf:
            raise UsageError(f"the temperature must be 0 or more, not {self.temperature}")
        if self.top_k < 0:
            raise UsageError(f"top-k must be 0 (all) or more, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top-p must be over 0 and at most 1, not {self.top_p}")
        if not -(2**63) <= self.seed < 2**63:
            raise UsageError(f"the seed must fit in 64 bits, not {self.seed}")
        if self.precision not in ("auto", *PRECISIONS):
            near = did_you_mean(self.precision, ("auto", *PRECISIONS))
            choices = "auto, fp32, fp16 or int8"
            raise UsageError(f"the precision must be {choices}, not {self.precision!r}{near}")


def next_token_probabilities(logits: Tensor, how: SamplingFilters) -> Tensor:
    """logits (V,) → the probabilities (V,) with which the next token is drawn, on the CPU."""
    logits = logits.cpu()
    for mask in (how.never, how.first):
        if mask is not None:
            logits = logits.masked_fill(mask, -math.inf)
    return filtered_probabilities(logits, how.temperature, how.top_k, how.top_p)


def sample_at(probabilities: Tensor, uniform: float) -> int:
    """The token whose share of [0, 1) the number lies in."""
    upto = probabilities.cumsum(0)
    if not bool(upto[-1] > 0):
        raise NonFiniteError(NOT_FINITE)
    return int(torch.searchsorted(upto, uniform * upto[-1], right=True))
