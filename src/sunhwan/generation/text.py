"""Generated text: `sample`, `samples` and `stream` of a language model."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.generation.choice import engine_for
from sunhwan.generation.engine import CHUNK, Engine
from sunhwan.generation.prompt import PromptContext, Spelling, draws
from sunhwan.generation.sampling import (
    Sampling,
    SamplingFilters,
    next_token_probabilities,
    sample_at,
)
from sunhwan.models import LanguageModel
from sunhwan.models.mode import evaluating
from sunhwan.text import Vocabulary


class Sample(NamedTuple):
    """A generated text: what it began with, what the model wrote, and the seed that repeats it."""

    prompt: str
    text: str
    seed: int


def stream(
    model: LanguageModel, vocabulary: Vocabulary, prompt: str = "", **options: Any
) -> Iterator[str]:
    """Yield the generated text piece by piece, the prompt not included; the options of `Sampling`.

    At most `length` tokens, fewer when the model ends the text (EOS) and `until_eos` is set, or
    when the document ends. UNK is never drawn, nor a letter that would change the prompt's last
    syllable. The same seed gives the same text; no other random number is touched.
    """
    sampling = Sampling(**options)
    beginning = PromptContext.of(vocabulary, prompt)
    engine, _ = engine_for(model, sampling.precision)
    chunks = _drawn(engine or model, vocabulary, beginning, sampling, [sampling.seed])
    return _pieces(vocabulary, beginning, (token for (part,) in chunks for token in part))


def _pieces(vocabulary: Vocabulary, beginning: PromptContext, ids: Iterable[int]) -> Iterator[str]:
    """The text of drawn tokens, piece by piece."""
    spelling = Spelling(vocabulary, beginning)
    for token in ids:
        piece = spelling.push(token)
        if piece:
            yield piece
    yield spelling.flush()


def _drawn(
    writer: Engine | LanguageModel,
    vocabulary: Vocabulary,
    beginning: PromptContext,
    sampling: Sampling,
    seeds: Sequence[int],
) -> Iterator[list[list[int]]]:
    """The tokens of a text a seed, some at a time."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    how, ids, length = draws(sampling, beginning, vocabulary), beginning.ids, sampling.length
    if isinstance(writer, Engine):
        yield from _by_engine(writer, ids, how, length, generators)
    else:
        for place, generator in enumerate(generators):
            for token in _by_model(writer, ids, how, length, generator):
                yield [[token] if row == place else [] for row in range(len(seeds))]


def _by_engine(
    engine: Engine,
    begun: Sequence[int],
    how: SamplingFilters,
    length: int,
    generators: Sequence[torch.Generator],
) -> Iterator[list[list[int]]]:
    live = list(range(len(generators)))
    left, size = length, FIRST
    state = engine.initial_state(1)
    if begun:
        engine.read(torch.tensor([begun[:-1]], dtype=torch.int64), state, logits=False)
        last = torch.full((len(live),), begun[-1])
    elif left:
        # Nothing read: every token is as likely as any other.
        alike = next_token_probabilities(torch.zeros(engine.vocabulary_size), how)
        last = torch.tensor([sample_at(alike, _uniforms(g, 1).item()) for g in generators])
        yield [[token] for token in last.tolist()]
        left, how = left - 1, how._replace(first=None)
    state = state.repeat(len(live), 1)
    while left and live:
        size = min(size, left)
        uniforms = torch.stack([_uniforms(generators[row], size) for row in live])
        since = time.perf_counter()
        drawn = engine.draw(last, state, uniforms, how)
        parts: list[list[int]] = [[] for _ in generators]
        going = []
        for k, (row, ids) in enumerate(zip(live, drawn.tolist(), strict=True)):
            ended = how.stop in ids
            parts[row] = ids[: ids.index(how.stop)] if ended else ids
            if not ended:
                going.append(k)
        yield parts
        live = [live[k] for k in going]
        last, state, left = drawn[going, -1], state[going], left - size
        how = how._replace(first=None)
        if time.perf_counter() - since < BETWEEN:
            size = min(2 * size, CHUNK)


FIRST, BETWEEN = 8, 0.05
"""Tokens drawn at once in the beginning; seconds from which there are no more of them at once."""


@torch.no_grad()
def _by_model(
    model: LanguageModel,
    begun: Sequence[int],
    how: SamplingFilters,
    length: int,
    generator: torch.Generator,
) -> Iterator[int]:
    with evaluating(model):
        logits, state = next_token_logits(model, begun)
        for _ in range(length):
            token = sample_at(next_token_probabilities(logits, how), _uniforms(generator, 1).item())
            if token == how.stop:
                break
            yield token
            how = how._replace(first=None)
            logits, state = next_token_logits(model, [token], state)


def _uniforms(generator: torch.Generator, count: int) -> Tensor:
    """Numbers in [0, 1), one a token; many at once are those drawn one by one."""
    return torch.rand(count, dtype=torch.float64, generator=generator)


@torch.no_grad()
def next_token_logits(
    model: LanguageModel, ids: Sequence[int], state: list[State] | None = None
) -> tuple[Tensor, list[State]]:
    """Let the model read ids: the logits (V,) of the token after the last one, and the state.

    Nothing read: every token is as likely as any other.
    """
    weight = model.output.weight
    logits = weight.new_zeros(1, 1, len(weight))
    state = model.initial_state(1) if state is None else state
    row = torch.tensor([list(ids)], dtype=torch.int64, device=weight.device)
    for start in range(0, len(ids), 1024):
        logits, state = model(row[:, start : start + 1024], state)
    return logits[0, -1].clone(), state


def samples(
    model: LanguageModel, vocabulary: Vocabulary, prompt: str = "", *, n: int = 1, **options: Any
) -> Iterator[Sample]:
    """n texts, with the seeds seed, seed + 1, …: each is what that seed gives alone."""
    sampling = Sampling(**options)
    replace(sampling, seed=sampling.seed + max(n, 1) - 1)  # or a UsageError now
    beginning = PromptContext.of(vocabulary, prompt)
    engine, _ = engine_for(model, sampling.precision)
    together = TOGETHER if engine else 1
    for start in range(0, n, together):
        seeds = range(sampling.seed + start, sampling.seed + min(start + together, n))
        texts: list[list[int]] = [[] for _ in seeds]
        for parts in _drawn(engine or model, vocabulary, beginning, sampling, seeds):
            for text, part in zip(texts, parts, strict=True):
                text += part
        for seed, ids in zip(seeds, texts, strict=True):
            yield Sample(prompt, "".join(_pieces(vocabulary, beginning, ids)), seed)


TOGETHER = 64
"""Texts that are written side by side."""


def sample(
    model: LanguageModel, vocabulary: Vocabulary, prompt: str = "", *, n: int = 1, **options: Any
) -> list[Sample]:
    """`samples` in a list."""
    return list(samples(model, vocabulary, prompt, n=n, **options))
