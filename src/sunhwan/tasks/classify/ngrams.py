"""Fit the n-gram part of a classifier: logistic regression, also with a part of the rows left out."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sunhwan.models.ngrams import NgramLinear
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.pairs import share_of
from sunhwan.tasks.common.word_input import WordsKind

FOLDS = 5
CHUNK = 256
BUCKETS, WEIGHTS = 2**18, 2**22
"""At most, of one label and of all."""
WORDS, TOKENS = 2, 6
"""The longest n-grams, in words and in other tokens."""


def empty_part(kind: InputKind, buckets: int, labels: int) -> NgramLinear:
    """The part before it is fitted."""
    if isinstance(kind, WordsKind):
        return NgramLinear(buckets, labels, WORDS, kind.letters.tokens)
    return NgramLinear(buckets, labels, TOKENS)


def fit_ngrams(
    kind: InputKind, examples: Sequence[Example], labels: int
) -> tuple[NgramLinear, Tensor]:
    """The part fitted to all examples, and logits (n, L) of each example by a fit without it.

    Of its own rows a fit is too sure for a network to learn what it leaves, so each row has the logits
    of a fit to other rows (stacked generalisation, Wolpert 1992), in `FOLDS` parts that a hash of the
    question decides: equal ones are in one part.
    """
    codes = _codes(kind, examples)
    different = len(np.unique(np.concatenate(codes)))
    buckets = min(_power(2 * different), BUCKETS, max(_power(WEIGHTS // labels), 2))
    part = empty_part(kind, buckets, labels)
    counts = _counts(codes, buckets)
    targets = np.array([int(e.target) for e in examples if e.target is not None])
    frequency = math.log(1 + len(codes)) - np.log1p(counts.getnnz(0)) + 1
    part.frequency.copy_(torch.from_numpy(frequency))
    features = _scaled(counts, part.frequency.numpy())
    weight, bias = _regression(features, targets, labels)
    part.weight.copy_(torch.from_numpy(weight.T))
    part.bias.copy_(torch.from_numpy(bias))
    fold = np.array([int(FOLDS * share_of("\t".join(("fold", *e.raw)))) for e in examples])
    held_out = np.zeros((len(examples), labels), np.float32)
    for left_out in range(FOLDS):
        rows = fold == left_out
        weight, bias = _regression(features[~rows], targets[~rows], labels)
        held_out[rows] = features[rows] @ weight.T + bias
    return part, torch.from_numpy(held_out)


def _codes(kind: InputKind, examples: Sequence[Example]) -> list[Any]:
    """The codes of each example's n-grams."""
    probe, found = empty_part(kind, 1, 1), []
    for start in range(0, len(examples), CHUNK):
        batch = kind.collate([example.inputs[0] for example in examples[start : start + CHUNK]])
        found += [row[row >= 0].numpy() for row in probe.codes(batch)]
    return found


def _power(least: int) -> int:
    return 1 << max(least - 1, 1).bit_length()


def _counts(codes: Sequence[Any], buckets: int) -> Any:
    """How often each row (n) has an n-gram of each bucket, sparse (n, buckets)."""
    from scipy.sparse import csr_matrix

    starts = np.cumsum([0, *map(len, codes)])
    columns = np.concatenate(codes) % buckets
    shape = (len(codes), buckets)
    counts = csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape)
    counts.sum_duplicates()
    return counts


def _scaled(counts: Any, frequency: Any) -> Any:
    """The features of `NgramLinear`: each row divided by its norm, in which repeats count singly."""
    from scipy.sparse import diags

    norm = np.sqrt(counts @ np.square(frequency))
    return (
        (diags(1 / np.maximum(norm, 1e-6)) @ counts @ diags(frequency)).tocsr().astype(np.float32)
    )


def _regression(features: Any, targets: Any, labels: int) -> tuple[Any, Any]:
    """Weights (L, F) and biases (L) by scikit-learn; a label that no row has is never likely."""
    from sklearn.linear_model import LogisticRegression

    weight = np.zeros((labels, features.shape[1]), np.float32)
    present = np.unique(targets)
    bias = np.full(labels, -math.log(len(targets) + 1), np.float32)
    if len(present) == 1:
        bias[present] = 0
        return weight, bias
    model = LogisticRegression(C=STRENGTH, max_iter=200, tol=1e-3).fit(features, targets)
    if len(present) == 2:
        weight[present] = np.concatenate((-model.coef_, model.coef_)) / 2
        bias[present] = np.array((-model.intercept_[0], model.intercept_[0])) / 2
    else:
        weight[present], bias[present] = model.coef_, model.intercept_
    return weight, bias


STRENGTH = 30.0
"""C, the inverse of the penalty's weight."""
