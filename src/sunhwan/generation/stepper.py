"""Stepper: one step of a language model for many texts, by the compiled engine or by PyTorch."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.errors import NonFiniteError
from sunhwan.generation.sampling import SamplingFilters, next_token_probabilities, sample_at
from sunhwan.models import LanguageModel
from sunhwan.models.mode import evaluating

FEW = 8
"""Tokens of a text in one step beside others: Python costs as much for one as for eight."""

PART = 1024
"""Tokens that PyTorch reads at once. Products over fewer steps at once may round otherwise."""


class RowRequest(NamedTuple):
    """Step of one text: read ids (T ≥ 1), then draw a token for each uniform number (n), float64.

    state: None, the initial one; a step never changes it. logits: whether those after each of ids are
    wanted.
    """

    ids: Sequence[int]
    state: Any
    uniforms: Tensor
    filters: SamplingFilters
    logits: bool = False


class RowResult(NamedTuple):
    """Result of a step: the state after all that was read, the tokens drawn, logits (T, V) or None.

    drawn: up to the first `stop` of the filters; −1 where the logits are not finite. The last one is
    not read yet.
    """

    state: Any
    drawn: list[int]
    logits: Tensor | None


class Stepper(Protocol):
    """Model that takes steps: what a text gets is the same to the last bit whatever is beside it."""

    reading_alone: int
    """Tokens that are read in one step while no text beside is being written."""
    reading_beside: int
    """Tokens that are read in one step beside texts that are being written."""
    gains_from_rows: bool
    """Whether texts side by side are faster than one after another."""

    def run_rows(self, requests: Sequence[RowRequest]) -> list[RowResult]:
        """Take a step of each text, side by side."""
        ...


class ModelStepper:
    """Stepper by PyTorch, one text after another: products over several rows may round otherwise.

    lock: held during the step of a text, for others look into the same model.
    """

    reading_alone = reading_beside = PART
    gains_from_rows = False

    def __init__(
        self, model: LanguageModel, lock: AbstractContextManager[Any] | None = None
    ) -> None:
        self.model = model
        self._lock = lock or nullcontext()

    def run_rows(self, requests: Sequence[RowRequest]) -> list[RowResult]:
        """Take a step of each text, one after another."""
        return [self._run(request) for request in requests]

    def logits(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        """ids (T), state → logits (T, V), state."""
        logits, state = self.model(ids.unsqueeze(0), state)
        return logits[0], state

    @torch.no_grad()
    def _run(self, request: RowRequest) -> RowResult:
        device, filters = self.model.like.device, request.filters
        drawn: list[int] = []
        with self._lock, evaluating(self.model):
            logits, state = self.logits(torch.tensor(request.ids, device=device), request.state)
            following = logits[-1]
            for uniform in request.uniforms.tolist():
                if drawn:
                    more, state = self.logits(torch.tensor(drawn[-1:], device=device), state)
                    following, filters = more[-1], filters._replace(first=None)
                drawn.append(draw_token(following, uniform, filters))
                if drawn[-1] in (filters.stop, -1):
                    break
        return RowResult(state, drawn, logits.cpu() if request.logits else None)


def draw_token(logits: Tensor, uniform: float, filters: SamplingFilters) -> int:
    """The token that a number in [0, 1) draws from logits (V,); −1 where they are not finite."""
    try:
        return sample_at(next_token_probabilities(logits, filters), uniform)
    except NonFiniteError:
        return -1


@torch.no_grad()
def next_token_logits(
    model: LanguageModel, ids: Sequence[int], state: list[State] | None = None
) -> tuple[Tensor, list[State]]:
    """Let the model read ids: the logits (V,) of the token after the last one, and the state.

    Nothing read: every token is as likely as any other.
    """
    like = model.like
    logits = like.new_zeros(1, 1, model.vocabulary_size)
    state = model.initial_state(1) if state is None else state
    row = torch.tensor([list(ids)], dtype=torch.int64, device=like.device)
    for start in range(0, len(ids), PART):
        logits, state = model(row[:, start : start + PART], state)
    return logits[0, -1].clone(), state
