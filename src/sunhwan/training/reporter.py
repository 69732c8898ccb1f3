"""Reporter: the events of a training as methods, all of which do nothing here."""

from dataclasses import dataclass
from typing import Any

from sunhwan.progress import Progress
from sunhwan.tasks import Scores


@dataclass(frozen=True)
class StepReport:
    """One step: its mean loss (nats a token), gradient norm, and how far the run is."""

    step: int
    total: int | None
    loss: float
    grad_norm: float
    clipped: bool
    learning_rate: float
    epoch: float
    seconds: float
    tokens_per_second: float
    budget_seconds: float | None


class Reporter:
    """The base of all displays: every method may be overridden, none must be."""

    def reading(self, progress: Progress) -> None:
        """The corpus is being read, before training starts."""

    def begin(self, facts: dict[str, Any]) -> None:
        """Training starts or resumes; facts describe corpus, model and device."""

    def step(self, report: StepReport) -> None:
        """A step was made."""

    def validated(self, step: int, scores: Scores, improved: bool) -> None:
        """The model was scored on the validation text."""

    def sample(self, text: str) -> None:
        """The model wrote something."""

    def say(self, message: str) -> None:
        """Something worth a line happened."""

    def of_pretraining(self) -> "Reporter":
        """The reporter of a language model that is trained before the task: by default the same."""
        return self

    def failed(self) -> None:
        """An error ends the training, no interruption; `end` follows."""

    def end(self) -> None:
        """Training is over, or an exception is on its way, that of `begin` as well."""
