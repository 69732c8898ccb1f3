"""From a model to text: sampling one token after another."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.config import TEMPERATURE
from sunhwan.errors import UsageError
from sunhwan.models import LanguageModel
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


def check_options(length: int, temperature: float, top_k: int, top_p: float, seed: int = 1) -> None:
    """UsageError for a sampling option out of range."""
    if length < 0:
        raise UsageError(f"the length must be 0 or more, not {length}")
    if not 0 <= temperature < math.inf:
        raise UsageError(f"the temperature must be 0 or more, not {temperature}")
    if top_k < 0:
        raise UsageError(f"top-k must be 0 (all) or more, not {top_k}")
    if not 0 < top_p <= 1:
        raise UsageError(f"top-p must be over 0 and at most 1, not {top_p}")
    if not -(2**63) <= seed < 2**63:
        raise UsageError(f"the seed must fit in 64 bits, not {seed}")


@torch.no_grad()
def stream(
    model: LanguageModel,
    vocabulary: Vocabulary,
    prompt: str = "",
    *,
    length: int = 500,
    temperature: float = TEMPERATURE,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 1,
    until_eos: bool = False,
) -> Iterator[str]:
    """Yield the generated text piece by piece, the prompt not included.

    At most `length` tokens, fewer when the model ends the text (EOS) and `until_eos` is set, or
    when the document ends. UNK is never drawn, nor a letter that would change the prompt's last
    syllable. The same seed gives the same text; no other random
    number is touched. UsageError for an option out of range.
    """
    check_options(length, temperature, top_k, top_p, seed)
    generator = torch.Generator().manual_seed(seed)
    training = model.training
    model.eval()
    try:
        prompt_ids = vocabulary.encode(prompt).tolist()
        decoder = vocabulary.decoder()
        certain = "".join(map(decoder.push, prompt_ids))
        # What the decoder holds back: a syllable that further letters could change. The prompt's last
        # one is as it is meant, so the first token is none of those.
        held = vocabulary.decode(prompt_ids)[len(certain) :]
        forbidden = _growing(vocabulary, prompt_ids[-len(held) * 3 :]) if held else []
        never = [] if vocabulary.unk_id is None else [vocabulary.unk_id]
        logits, state = read(model, [*lead(vocabulary, prompt_ids), *prompt_ids])
        for _ in range(length):
            logits[never + forbidden] = -math.inf
            forbidden = []
            probabilities = filtered_probabilities(logits.cpu(), temperature, top_k, top_p)
            token = int(torch.multinomial(probabilities, 1, generator=generator))
            if until_eos and token == vocabulary.eos_id:
                break
            piece = decoder.push(token)
            if piece:
                yield piece.removeprefix(held)
                held = ""
            logits, state = read(model, [token], state)
        yield decoder.flush().removeprefix(held)
    finally:
        model.train(training)


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


def sample(
    model: LanguageModel,
    vocabulary: Vocabulary,
    prompt: str = "",
    *,
    n: int = 1,
    length: int = 500,
    temperature: float = TEMPERATURE,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 1,
    until_eos: bool = False,
) -> list[Sample]:
    """n texts, with the seeds seed, seed + 1, …: each is what that seed gives alone."""
    samples = []
    for one in range(seed, seed + n):
        pieces = stream(
            model,
            vocabulary,
            prompt,
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=one,
            until_eos=until_eos,
        )
        samples.append(Sample(prompt, "".join(pieces), one))
    return samples
