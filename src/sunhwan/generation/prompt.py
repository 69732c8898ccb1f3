"""Prompt: what a model reads before it writes, and the text of the tokens that follow it."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor

from sunhwan.generation.sampling import Sampling, SamplingFilters
from sunhwan.text import Vocabulary

DECODER_LOOKBACK = 8
"""Of so many last tokens a decoder knows what is still open: a syllable, a character, a line."""


class PromptContext(NamedTuple):
    """Context of a text: the tokens read before it, and those not drawn, ever or first; bool (V).

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
        tail = prompt_ids[-DECODER_LOOKBACK:]
        decoder = vocabulary.decoder()
        certain = "".join(map(decoder.push, tail))
        never, first = torch.zeros(2, len(vocabulary), dtype=torch.bool)
        if vocabulary.unk_id is not None:
            never[vocabulary.unk_id] = True
        # The prompt's last syllable is as it is meant, so the first token is none that changes it.
        held = vocabulary.decode(tail)[len(certain) :]
        if held:
            first[_growing(vocabulary, prompt_ids[-len(held) * 3 :])] = True
        return cls(
            [*start_tokens(vocabulary, prompt_ids), *prompt_ids], never, first, prompt_ids, held
        )


def filters_for(
    sampling: Sampling, context: PromptContext, vocabulary: Vocabulary
) -> SamplingFilters:
    """The filters that the tokens of a text are drawn with, from its first one on."""
    eos = vocabulary.eos_id if sampling.until_eos else None
    stop = -1 if eos is None else eos
    options = sampling.temperature, sampling.top_k, sampling.top_p
    return SamplingFilters(*options, stop, context.never, context.first)


class Detokenizer:
    """Drawn tokens → their text, each piece as soon as it is certain, the prompt's not included."""

    def __init__(self, vocabulary: Vocabulary, context: PromptContext) -> None:
        self._decoder, self._held = vocabulary.decoder(), context.held
        for token in context.prompt_ids[-DECODER_LOOKBACK:]:
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


def _growing(vocabulary: Vocabulary, ids: Sequence[int]) -> list[int]:
    """The tokens that would change the text of these ids if they came next."""
    text = vocabulary.decode(ids)
    following = range(len(vocabulary))
    return [token for token in following if not vocabulary.decode([*ids, token]).startswith(text)]


def start_tokens(vocabulary: Vocabulary, prompt: Sequence[int] = ()) -> list[int]:
    """The tokens that a model reads before a text, so that its first token can be predicted.

    EOS, with which every document begins, where the vocabulary has one. Otherwise, before an empty
    prompt, a line break; nothing where the vocabulary has none.
    """
    if vocabulary.eos_id is not None:
        return [vocabulary.eos_id]
    newline = vocabulary.encode("\n").tolist()
    known = bool(newline) and newline[0] != vocabulary.unk_id
    return newline if known and not prompt else []
