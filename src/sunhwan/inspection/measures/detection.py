"""Detection by a threshold: precision, recall, F1 and AUC of one number."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Numbers = NDArray[np.float64]


class Detection(NamedTuple):
    """Of what a threshold found, the share that was right, and of what there was, the share found.

    f1: their harmonic mean. auc: how often a value where it is so lies beyond one where it is not,
    equal ones counted half, which is the area under the ROC curve (Hanley and McNeil 1982).
    """

    precision: float
    recall: float
    f1: float
    auc: float


def best_threshold(values: Numbers, truth: NDArray[np.bool_]) -> float:
    """The threshold over which values mean true with the best F1; −∞ where nothing is true."""
    order = np.argsort(-values, kind="stable")
    ordered, right = values[order], np.cumsum(truth[order])
    # One cannot cut between equal values.
    ends = np.flatnonzero(np.append(ordered[1:] < ordered[:-1], True))
    if not truth.any():
        return -np.inf
    f1 = 2 * right[ends] / (ends + 1 + truth.sum())
    end = int(ends[f1.argmax()])
    below = ordered[end + 1] if end + 1 < len(ordered) else ordered[end] - 1
    return float((ordered[end] + below) / 2)


def detection(values: Numbers, truth: NDArray[np.bool_], threshold: float) -> Detection:
    """Scores of a threshold: values over it mean true. There must be true ones and others."""
    found = values > threshold
    hits, positives = int((found & truth).sum()), int(truth.sum())
    negatives = len(truth) - positives
    ranks = rankdata(values)[truth].sum() - positives * (positives + 1) / 2
    return Detection(
        hits / max(int(found.sum()), 1),
        hits / positives,
        2 * hits / (int(found.sum()) + positives),
        float(ranks / (positives * negatives)),
    )
