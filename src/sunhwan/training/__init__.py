"""Training: one loop, its budget, its optimisers and its guard."""

from sunhwan.training.reporter import Reporter
from sunhwan.training.start import resume, train
from sunhwan.training.trainer import Result, Trainer

__all__ = ["Reporter", "Result", "Trainer", "resume", "train"]
