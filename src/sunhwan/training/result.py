"""Result of a training: why it ended, and its best figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sunhwan.tasks import Baselines, Scores


@dataclass(frozen=True)
class Result:
    """How a training ended.

    stopped: "budget", "early stopping", "learned" or "interrupted"; best: the figures of the model that was
    kept, or None when there was no validation text; best_step: the step it is from. baselines: what
    simple methods reach on the same rows.
    """

    run: Path
    task: str
    steps: int
    tokens: int
    seconds: float
    stopped: str
    best: Scores | None
    best_step: int
    baselines: Baselines | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values, ready for JSON."""
        return {
            "run": str(self.run),
            "task": self.task,
            "steps": self.steps,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
            "best": None if self.best is None else self.best.to_dict(),
            "best_step": self.best_step,
            "baselines": None if self.baselines is None else self.baselines.to_dict(),
        }
