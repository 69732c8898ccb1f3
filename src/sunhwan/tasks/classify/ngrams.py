"""Fit the n-gram part of a classifier: logistic regression, also with a part of the rows left out."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.models.ngrams import NgramLinear
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.pairs import share_of
from sunhwan.tasks.common.word_input import WordsKind

FOLDS = 5
CHUNK = 256
BUCKETS, WEIGHTS = 2**18, 2**22
"""At most, of one label and of all."""
REPEATED, ROOM = 2, 32
"""Rows of an n-gram that counts, and buckets for each such n-gram: others rarely fall into the same."""
PRIOR, FLOOR = 2.0, 0.1
"""Rows of the labels' shares among all, beside those of an n-gram; nats that even an idle n-gram has."""
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
    rows = _rows(_codes(kind, examples), labels)
    targets = np.array([int(e.target) for e in examples if e.target is not None])
    fold = np.array([int(FOLDS * share_of("\t".join(("fold", *e.raw)))) for e in examples])
    held_out = np.zeros((len(examples), labels), np.float32)
    strength, held_out[fold == 0] = _strength(rows, targets, labels, fold != 0)
    for left_out in range(1, FOLDS):
        asked = fold == left_out
        found = _fitted(rows.some(~asked), targets[~asked], labels, strength)
        held_out[asked] = _logits(rows.counts[asked], *found)
    part = empty_part(kind, rows.counts.shape[1], labels)
    importance, weight, bias = _fitted(rows, targets, labels, strength)
    part.frequency.copy_(torch.from_numpy(importance))
    part.weight.copy_(torch.from_numpy(weight.T))
    part.bias.copy_(torch.from_numpy(bias))
    return part, torch.from_numpy(held_out)


class GramCounts(NamedTuple):
    """How often each of n rows has each of D n-grams, and each of F buckets; sparse.

    grams (n, D). bucket (D): that of each n-gram. counts (n, F).
    """

    grams: Any
    bucket: Any
    counts: Any

    def some(self, asked: Any) -> "GramCounts":
        return GramCounts(self.grams[asked], self.bucket, self.counts[asked])


def _rows(codes: Sequence[Any], labels: int) -> GramCounts:
    """The codes of each row's n-grams, counted."""
    starts = np.cumsum([0, *map(len, codes)])
    different, columns = np.unique(np.concatenate(codes), return_inverse=True)
    grams = _counts(starts, columns, len(different))
    repeated = int((grams.getnnz(0) >= REPEATED).sum())
    buckets = min(_power(ROOM * repeated), BUCKETS, max(_power(WEIGHTS // labels), 2))
    bucket = different % buckets
    return GramCounts(grams, bucket, _counts(starts, bucket[columns], buckets))


def _strength(rows: GramCounts, targets: Any, labels: int, known: Any) -> tuple[float, Any]:
    """The first of `STRENGTHS` whose next is worse on the other rows when fitted to the known ones.

    Also what that fit says of the others (n, L).
    """
    best, said, least = STRENGTHS[0], None, math.inf
    asked = torch.from_numpy(targets[~known])
    for strength in STRENGTHS:
        found = _fitted(rows.some(known), targets[known], labels, strength)
        logits = _logits(rows.counts[~known], *found)
        nats = functional.cross_entropy(torch.from_numpy(logits), asked).item()
        if said is not None and not nats < least:
            break
        best, said, least = strength, logits, nats
    return best, said


def _logits(counts: Any, importance: Any, weight: Any, bias: Any) -> Any:
    """What a fit says of rows (n, L)."""
    return _scaled(counts, importance) @ weight.T + bias


def _fitted(rows: GramCounts, targets: Any, labels: int, strength: float) -> tuple[Any, Any, Any]:
    """Importances (F), weights (L, F) and biases (L), fitted to these rows alone.

    A bucket without an n-gram of `REPEATED` rows has importance 0: such n-grams tell nothing of others and
    would only make the norm larger, most of rows of which most was never seen.
    """
    kept = np.unique(rows.bucket[rows.grams.getnnz(0) >= REPEATED])
    counts = rows.counts[:, kept]
    importance, weight = (np.zeros((k, rows.counts.shape[1]), np.float32) for k in (1, labels))
    importance[0, kept] = _importance(counts, targets, labels)
    features = _scaled(counts, importance[0, kept])
    weight[:, kept], bias = _regression(features, targets, labels, strength)
    return importance[0], weight, bias


def _importance(counts: Any, targets: Any, labels: int) -> Any:
    r"""The factor of each n-gram (F): idf · sqrt(`FLOOR` + what it tells of the label), in nats.

    .. math:: \sum_l p(l|g) \log\frac{p(l|g)}{p(l)}, \quad p(l|g) = \frac{n_{gl} + m\,p(l)}{n_g + m}

    where n counts rows and m is `PRIOR`: weights of terms by their classes (Debole and Sebastiani 2003).
    """
    from scipy.sparse import csr_matrix

    ones = np.ones(len(targets), np.float64)
    members = csr_matrix((ones, (targets, np.arange(len(targets)))), (labels, len(targets)))
    found = (members @ (counts > 0)).toarray()
    prior = np.bincount(targets, minlength=labels)[:, None] / max(len(targets), 1)
    share = (found + PRIOR * prior) / (found.sum(0) + PRIOR)
    told = (share * np.log(np.maximum(share, 1e-12) / np.maximum(prior, 1e-12))).sum(0)
    return (math.log(1 + len(targets)) - np.log1p(counts.getnnz(0)) + 1) * np.sqrt(FLOOR + told)


def _codes(kind: InputKind, examples: Sequence[Example]) -> list[Any]:
    """The codes of each example's n-grams."""
    probe, found = empty_part(kind, 1, 1), []
    for start in range(0, len(examples), CHUNK):
        batch = kind.collate([example.inputs[0] for example in examples[start : start + CHUNK]])
        found += [row[row >= 0].numpy() for row in probe.codes(batch)]
    return found


def _power(least: int) -> int:
    return 1 << max(least - 1, 1).bit_length()


def _counts(starts: Any, columns: Any, different: int) -> Any:
    """How often each row has each column, sparse: those of row k stand between `starts` k and k + 1."""
    from scipy.sparse import csr_matrix

    values = np.ones(len(columns), np.float32)
    counts = csr_matrix((values, columns, starts), (len(starts) - 1, different))
    counts.sum_duplicates()
    return counts


def _scaled(counts: Any, importance: Any) -> Any:
    """The features of `NgramLinear`: each row divided by its norm, in which repeats count singly."""
    from scipy.sparse import diags

    norm = np.sqrt(counts @ np.square(importance))
    return (
        (diags(1 / np.maximum(norm, 1e-6)) @ counts @ diags(importance)).tocsr().astype(np.float32)
    )


def _regression(features: Any, targets: Any, labels: int, strength: float) -> tuple[Any, Any]:
    """Weights (L, F) and biases (L) by scikit-learn; a label that no row has is never likely."""
    from sklearn.linear_model import LogisticRegression

    weight = np.zeros((labels, features.shape[1]), np.float32)
    present, rows = np.unique(targets, return_counts=True)
    bias = np.full(labels, -math.log(len(targets) + 1), np.float32)
    if len(present) < 2 or not features.shape[1]:
        bias[present] = np.log(rows / len(targets))
        return weight, bias
    model = LogisticRegression(C=strength, max_iter=MOST_STEPS, tol=1e-4).fit(features, targets)
    if len(present) == 2:
        weight[present] = np.concatenate((-model.coef_, model.coef_)) / 2
        bias[present] = np.array((-model.intercept_[0], model.intercept_[0])) / 2
    else:
        weight[present], bias[present] = model.coef_, model.intercept_
    return weight, bias


STRENGTHS, MOST_STEPS = (10.0, 20.0, 40.0), 200
"""C, the inverse of the penalty's weight, and the most steps of the solver."""
