"""Sampled answers: drawn token by token, where a question has more than one right answer."""

import math
from collections.abc import Sequence

import torch

from sunhwan.errors import UsageError
from sunhwan.generation.beam import DecodingStep, Hypothesis, State
from sunhwan.generation.sampling import filtered_probabilities, sample_at


def check_drawing(n: int, temperature: float, seed: int) -> None:
    """UsageError for an option out of range, and for n answers where none is drawn."""
    if not 0 <= temperature < math.inf:
        raise UsageError(f"the temperature must be 0 or more, not {temperature}")
    if n < 1 or (n > 1 and not temperature):
        raise UsageError(
            f"n must be at least 1, not {n}"
            if n < 1
            else f"{n} answers to a question are drawn at random: give a temperature too, say 0.8"
        )
    if not 0 <= seed < 2**62:
        raise UsageError(f"the seed must be between 0 and 2^62, not {seed}")


@torch.no_grad()
def draw(
    step: "DecodingStep[State]",
    state: State,
    seeds: Sequence[int],
    *,
    eos: int,
    limit: int,
    temperature: float,
    device: torch.device | str = "cpu",
) -> list[Hypothesis]:
    """A text about each input, token by token from softmax(log p / temperature).

    Args:
        step, state: as `beam_search` takes them.
        seeds: N, one a text: equal ones give the same text in any company.
        limit: tokens a text has at most, EOS counted.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    texts: list[list[int]] = [[] for _ in seeds]
    totals = [0.0 for _ in seeds]
    live = list(range(len(seeds)))
    ids = torch.full((len(seeds),), eos)
    for _ in range(limit):
        log_p, state, _ = step(ids.to(device), state)
        log_p = log_p.cpu()
        going = []
        for row, (text, found) in enumerate(zip(live, log_p, strict=True)):
            uniform = torch.rand(1, dtype=torch.float64, generator=generators[text]).item()
            token = sample_at(filtered_probabilities(found, temperature), uniform)
            totals[text] += found[token].item()
            if token != eos:
                texts[text].append(token)
                going.append(row)
        if not going:
            break
        if len(going) < len(live):
            rows = torch.tensor(going, device=device)
            state, live = state.rows(rows, rows), [live[row] for row in going]
        ids = torch.tensor([texts[text][-1] for text in live])
    return [Hypothesis(text, total, None) for text, total in zip(texts, totals, strict=True)]
