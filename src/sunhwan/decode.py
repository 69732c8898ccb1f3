"""From a model to text: sampling one token after another."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.config import TEMPERATURE
from sunhwan.engine import CHUNK, NOT_FINITE, PRECISIONS, Draws, Engine, engine_for
from sunhwan.errors import NonFiniteError, UsageError
from sunhwan.models import LanguageModel
from sunhwan.models.mode import evaluating
from sunhwan.text import Vocabulary


class Sample(NamedTuple):
    """A generated text: what it began with, what the model wrote, and the seed that repeats it."""

    prompt: str
    text: str
    seed: int


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
    the weights, where the compiled engine runs the model: see `engine.engine_for`.
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
            choices = "auto, fp32, fp16 or int8"
            raise UsageError(f"the precision must be {choices}, not {self.precision!r}")


class Beginning(NamedTuple):
    """What is read before the first draw, and what is not drawn, ever or first; bool (V).

    held: what the decoder holds back of the prompt, a syllable that further letters could change.
    """

    ids: list[int]
    never: Tensor
    first: Tensor
    prompt_ids: list[int]
    held: str

    @classmethod
    def of(cls, vocabulary: Vocabulary, prompt: str | Sequence[int]) -> Self:
        """prompt: a text, or its tokens."""
        prompt_ids = vocabulary.encode(prompt).tolist() if isinstance(prompt, str) else list(prompt)
        tail = prompt_ids[-OPEN:]
        decoder = vocabulary.decoder()
        certain = "".join(map(decoder.push, tail))
        never, first = torch.zeros(2, len(vocabulary), dtype=torch.bool)
        if vocabulary.unk_id is not None:
            never[vocabulary.unk_id] = True
        # The prompt's last syllable is as it is meant, so the first token is none that changes it.
        held = vocabulary.decode(tail)[len(certain) :]
        if held:
            first[_growing(vocabulary, prompt_ids[-len(held) * 3 :])] = True
        return cls([*lead(vocabulary, prompt_ids), *prompt_ids], never, first, prompt_ids, held)


OPEN = 8
"""Of so many last tokens a decoder knows what is still open: a syllable, a character, a line."""


def draws(sampling: Sampling, beginning: Beginning, vocabulary: Vocabulary) -> Draws:
    """How the tokens of a text are drawn, from its first one on."""
    eos = vocabulary.eos_id if sampling.until_eos else None
    stop = -1 if eos is None else eos
    filters = sampling.temperature, sampling.top_k, sampling.top_p
    return Draws(*filters, stop, beginning.never, beginning.first)


def shares(logits: Tensor, how: Draws) -> Tensor:
    """logits (V,) → the probabilities (V,) with which the next token is drawn, on the CPU."""
    logits = logits.cpu()
    for mask in (how.never, how.first):
        if mask is not None:
            logits = logits.masked_fill(mask, -math.inf)
    return filtered_probabilities(logits, how.temperature, how.top_k, how.top_p)


def token_at(probabilities: Tensor, uniform: float) -> int:
    """The token whose share of [0, 1) the number lies in."""
    upto = probabilities.cumsum(0)
    if not bool(upto[-1] > 0):
        raise NonFiniteError(NOT_FINITE)
    return int(torch.searchsorted(upto, uniform * upto[-1], right=True))


def stream(
    model: LanguageModel, vocabulary: Vocabulary, prompt: str = "", **options: Any
) -> Iterator[str]:
    """Yield the generated text piece by piece, the prompt not included; the options of `Sampling`.

    At most `length` tokens, fewer when the model ends the text (EOS) and `until_eos` is set, or
    when the document ends. UNK is never drawn, nor a letter that would change the prompt's last
    syllable. The same seed gives the same text; no other random number is touched.
    """
    sampling = Sampling(**options)
    beginning = Beginning.of(vocabulary, prompt)
    engine, _ = engine_for(model, sampling.precision)
    chunks = _drawn(engine or model, vocabulary, beginning, sampling, [sampling.seed])
    return _pieces(vocabulary, beginning, (token for (part,) in chunks for token in part))


class Spelling:
    """Drawn tokens → their text, each piece as soon as it is certain, the prompt's not included."""

    def __init__(self, vocabulary: Vocabulary, beginning: Beginning) -> None:
        self._decoder, self._held = vocabulary.decoder(), beginning.held
        for token in beginning.prompt_ids[-OPEN:]:
            self._decoder.push(token)

    def push(self, token: int) -> str:
        """The text that is now certain, perhaps none."""
        piece = self._decoder.push(token)
        if not piece:
            return ""
        held, self._held = self._held, ""
        return piece.removeprefix(held)

    def flush(self) -> str:
        """The rest."""
        return self._decoder.flush().removeprefix(self._held)


def _pieces(vocabulary: Vocabulary, beginning: Beginning, ids: Iterable[int]) -> Iterator[str]:
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
    beginning: Beginning,
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
    how: Draws,
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
        alike = shares(torch.zeros(engine.vocabulary_size), how)
        last = torch.tensor([token_at(alike, _uniforms(g, 1).item()) for g in generators])
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
    model: LanguageModel, begun: Sequence[int], how: Draws, length: int, generator: torch.Generator
) -> Iterator[int]:
    with evaluating(model):
        logits, state = read(model, begun)
        for _ in range(length):
            token = token_at(shares(logits, how), _uniforms(generator, 1).item())
            if token == how.stop:
                break
            yield token
            how = how._replace(first=None)
            logits, state = read(model, [token], state)


def _uniforms(generator: torch.Generator, count: int) -> Tensor:
    """Numbers in [0, 1), one a token; many at once are those drawn one by one."""
    return torch.rand(count, dtype=torch.float64, generator=generator)


def _growing(vocabulary: Vocabulary, ids: Sequence[int]) -> list[int]:
    """The tokens that would change the text of these ids if they came next."""
    text = vocabulary.decode(ids)
    following = range(len(vocabulary))
    return [token for token in following if not vocabulary.decode([*ids, token]).startswith(text)]


def lead(vocabulary: Vocabulary, prompt: Sequence[int] = ()) -> list[int]:
    """What a model reads before the first token of a text, so that the token can be predicted.

    EOS, with which every document begins, where the vocabulary has one. Otherwise, before an empty
    prompt, a line break; nothing where the vocabulary has none.
    """
    if vocabulary.eos_id is not None:
        return [vocabulary.eos_id]
    newline = vocabulary.encode("\n").tolist()
    known = bool(newline) and newline[0] != vocabulary.unk_id
    return newline if known and not prompt else []


@torch.no_grad()
def read(
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
    beginning = Beginning.of(vocabulary, prompt)
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
