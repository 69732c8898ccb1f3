"""The nearest known question to each new one, by its kind of input."""

from collections.abc import Sequence

import numpy as np

from sunhwan.baselines.neighbours import nearest_texts, nearest_vectors
from sunhwan.tasks.common.examples import Example


def nearest_of(kind: str, known: Sequence[Example], asked: Sequence[Example]) -> list[int] | None:
    """For each example asked the place of the nearest known one; None for kinds without a distance."""
    if kind in ("text", "words"):
        texts = ([" ".join(example.raw[:-1]) for example in some] for some in (known, asked))
        return nearest_texts(*texts)
    if kind == "vector":
        vectors = (np.stack([e.inputs[0].numpy().ravel() for e in some]) for some in (known, asked))
        return nearest_vectors(*vectors)
    return None
