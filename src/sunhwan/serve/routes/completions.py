"""Completions as OpenAI's clients ask for them: /v1/completions."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sunhwan.errors import SunhwanError
from sunhwan.generation import Job, PromptContext, Sampling, TokenScore
from sunhwan.generation.offsets import token_name, token_offsets
from sunhwan.serve.batching import Batcher
from sunhwan.serve.json_text import json_of
from sunhwan.serve.refusals import RefusedError, as_refusal, body_of
from sunhwan.serve.schemas import Completions
from sunhwan.serve.service import Service
from sunhwan.text import Vocabulary


class Order(NamedTuple):
    """A request as it is written: a job a choice, of which each prompt has n."""

    body: Completions
    seed: int
    batcher: Batcher
    vocabulary: Vocabulary
    jobs: list[Job]
    prompt_tokens: int


async def ordered(service: Service, body: Completions) -> Order:
    """What a request asks for; refused where it is more than the server does."""
    limits = service.limits
    batcher, vocabulary = (await service.loaded(body.model)).writing()
    prompts = _prompts(body)
    service.check(len(prompts), limits.prompts, "prompts")
    service.check(body.n, limits.n, "answers")
    service.check(body.max_tokens, limits.max_tokens, "tokens")
    seed = secrets.randbelow(2**31) if body.seed is None else body.seed

    def prepared() -> Order:
        contexts = [_context(vocabulary, prompt) for prompt in prompts]
        tokens = [len(context.prompt_ids) for context in contexts]
        service.check(max(tokens), limits.prompt, "tokens in a prompt", 413)
        jobs = [
            _job(vocabulary, context, body, seed + place * body.n + k)
            for place, context in enumerate(contexts)
            for k in range(body.n)
        ]
        return Order(body, seed, batcher, vocabulary, jobs, sum(tokens))

    return await asyncio.to_thread(prepared)


def _prompts(body: Completions) -> Sequence[str | list[int]]:
    prompt = body.prompt
    if not prompt and not isinstance(prompt, str):
        raise RefusedError(422, "prompt is an empty list: give a text", param="prompt")
    if isinstance(prompt, str):
        return [prompt]
    # A list of numbers is one prompt, as tokens.
    numbers = [token for token in prompt if isinstance(token, int)]
    return [numbers] if numbers else [one for one in prompt if not isinstance(one, int)]


def _context(vocabulary: Vocabulary, prompt: str | list[int]) -> PromptContext:
    if not isinstance(prompt, str):
        V = len(vocabulary)
        if any(token >= V for token in prompt):
            raise RefusedError(
                422, f"a token of the prompt is not one of 0 … {V - 1}", param="prompt"
            )
    return PromptContext.of(vocabulary, prompt)


def _job(vocabulary: Vocabulary, context: PromptContext, body: Completions, seed: int) -> Job:
    sampling = Sampling(
        length=body.max_tokens, temperature=body.temperature, top_k=body.top_k, top_p=body.top_p,
        seed=seed, until_eos=True,
    )  # fmt: skip
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    ids = context.prompt_ids
    return Job(
        vocabulary,
        context,
        sampling,
        stop_strings=stops,
        top=body.logprobs,
        echo=vocabulary.decode(ids) if body.echo else "",
        offsets=token_offsets(vocabulary, ids) if body.echo and body.logprobs is not None else None,
    )


async def answered(order: Order) -> bytes:
    """All of the answer, when it is written."""
    with order.batcher.writing(order.jobs) as writing:
        await writing.finished()

    def rendered() -> bytes:
        choices = [_choice(order, index) for index in range(len(order.jobs))]
        return json_of(_envelope(order) | {"choices": choices, "usage": _usage(order)})

    return await asyncio.to_thread(rendered)


async def streamed(order: Order) -> AsyncIterator[bytes]:
    """The answer in events, as it is written."""
    envelope = _envelope(order)
    with_usage = order.body.stream_options is not None and order.body.stream_options.include_usage
    if with_usage:
        envelope["usage"] = None
    ended: set[int] = set()
    with order.batcher.writing(order.jobs) as writing:
        async for _ in writing.steps():
            told = []
            for index in range(len(order.jobs)):
                if index in ended:
                    continue
                choice = _choice(order, index)
                if choice["finish_reason"]:
                    ended.add(index)
                elif not choice["text"] and not (choice["logprobs"] or {}).get("tokens"):
                    continue
                told.append(_event(envelope | {"choices": [choice]}))
            if told:
                yield b"".join(told)
    if with_usage:
        yield _event(envelope | {"choices": [], "usage": _usage(order)})
    yield b"data: [DONE]\n\n"


class Events(Response):
    """A stream of events; it begins with the first, so that what fails before has its status."""

    media_type = "text/event-stream"

    def __init__(self, service: Service, body: Completions) -> None:
        super().__init__()
        self._service, self._body = service, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def write(part: bytes, more: bool = True) -> None:
            nonlocal begun
            if not begun:
                begun = True
                headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": part, "more_body": more})

        async def work() -> None:
            async for event in streamed(await ordered(self._service, self._body)):
                await write(event)
            await write(b"", more=False)

        try:
            await self._service.attend(receive, work())
        except SunhwanError as error:
            if not begun:
                raise
            # The status is out already.
            await write(_event(body_of(as_refusal(error))), more=False)


def _envelope(order: Order) -> dict[str, Any]:
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": order.body.model,
        "seed": order.seed,
    }


def _choice(order: Order, index: int) -> dict[str, Any]:
    text, scores, finish = order.jobs[index].update()
    scored = order.body.logprobs is not None
    return {
        "text": text,
        "index": index,
        "logprobs": _log_probabilities(order.vocabulary, scores) if scored else None,
        "finish_reason": finish,
    }


def _log_probabilities(vocabulary: Vocabulary, scores: Sequence[TokenScore]) -> dict[str, Any]:
    """As OpenAI has it: of each token the likeliest, and itself."""
    tops: list[dict[str, float] | None] = []
    for token, log_probability, likeliest, _ in scores:
        if log_probability is None:
            tops.append(None)
            continue
        top: dict[str, float] = {}
        for one, value in [*likeliest, (token, log_probability)]:
            top.setdefault(token_name(vocabulary, one), value)
        tops.append(top)
    return {
        "tokens": [token_name(vocabulary, score.token) for score in scores],
        "token_logprobs": [score.log_probability for score in scores],
        "top_logprobs": tops,
        "text_offset": [score.offset for score in scores],
    }


def _usage(order: Order) -> dict[str, int]:
    written = sum(job.drawn for job in order.jobs)
    return {
        "prompt_tokens": order.prompt_tokens,
        "completion_tokens": written,
        "total_tokens": order.prompt_tokens + written,
    }


def _event(value: Any) -> bytes:
    return b"data: " + json_of(value) + b"\n\n"
