"""Job: one text that is read and written by the steps of a language model."""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.errors import NonFiniteError
from sunhwan.generation.offsets import TokenOffsets
from sunhwan.generation.prompt import Detokenizer, PromptContext, filters_for
from sunhwan.generation.sampling import NOT_FINITE, Sampling
from sunhwan.generation.stepper import FEW, RowRequest, RowResult, Stepper, draw_token
from sunhwan.generation.stop_strings import StopStrings
from sunhwan.text import Vocabulary


class TokenScore(NamedTuple):
    """Token with its log p in nats (None: not predicted), the likeliest ones, its place in the text."""

    token: int
    log_probability: float | None
    top: list[tuple[int, float]]
    offset: int


class JobUpdate(NamedTuple):
    """Growth of a text since the last update; finish: "stop" or "length" at its end, else None."""

    text: str
    scores: list[TokenScore]
    finish: str | None


class Job:
    """Text in the making: the tokens of a prompt are read, then others are drawn.

    A stepper's request comes from `request`, its result goes to `apply`, whatever the size of steps.

    Args:
        vocabulary: of the model.
        context: what is read, and what is not drawn.
        sampling: how the text goes on.
        stop_strings: strings before which it ends.
        top: None; or every drawn token is scored, with so many of the likeliest.
        echo: text that comes first: the prompt.
        offsets: where given, those of the prompt's tokens in that text: they are scored, too.
        read: so many of the tokens were read before, which led to `state`.
        keep_states: states after so many tokens are kept in `states`.
        keep_logits: whether the logits (V,) after the prompt are wanted, as `prompt_logits`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        context: PromptContext,
        sampling: Sampling,
        *,
        stop_strings: Sequence[str] = (),
        top: int | None = None,
        echo: str = "",
        offsets: Sequence[int] | None = None,
        read: int = 0,
        state: Any = None,
        keep_states: Sequence[int] = (),
        keep_logits: bool = False,
    ) -> None:
        self._filters = filters_for(sampling, context, vocabulary)
        self._ids, self._prompt = list(context.ids), len(context.ids)
        self._at, self._state = read, state
        self._left, self._top = sampling.length, top
        self._start = self._prompt - len(context.prompt_ids)
        self._prompt_offsets = None if top is None else offsets
        self._generator = torch.Generator().manual_seed(sampling.seed)
        self._text, self._stops = Detokenizer(vocabulary, context), StopStrings(stop_strings)
        self._offsets, self._length = TokenOffsets(vocabulary, len(echo)), 0
        self._keep_states, self._keep_logits = sorted(keep_states), keep_logits
        # The last token is not read where nothing is drawn from it or kept of it.
        self._unread = int(not (sampling.length or keep_states or keep_logits))
        self._parts, self._scores = [echo], list[TokenScore]()
        self._lock = threading.Lock()
        self._size = len(vocabulary)
        self.states: dict[int, Any] = {}
        self.prompt_logits: Tensor | None = None
        self.drawn = 0
        self.finish: str | None = None
        self.error: Exception | None = None
        if self._prompt_offsets is not None and not self._start and self._prompt and not read:
            self._scores.append(TokenScore(self._ids[0], None, [], self._prompt_offsets[0]))
        if not self._ids:
            self._begin_with_nothing()
        elif self._to_read < 1:
            self._end("length", "", [])

    @property
    def done(self) -> bool:
        """Whether nothing is left to be done."""
        return self.finish is not None or self.error is not None

    @property
    def is_only_reading(self) -> bool:
        """Whether more is left to be read than in a step beside others, and nothing of it scored."""
        return self._to_read > FEW and self._prompt_offsets is None

    @property
    def _to_read(self) -> int:
        return len(self._ids) - self._unread - self._at

    def request(self, reading: int, drawing: int) -> RowRequest:
        """The text's next step: it reads at most so many tokens and draws at most so many."""
        whole = self._at + self._to_read
        end = min([self._at + reading, whole, *(m for m in self._keep_states if m > self._at)])
        ids, last = self._ids[self._at : end], end == whole
        draws = 0
        if last:
            # More than one token would be read behind what is to be scored or kept.
            alone = self._top is not None or end in self._keep_states
            most = 1 if alone else max(1, drawing - len(ids) + 1)
            draws = min(self._left, most)
        scored = self._top is not None and (self._prompt_offsets is not None or last)
        logits = scored or (last and self._keep_logits and self.prompt_logits is None)
        uniforms = torch.rand(draws, dtype=torch.float64, generator=self._generator)
        return RowRequest(ids, self._state, uniforms, self._filters, logits)

    def apply(self, request: RowRequest, result: RowResult) -> None:
        """Go on from what the step of a request gave."""
        begun = self._at
        self._at, self._state = begun + len(request.ids), result.state
        if self._at in self._keep_states:
            self.states[self._at] = result.state
        scores: list[TokenScore] = []
        log_p = None
        if result.logits is not None:
            if self._keep_logits and self._at >= self._prompt and self.prompt_logits is None:
                self.prompt_logits = result.logits[-1].clone()
            if self._top is not None:
                found = log_probabilities(result.logits)
                scores, log_p = self._prompt_scores(begun, found), found[-1]
        self._extend(result.drawn, log_p, scores)
        if self.done:
            return
        if result.drawn:
            self._at = len(self._ids) - 1  # the others were read in their turn
        elif not self._left and not self._to_read:
            self._end("length", "", [])

    def update(self) -> JobUpdate:
        """What has come since the last time; also from another thread than the one of the steps."""
        with self._lock:
            text, self._parts = "".join(self._parts), []
            self._length += len(text)
            # Tokens whose text a stop string could still take back wait with it.
            ended = self.finish is not None
            ready = [s for s in self._scores if ended or s.offset < self._length]
            self._scores = self._scores[len(ready) :]
            return JobUpdate(text, ready, self.finish)

    def _extend(
        self, tokens: Sequence[int], log_p: Tensor | None, scores: list[TokenScore]
    ) -> None:
        """Drawn tokens follow. log_p (V,): of what a single one was drawn from, to be scored."""
        finish = None
        if tokens:
            self._filters = self._filters._replace(first=None)
            if tokens[-1] < 0:
                self.error = NonFiniteError(NOT_FINITE)
                return
            if tokens[-1] == self._filters.stop:
                tokens, finish = tokens[:-1], "stop"
        pieces = list(map(self._text.push, tokens))
        text, count = self._stops.push_all(pieces)
        self._ids += tokens[:count]
        self.drawn, self._left = self.drawn + count, self._left - count
        if log_p is not None and tokens:
            offset = self._offsets.push(tokens[0], pieces[0])
            scores.append(self._score(tokens[0], log_p[tokens[0]].item(), log_p, offset))
        if self._stops.hit:
            finish = "stop"
        elif tokens and not self._left:
            finish = finish or "length"
        if finish:
            self._end(finish, text, scores)
        elif text or scores:
            with self._lock:
                self._parts.append(text)
                self._scores += scores

    def _end(self, finish: str, text: str, scores: Sequence[TokenScore]) -> None:
        """The text ends, after a last piece of it."""
        if not self._stops.hit:
            text += self._stops.push(self._text.flush())
        if self._stops.hit:
            finish = "stop"
        else:
            text += self._stops.flush()
        with self._lock:
            self._parts.append(text)
            self._scores += scores
            if self._stops.hit:
                length = self._length + sum(map(len, self._parts))
                self._scores = [s for s in self._scores if s.offset < length]
            self.finish = finish

    def _prompt_scores(self, begun: int, found: Tensor) -> list[TokenScore]:
        """found (T, V): log p of what follows each of the tokens that were just read."""
        if self._prompt_offsets is None:
            return []
        places = range(max(begun + 1, self._start), min(begun + 1 + len(found), self._prompt))
        tokens = [self._ids[place] for place in places]
        rows = found[places.start - begun - 1 :][: len(places)]
        values = rows.gather(1, torch.tensor(tokens, dtype=torch.int64)[:, None])[:, 0].tolist()
        offsets = [self._prompt_offsets[place - self._start] for place in places]
        return list(map(self._score, tokens, values, rows, offsets))

    def _score(self, token: int, log_probability: float, log_p: Tensor, offset: int) -> TokenScore:
        top: list[tuple[int, float]] = []
        if self._top:
            values, tokens = log_p.topk(min(self._top, self._size))
            top = list(zip(tokens.tolist(), values.tolist(), strict=True))
        return TokenScore(token, log_probability, top, offset)

    def _begin_with_nothing(self) -> None:
        """Nothing is read: every token is as likely as any other."""
        self.prompt_logits = torch.zeros(self._size)
        if not self._left:
            self._end("length", "", [])
            return
        uniform = torch.rand(1, dtype=torch.float64, generator=self._generator).item()
        alike = torch.full((self._size,), -math.log(self._size), dtype=torch.float64)
        token = draw_token(self.prompt_logits, uniform, self._filters)
        self._extend([token], None if self._top is None else alike, [])


def log_probabilities(logits: Tensor) -> Tensor:
    """logits (T, V) → log p (T, V), float64; to the bit what `metrics.token_losses` is made of."""
    return torch.log_softmax(logits.double(), -1)


def advance(
    stepper: Stepper, jobs: Sequence[Job], drawing: int = FEW, reading: int | None = None
) -> float:
    """Take one step of each job, side by side; each draws at most so many tokens.

    reading: how many are read at most; None: few beside texts that are being written. Gives the
    seconds that the model took.
    """
    if reading is None:
        alone = all(job.is_only_reading for job in jobs)
        reading = stepper.reading_alone if alone else stepper.reading_beside
    requests = [job.request(reading, drawing) for job in jobs]
    since = time.perf_counter()
    results = stepper.run_rows(requests)
    seconds = time.perf_counter() - since
    for job, request, result in zip(jobs, requests, results, strict=True):
        job.apply(request, result)
    return seconds


def run(stepper: Stepper, jobs: Sequence[Job]) -> Iterator[None]:
    """Bring jobs to their end; yields after each step. Steps grow while they take little time.

    Raises NonFiniteError where the model's numbers are not finite.
    """
    drawing = 1
    while True:
        for job in jobs:
            if job.error is not None:
                raise job.error
        live = [job for job in jobs if not job.done]
        if not live:
            return
        if advance(stepper, live, drawing) < BETWEEN:
            drawing = min(2 * drawing, MOST)
        yield


BETWEEN, MOST = 0.05, 256
"""Seconds from which a step draws no more than the one before, and tokens that it draws at most."""
