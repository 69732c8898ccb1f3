"""Beam search: the likeliest texts of a model that writes one token after the other."""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor

from sunhwan.errors import UsageError


class DecodingState(Protocol):
    """State of a decoder after M texts about N inputs."""

    def rows(self, texts: Tensor, inputs: Tensor | None = None) -> Self:
        """Those of these texts, by index, and of these inputs; None: all."""


State = TypeVar("State", bound=DecodingState)
DecodingStep = Callable[[Tensor, State], tuple[Tensor, State, Tensor | None]]
"""The last tokens (M) and the state → log p of the next (M, V), the state, and weights (M, S)."""


class Hypothesis(NamedTuple):
    """Text that was found.

    ids: its tokens, without EOS. log_probability: of all of it, EOS included, in nats. attention:
    where each token looked, (tokens, S); None without attention.
    """

    ids: list[int]
    log_probability: float
    attention: Tensor | None


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6)^α (Wu et al. 2016): log-probabilities over this are comparable."""
    return math.pow((5 + length) / 6, alpha)


@torch.no_grad()
def beam_search(
    step: "DecodingStep[State]",
    state: State,
    inputs: int,
    *,
    eos: int,
    limit: int,
    beam: int = 5,
    alpha: float = 1.0,
    answers: int = 1,
    device: torch.device | str = "cpu",
) -> list[list[Hypothesis]]:
    """For each of N inputs the texts found, the best by log p / `length_penalty` first.

    At each step the `beam` likeliest continuations are kept; one that ends with EOS is a text, and
    the beam is narrower by it. With beam 1 that is greedy search. An input is done when its beam is
    used up, or when none that is still open can beat the `answers` best, however it goes on; what is
    open after `limit` tokens is taken as it stands.

    Args:
        step, state: the model, and its state before the first token about each input.
        inputs: N.
        eos: begins and ends every text.
        limit: tokens a text has at most, EOS counted.
        beam: how many are kept; answers: how many of those found must be the best of them.
        alpha: 0 compares texts by their probability, which favours short ones; 1 almost by the mean
            of their tokens.
        device: where the model is.

    Raises UsageError for a beam, limit or alpha out of range.
    """
    if beam < 1 or limit < 1 or not 0 <= alpha <= 10:
        raise UsageError(
            f"a beam of {beam}, a limit of {limit} and alpha {alpha}: the first two must be at least "
            "1, alpha between 0 and 10"
        )
    found: list[list[tuple[float, Hypothesis]]] = [[] for _ in range(inputs)]
    places = list(range(inputs))  # which inputs are still written about, n of them
    scores = torch.zeros(inputs, 1, dtype=torch.float64)
    tokens = torch.full((inputs, 1), eos)
    texts = tokens.new_empty(inputs, 1, 0)
    looks: Tensor | None = None
    for length in range(1, limit + 1):
        log_p, state, weights = step(tokens.flatten().to(device), state)
        (n, width), V = scores.shape, log_p.shape[1]
        totals = scores.unsqueeze(2) + log_p.cpu().view(n, width, V)
        scores, chosen = totals.flatten(1).topk(min(beam, width * V))
        room = torch.tensor([[beam - len(found[place])] for place in places])
        scores[torch.arange(scores.shape[1]) >= room] = -math.inf
        each, parents = torch.arange(n).unsqueeze(1), chosen // V
        tokens = chosen % V
        texts = torch.cat((texts[each, parents], tokens.unsqueeze(2)), 2)
        if weights is not None:
            seen = weights.cpu().view(n, width, 1, -1)
            looks = (seen if looks is None else torch.cat((looks, seen), 2))[each, parents]
        done = (tokens == eos) | torch.tensor(length == limit)
        for row, k in (done & (scores > -math.inf)).nonzero().tolist():
            size = length - int(tokens[row, k] == eos)
            text = Hypothesis(
                texts[row, k, :size].tolist(),
                scores[row, k].item(),
                None if looks is None else looks[row, k, :size].clone(),
            )
            found[places[row]].append((text.log_probability / length_penalty(length, alpha), text))
        scores[done] = -math.inf
        # A text only loses by going on, and none is longer than the limit.
        hopes = (scores.amax(1) / length_penalty(limit, alpha)).tolist()
        open_ = [row for row in range(n) if hopes[row] > _worst(found[places[row]], answers)]
        if not open_:
            break
        rows = (parents + width * each)[open_].flatten()
        state = state.rows(
            rows.to(device), torch.tensor(open_, device=device) if len(open_) < n else None
        )
        places = [places[row] for row in open_]
        scores, tokens, texts = scores[open_], tokens[open_], texts[open_]
        looks = None if looks is None else looks[open_]
    return [
        [text for _, text in sorted(texts_found, key=lambda one: -one[0])] for texts_found in found
    ]


def _worst(found: list[tuple[float, Hypothesis]], answers: int) -> float:
    """What a text must beat to be one of the best `answers`; −∞ where there are not so many yet."""
    best = sorted((score for score, _ in found), reverse=True)
    return best[answers - 1] if len(best) >= answers else -math.inf
