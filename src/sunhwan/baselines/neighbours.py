"""Baseline of tasks that write: the answer to the most similar question of training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def nearest_texts(known: Sequence[str], asked: Sequence[str]) -> list[int]:
    """For each text asked the place of the known one with the most alike TF-IDF vector of characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    try:
        rows = vectorizer.fit_transform(known)
    except ValueError:  # nothing but spaces
        return [0] * len(asked)
    likeness = vectorizer.transform(asked) @ rows.T
    return [int(place) for place in np.asarray(likeness.argmax(1)).ravel()]


def nearest_vectors(known: NDArray[np.floating], asked: NDArray[np.floating]) -> list[int]:
    """For each vector asked the place of the known one at the least Euclidean distance."""
    squares = np.square(known).sum(1)
    return [int((squares - 2 * known @ vector).argmin()) for vector in asked]


def nearest_of_each(
    known: Sequence[str], groups: Sequence[Sequence[str]], asked: Sequence[str]
) -> list[int]:
    """For each text asked the place, in its own group, of the text with the most alike TF-IDF vector.

    known: the texts that say how rare each piece of a word is.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    vectorizer.fit(known)
    questions = vectorizer.transform(asked)
    texts = vectorizer.transform([text for group in groups for text in group])
    found, start = [], 0
    for row, group in enumerate(groups):
        likeness = texts[start : start + len(group)] @ questions[row].T
        found.append(int(likeness.toarray().argmax()))
        start += len(group)
    return found
