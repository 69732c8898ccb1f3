"""Training: one loop, its budget, its optimisers and its guard."""

from sunhwan.training.reporter import Reporter, StepReport
from sunhwan.training.result import Result
from sunhwan.training.rolling import rolling_origins
from sunhwan.training.start import resume, train
from sunhwan.training.trainer import Trainer

__all__ = ["Reporter", "Result", "StepReport", "Trainer", "resume", "rolling_origins", "train"]
