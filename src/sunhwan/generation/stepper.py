"""One step of a language model for many texts at once, by the compiled engine or by PyTorch."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sunhwan.errors import NonFiniteError
from sunhwan.generation.engine import CHUNK, Engine, RowRequest
from sunhwan.generation.sampling import SamplingFilters, next_token_probabilities, sample_at
from sunhwan.models import LanguageModel

FEW = 8
"""Tokens that a text is given in one step: a few, for Python costs as much for one as for eight."""


class StepRequest(NamedTuple):
    """What one text wants: read ids (T ≥ 1) from a state, then draw a token for each uniform (n).

    state: None, the initial one. logits: whether those after each of ids are wanted.
    """

    ids: Sequence[int]
    state: Any
    uniforms: Tensor
    how: SamplingFilters
    logits: bool


class StepResult(NamedTuple):
    """What came of a step: the state after all that was read, the tokens, logits (T, V) or None.

    drawn: up to the first `stop`; −1 where the model's numbers are none. The last is not yet read.
    """

    state: Any
    drawn: list[int]
    logits: Tensor | None


class Stepper(ABC):
    """A model that takes steps. A state is never changed: a step makes another.

    What a text gets is the same to the last bit whatever texts are beside it.
    """

    alone: ClassVar[int]
    """Tokens that are read in one step where nobody waits for more than reading."""
    beside: ClassVar[int]
    """Tokens that are read in one step beside texts that are written."""

    @abstractmethod
    def step(self, steps: Sequence[StepRequest]) -> list[StepResult]:
        """A step of each text, side by side."""


class EngineStepper(Stepper):
    """By the compiled engine: the rows of one run, of which each goes its own way."""

    alone, beside = CHUNK, FEW

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def step(self, steps: Sequence[StepRequest]) -> list[StepResult]:
        V = self.engine.vocabulary_size
        turns = [
            RowRequest(
                torch.tensor(step.ids),
                self.engine.initial_state(1) if step.state is None else step.state.clone(),
                step.uniforms,
                step.how,
                torch.empty(len(step.ids), V) if step.logits else None,
            )
            for step in steps
        ]
        drawn = self.engine.run_rows(turns)
        return [
            StepResult(turn.state, _ended(tokens.tolist(), turn.how.stop), turn.logits)
            for turn, tokens in zip(turns, drawn, strict=True)
        ]


class ModelStepper(Stepper):
    """By PyTorch, one text after another: products over many rows may round otherwise than over one.

    lock: held during a step, for others look into the same model.
    """

    # As `next_token_logits` reads: products over fewer steps at once may round otherwise, too.
    alone = beside = 1024

    def __init__(self, model: LanguageModel, lock: threading.Lock) -> None:
        self.model, self._lock = model, lock

    @torch.no_grad()
    def step(self, steps: Sequence[StepRequest]) -> list[StepResult]:
        return [self._step(step) for step in steps]

    def _step(self, step: StepRequest) -> StepResult:
        with self._lock:
            logits, state = self.model(torch.tensor([step.ids]), step.state)
            drawn: list[int] = []
            ahead, how = logits[0, -1], step.how
            for uniform in step.uniforms.tolist():
                if drawn:
                    more, state = self.model(torch.tensor([drawn[-1:]]), state)
                    ahead, how = more[0, -1], step.how._replace(first=None)
                drawn.append(drawn_from(ahead, uniform, how))
                if drawn[-1] in (how.stop, -1):
                    break
        return StepResult(state, drawn, logits[0].clone() if step.logits else None)


def drawn_from(logits: Tensor, uniform: float, how: SamplingFilters) -> int:
    """The token that a number in [0, 1) draws from logits (V,); −1 where they are no numbers."""
    try:
        return sample_at(next_token_probabilities(logits, how), uniform)
    except NonFiniteError:
        return -1


def _ended(drawn: list[int], stop: int) -> list[int]:
    ends = [place for place, token in enumerate(drawn) if token in (stop, -1)]
    return drawn[: ends[0] + 1] if ends else drawn
