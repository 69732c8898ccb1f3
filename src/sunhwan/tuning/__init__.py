"""Tuning: settings searched by trials of training, judged on validation (Optuna; sunhwan[tune])."""

from sunhwan.tuning.space import Choice, Range, default_space, parse_space
from sunhwan.tuning.study import Study, Trial

__all__ = ["Choice", "Range", "Study", "Trial", "default_space", "parse_space"]
