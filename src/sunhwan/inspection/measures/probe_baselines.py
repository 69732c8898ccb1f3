"""Baselines of probes: untrained networks and shifted features, and the score they reach by chance."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student

from sunhwan.inspection.subjects import Subject, subject_of

LEVEL = 0.01
"""How often, of all features together, one may pass by chance."""


def untrained(subject: Subject, seed: int) -> Subject:
    """The same model with fresh random weights; no other random number is touched."""
    task = subject.task
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        twin = type(task).restored(task.config, task.preprocessing())
    twin.model.to(next(task.model.parameters()))
    return subject_of(twin)


def chance_of(best: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    r"""The score that no control is likely to reach, of each feature, (F).

    best: of each kind of control (K, F), the strongest |correlation| of any unit in K controls.

    .. math:: \tanh\Bigl(\max_k z_k + t_{1 - 0.01/F} \cdot s \sqrt{1 + 1/K}\Bigr), \quad
              z = \operatorname{artanh} \text{best}

    the upper end of the prediction interval of one more control (Student's t), though begun at the
    largest of them, not their mean. z has about the same spread wherever it lies (Fisher 1915). s is
    the spread of the feature's own controls or, where larger, that of all features together.
    """
    levels = []
    for scores in best:
        K, F = scores.shape
        z = np.arctanh(np.clip(scores, 0, 1 - 1e-9))
        variance = z.var(0, ddof=1)
        spread = np.sqrt(np.maximum(variance, variance.mean()))
        reach = student.ppf(1 - LEVEL / F, F * (K - 1)) * math.sqrt(1 + 1 / K)
        levels.append(z.max(0) + reach * spread)
    chance: NDArray[np.float64] = np.tanh(np.maximum.reduce(levels))
    return chance
