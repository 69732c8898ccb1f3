"""Review of a classifier: confusions, how true its confidence is, mistakes, probable label errors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sunhwan.calibration import Bin, calibration_error, reliability
from sunhwan.metrics import confusion
from sunhwan.tasks.classify.scores import ClassifyScores
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.results import Listing, Review

SHOWN = 10


def review(
    scores: ClassifyScores,
    found: Tensor,
    targets: Tensor,
    data: Sequence[Example],
    labels: Sequence[str],
) -> Review:
    """The review of examples with their log probabilities (n, L) and right labels (n)."""
    guesses = found.argmax(-1)
    table = confusion(targets.tolist(), guesses.tolist(), len(labels))
    confidence = found.exp().amax(-1)
    bins = reliability(confidence.tolist(), (guesses == targets).tolist())
    error = calibration_error(bins)
    surprise = -found.gather(1, targets.unsqueeze(1)).squeeze(1)
    wrong = [p for p in surprise.argsort(descending=True).tolist() if guesses[p] != targets[p]]
    doubtful = label_errors(found, targets)

    def row(place: int) -> tuple[str, ...]:
        guess = f"{labels[int(guesses[place])]} {confidence[place]:.2f}"
        example = data[place]
        return example.where, labels[int(targets[place])], guess, " | ".join(example.raw)

    counts = [(label, *(f"{n:,}" for n in table[i])) for i, label in enumerate(labels)]
    listings = [
        Listing("confusions: a row is what it is", ("", *labels), counts),
        _reliability(bins),
    ]
    columns = ("where", "is", "said to be", "read")
    for title, places in (
        ("the most surprising mistakes", wrong),
        ("probable errors of labels", doubtful),
    ):
        if places:
            listings.append(Listing(title, columns, [row(place) for place in places[:SHOWN]]))
    values = {
        "labels": list(labels),
        "confusion": table,
        "calibration_error": error,
        "reliability": [b._asdict() for b in bins],
        "label_errors": [
            {
                "where": data[place].where,
                "label": labels[int(targets[place])],
                "rather": labels[int(guesses[place])],
                "probability": confidence[place].item(),
            }
            for place in doubtful
        ],
    }
    figures = [*scores.table(), ("calibration error", f"{error:.4f}")]
    return Review(scores, listings, values, figures)


def label_errors(found: Tensor, targets: Tensor) -> list[int]:
    """Examples whose label is probably wrong, the surest first (confident learning, Northcutt et al. 2021).

    found: log probabilities (n, L) by a model that did not learn from them; targets (n). The model gives
    another label, and is as sure of it as it is on average of the examples that have it.
    """
    p = found.exp()
    guesses = p.argmax(-1)
    usual = torch.full((p.shape[1],), torch.inf, dtype=p.dtype)
    for label in set(targets.tolist()):
        usual[label] = p[targets == label, label].mean()
    best = p.amax(-1)
    doubtful = (guesses != targets) & (best >= usual[guesses])
    margin = best - p.gather(1, targets.unsqueeze(1)).squeeze(1)
    order = margin.argsort(descending=True, stable=True)
    return [place for place in order.tolist() if doubtful[place]]


def _reliability(bins: Sequence[Bin]) -> Listing:
    rows = [(f"{b.confidence:.3f}", f"{b.accuracy:.3f}", f"{b.examples:,}") for b in bins]
    return Listing(
        "confidence and how often it is right", ("confidence", "right", "there are"), rows
    )
