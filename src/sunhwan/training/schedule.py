"""Schedule: the step size over time, the number of steps of a run, and when to validate."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from sunhwan.config import TrainingConfig


@dataclass
class Plan:
    """How long a run is. On a time budget `total` is unknown until the speed was measured.

    total: steps in all. validate_every: steps between validations. Both are part of every
    checkpoint, so that a resumed run follows the same curve to the same end.
    """

    total: int | None = None
    validate_every: int | None = None

    def spread(self, validations: int, config: TrainingConfig) -> None:
        """Spread so many validations over the run, unless validate_every says otherwise."""
        assert self.total is not None
        steps = -(-self.total // max(validations, 1))
        self.validate_every = config.validate_every or max(1, steps)

    def validation_due(self, step: int) -> bool:
        """Whether to validate after this many steps; always at the end."""
        return step == self.total or (
            self.validate_every is not None and step % self.validate_every == 0
        )

    @property
    def log_every(self) -> int:
        """Steps between two lines of the log: about a thousand lines a run."""
        return max(1, (self.total or 0) // 1000)


@dataclass
class Schedule:
    """The factor on the learning rate: linear warm-up, then as the configuration says.

    cosine: ½(1 + cos πp) with p the share of the steps done (Loshchilov and Hutter 2017).
    plateau: multiplied by plateau_factor after plateau_patience validations without gain.
    """

    reduction: float = 1.0
    best: float = math.inf
    without_gain: int = 0

    def factor(self, step: int, plan: Plan, config: TrainingConfig) -> float:
        """The factor of the step-th step, counted from 0."""
        warmup = config.warmup if plan.total is None else min(config.warmup, plan.total // 10)
        if step < warmup:
            return (step + 1) / warmup
        if config.schedule == "plateau":
            return self.reduction
        if config.schedule == "constant" or plan.total is None:
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(plan.total - warmup, 1)))

    def validated(self, loss: float, config: TrainingConfig) -> None:
        """Take note of a validation loss, for the plateau."""
        if loss < self.best:
            self.best, self.without_gain = loss, 0
            return
        self.without_gain += 1
        if self.without_gain >= config.plateau_patience:
            self.reduction, self.without_gain = self.reduction * config.plateau_factor, 0

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint (JSON has no infinity)."""
        return {**asdict(self), "best": None if math.isinf(self.best) else self.best}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Schedule":
        """The schedule that `state()` described."""
        return cls(**{**state, "best": math.inf if state["best"] is None else state["best"]})
