"""The budget of a run in steps, passes or minutes, as a plan of steps and validations."""

import math
import time
from collections.abc import Callable

from sunhwan.config import TrainingConfig
from sunhwan.training.schedule import Plan

# Of a time budget: what the end takes; then, as shares of it, how far a plan may run over before it
# is shortened, how much it may leave unused before it is lengthened, when it is too late for that,
# and how much of the time left may go to validations.
END_SECONDS = 1.0
OVERRUN = 0.03
SPARE = 0.08
LATE = 0.15
VALIDATION_SHARE = 0.1


def plan_by_steps(config: TrainingConfig, steps_of: Callable[[float], int]) -> Plan:
    """The plan of a budget in steps or passes; without a total where only time ends the run.

    steps_of: how many steps so many passes are.
    """
    plan = Plan()
    if config.steps:
        plan.total = config.steps
    elif config.epochs:
        plan.total = steps_of(config.epochs)
    if plan.total is not None:
        plan.spread(config.validations, config)
    return plan


def time_to_measure(plan: Plan, config: TrainingConfig, step: int, seconds: float) -> bool:
    """On a time budget the first validation, after a twentieth of it, tells how fast this is."""
    return plan.total is None and step >= 5 and seconds > 60 * config.minutes / 20


def fit_to_clock(
    plan: Plan,
    config: TrainingConfig,
    step: int,
    seconds: float,
    seconds_per_step: float,
    validation_seconds: float,
) -> bool:
    """Fit the steps to the time left after so many seconds; False where the plan fits it already."""
    budget = 60 * config.minutes
    # At the end: a checkpoint, the picture of the curves, the interpreter's exit.
    left = max(budget - seconds - END_SECONDS, 0.0)
    if plan.total is not None and plan.validate_every is not None:
        steps_left = plan.total - step
        # The last validation falls on the last step.
        validations = -(-steps_left // plan.validate_every)
        spare = left - steps_left * seconds_per_step - validations * validation_seconds
        late = left < LATE * budget
        if not steps_left or -OVERRUN * budget < spare < (budget if late else SPARE * budget):
            return False
    validations = math.ceil(config.validations * (1 - min(seconds / budget, 1)))
    validations = min(validations, max(1, int(VALIDATION_SHARE * left / validation_seconds)))
    training_seconds = left - validations * validation_seconds
    plan.total = step + max(1, int(training_seconds / seconds_per_step))
    plan.spread(math.ceil(validations / (1 - step / plan.total)), config)
    return True


class Speed:
    """Steps, tokens and seconds since this process began to train, validations left out."""

    def __init__(self) -> None:
        self.restart(0, 0)

    def restart(self, step: int, tokens: int) -> None:
        """Count from here."""
        self._step, self._tokens = step, tokens
        self._begun, self._paused = time.perf_counter(), 0.0

    def seconds_per_step(self, step: int, pause: float = 0.0) -> float:
        """The mean so far; `pause` seconds more were not training."""
        self._paused += pause
        return self._elapsed / max(step - self._step, 1)

    def tokens_per_second(self, tokens: int) -> float:
        """The mean so far."""
        return (tokens - self._tokens) / self._elapsed

    @property
    def _elapsed(self) -> float:
        return max(time.perf_counter() - self._begun - self._paused, 1e-6)
