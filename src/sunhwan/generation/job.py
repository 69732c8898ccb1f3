"""A text that is read and written by steps of a language model."""

import math
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.errors import NonFiniteError
from sunhwan.generation.offsets import Offsets
from sunhwan.generation.prompt import PromptContext, Spelling, draws
from sunhwan.generation.sampling import NOT_FINITE, Sampling
from sunhwan.generation.stepper import FEW, StepRequest, StepResult, drawn_from
from sunhwan.generation.stop_strings import Stops
from sunhwan.text import Vocabulary


class Scored(NamedTuple):
    """A token, its log p in nats (None: it was not predicted), the likeliest, its place in the text."""

    token: int
    log_probability: float | None
    top: list[tuple[int, float]]
    offset: int


class News(NamedTuple):
    """What a text has grown by; finish: "stop" or "length" at its end, before that None."""

    text: str
    scores: list[Scored]
    finish: str | None


class Job:
    """One text: some tokens are read, then others are drawn.

    Args:
        vocabulary: of the model.
        beginning: what is read, and what is not drawn.
        sampling: how the text goes on.
        stops: strings before which it ends.
        top: None; or every drawn token is scored, with so many of the likeliest.
        shown: text that comes first: the prompt, where it is echoed.
        places: where given, those of the prompt's tokens in that text: they are scored, too.
        read: so many of the tokens were read before, which led to `state`.
        marks: states after so many tokens are kept in `states`.
        ahead: whether the logits (V,) after the last token are wanted, as `ahead`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        beginning: PromptContext,
        sampling: Sampling,
        *,
        stops: Sequence[str] = (),
        top: int | None = None,
        shown: str = "",
        places: Sequence[int] | None = None,
        read: int = 0,
        state: Any = None,
        marks: Sequence[int] = (),
        ahead: bool = False,
    ) -> None:
        self._how = draws(sampling, beginning, vocabulary)
        self._ids, self._prompt = list(beginning.ids), len(beginning.ids)
        self._at, self._state = read, state
        self._left, self._top = sampling.length, top
        self._lead = self._prompt - len(beginning.prompt_ids)
        self._places = None if top is None else places
        self._generator = torch.Generator().manual_seed(sampling.seed)
        self._spelling, self._stops = Spelling(vocabulary, beginning), Stops(stops)
        self._offsets, self._length = Offsets(vocabulary, len(shown)), 0
        self._marks, self._wants_ahead = sorted(marks), ahead
        self._scores: list[Scored] = []
        self._parts = [shown]
        self._lock = threading.Lock()
        self._size = len(vocabulary)
        self.states: dict[int, Any] = {}
        self.ahead: Tensor | None = None
        self.drawn = 0
        self.finish: str | None = None
        self.error: Exception | None = None
        if not self._ids:
            self._begin_with_nothing()

    @property
    def done(self) -> bool:
        """Whether nothing is left to be done."""
        return self.finish is not None or self.error is not None

    @property
    def is_only_reading(self) -> bool:
        """Whether more is left to be read than in a step beside others, and nothing of it scored."""
        return len(self._ids) - self._at > FEW and self._places is None

    def step(self, reading: int, drawing: int) -> StepRequest:
        """What the text wants next: at most so many tokens."""
        end = min(self._at + reading, len(self._ids))
        end = min([end, *(mark for mark in self._marks if mark > self._at)])
        ids, last = self._ids[self._at : end], end == len(self._ids)
        draws = 0
        if last:
            # More than one token would be read behind what is to be scored or kept.
            alone = self._top is not None or end in self._marks
            most = 1 if alone else max(1, drawing - len(ids) + 1)
            draws = min(self._left, most)
        scored = self._top is not None and (self._places is not None or last)
        logits = scored or (last and self._wants_ahead and self.ahead is None)
        uniforms = torch.rand(draws, dtype=torch.float64, generator=self._generator)
        return StepRequest(ids, self._state, uniforms, self._how, logits)

    def apply(self, step: StepRequest, stepped: StepResult) -> None:
        """Go on from what the step gave."""
        begun = self._at
        self._at, self._state = begun + len(step.ids), stepped.state
        if self._at in self._marks:
            self.states[self._at] = stepped.state
        ahead = None
        if stepped.logits is not None:
            if self._wants_ahead and self._at >= self._prompt and self.ahead is None:
                self.ahead = stepped.logits[-1].clone()
            if self._top is not None:
                found = torch.log_softmax(stepped.logits.double(), -1)
                self._score_prompt(begun, found)
                ahead = found[-1]
        for token in stepped.drawn:
            self._draw(token, ahead)
            if self.done:
                return
        if stepped.drawn:
            self._at = len(self._ids) - 1  # the others were read in their turn
        if not self._left and self._at == len(self._ids):
            self._end("length")

    def news(self) -> News:
        """What has come since the last time; asked from another thread."""
        with self._lock:
            text, self._parts = "".join(self._parts), []
            self._length += len(text)
            # Tokens whose text a stop string could still take back wait with it.
            ended = self.finish is not None
            ready = [s for s in self._scores if ended or s.offset < self._length]
            self._scores = self._scores[len(ready) :]
            return News(text, ready, self.finish)

    def _draw(self, token: int, ahead: Tensor | None) -> None:
        if token < 0:
            self.error = NonFiniteError(NOT_FINITE)
            return
        self._how = self._how._replace(first=None)
        if token == self._how.stop:
            self._end("stop")
            return
        piece = self._spelling.push(token)
        self.drawn, self._left = self.drawn + 1, self._left - 1
        self._ids.append(token)
        scored = None
        if ahead is not None:
            scored = self._scored(token, ahead, self._offsets.push(token, piece))
        text = self._stops.push(piece)
        self._tell(text, [] if scored is None else [scored])
        if self._stops.hit:
            self._end("stop")
        elif not self._left:
            self._end("length")

    def _end(self, finish: str) -> None:
        rest = "" if self._stops.hit else self._stops.push(self._spelling.flush())
        if self._stops.hit:
            finish = "stop"
        else:
            rest += self._stops.flush()
        with self._lock:
            self._parts.append(rest)
            if self._stops.hit:
                length = self._length + sum(map(len, self._parts))
                self._scores = [s for s in self._scores if s.offset < length]
            self.finish = finish

    def _tell(self, text: str, scores: Sequence[Scored]) -> None:
        with self._lock:
            self._parts.append(text)
            self._scores += scores

    def _score_prompt(self, begun: int, found: Tensor) -> None:
        """found (T, V): log p of what comes after each of the tokens that were just read."""
        if self._places is None:
            return
        scores = []
        if begun == 0 and not self._lead and self._prompt:
            scores.append(Scored(self._ids[0], None, [], self._places[0]))
        for k, row in enumerate(found):
            place = begun + k + 1
            if self._lead <= place < self._prompt:
                offset = self._places[place - self._lead]
                scores.append(self._scored(self._ids[place], row, offset))
        self._tell("", scores)

    def _scored(self, token: int, row: Tensor, offset: int) -> Scored:
        top: list[tuple[int, float]] = []
        if self._top:
            values, tokens = row.topk(min(self._top, self._size))
            top = list(zip(tokens.tolist(), values.tolist(), strict=True))
        return Scored(token, row[token].item(), top, offset)

    def _begin_with_nothing(self) -> None:
        """Nothing read: every token is as likely as any other."""
        self.ahead = torch.zeros(self._size)
        if not self._left:
            self._end("length")
            return
        uniform = torch.rand(1, dtype=torch.float64, generator=self._generator).item()
        alike = torch.full((self._size,), -math.log(self._size), dtype=torch.float64)
        token = drawn_from(self.ahead, uniform, self._how)
        self._draw(token, None if self._top is None else alike)
