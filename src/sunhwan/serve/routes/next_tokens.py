"""Next tokens of a text that is being typed: /api/next."""

import asyncio
from typing import Any

import torch
from torch import Tensor

from sunhwan.generation import (
    DECODER_LOOKBACK,
    PromptContext,
    Sampling,
    SamplingFilters,
    next_token_probabilities,
)
from sunhwan.generation.job import Job
from sunhwan.serve.models import Loaded
from sunhwan.serve.schemas import Next
from sunhwan.serve.service import Service
from sunhwan.serve.sessions import marks
from sunhwan.text import Vocabulary


async def continued(service: Service, loaded: Loaded, body: Next) -> dict[str, Any]:
    """The next tokens by their probability, and how the text could go on."""
    batcher, vocabulary = loaded.writing()
    service.check(body.length, service.limits.max_tokens, "tokens")
    name, session = loaded.sessions.find(body.session)

    def prepared() -> tuple[PromptContext, Job, int]:
        context = PromptContext.of(vocabulary, body.text)
        ids = context.ids
        service.check(len(context.prompt_ids), service.limits.prompt, "tokens in a text", 413)
        read, state = session.resumed(ids)
        sampling = Sampling(
            length=body.length, temperature=body.temperature, top_k=body.top_k, top_p=body.top_p,
            seed=body.seed, until_eos=True,
        )  # fmt: skip
        kept = [mark for mark in marks(len(ids)) if mark > read]
        job = Job(
            vocabulary, context, sampling,
            stop_strings=["\n"], read=read, state=state, keep_states=kept, keep_logits=True,
        )  # fmt: skip
        return context, job, len(ids) - read

    context, job, read = await asyncio.to_thread(prepared)
    with batcher.writing([job]) as writing:
        await writing.finished()
    loaded.sessions.keep(name, session.grown(context.ids, job.states))
    logits = job.prompt_logits
    assert logits is not None

    def offered() -> dict[str, Any]:
        # Who types may let the last syllable grow, which the completion leaves as it is.
        filters = SamplingFilters(body.temperature, body.top_k, body.top_p, -1, context.never)
        probabilities, tokens = _likeliest(logits, filters, body.count)
        log_p = torch.log_softmax(logits.double(), -1)
        return {
            "session": name,
            "read": read,
            "candidates": [
                {
                    "text": vocabulary.decode([token]),
                    "label": vocabulary.display(token),
                    "whole": _grown(vocabulary, context, token),
                    "probability": probability,
                }
                for probability, token in zip(probabilities, tokens, strict=True)
            ],
            "entropy": -(log_p.exp() * log_p).nansum().item(),
            "completion": job.update().text,
        }

    return await asyncio.to_thread(offered)


def _grown(vocabulary: Vocabulary, context: PromptContext, token: int) -> str | None:
    """The text's last character as the token would change it; None where it would not."""
    if not context.first[token]:
        return None
    ids = context.prompt_ids[-DECODER_LOOKBACK:]
    return vocabulary.decode([*ids, token])[len(vocabulary.decode(ids)) - len(context.held) :]


def _likeliest(
    logits: Tensor, filters: SamplingFilters, count: int
) -> tuple[list[float], list[int]]:
    """The tokens that may be drawn, the likeliest first: their probabilities and their ids."""
    values, tokens = next_token_probabilities(logits, filters).sort(descending=True, stable=True)
    some = min(count, int((values > 0).sum()))
    return values[:some].tolist(), tokens[:some].tolist()
