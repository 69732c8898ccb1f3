"""Embedding space: nearest neighbours of a word vector, analogies, and a map of all in the plane."""

import difflib
import unicodedata
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sunhwan.errors import ShapeError, UsageError, listed
from sunhwan.text.decoding import normalize

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

_COMPONENTS = 50
_ENOUGH = 50  # points, below which t-SNE has no neighbourhoods to keep


def neighbours(
    words: Sequence[str], values: Floats, query: str | Floats, n: int = 10
) -> list[tuple[str, float]]:
    """The n words whose vectors point most nearly where the query does, with their cosines.

    The nearest comes first, of equals the first in the table. A vector of zeros points nowhere:
    its cosine is 0.

    Args:
        words: one word for each row of `values`.
        values: (n_words, D).
        query: a word, which is left out of the answer, or a vector (D,).

    Raises:
        UsageError: the word is not among the words, or n is less than 1.
        ShapeError: values, words and query do not fit each other.
    """
    values = _table(values)
    if len(words) != len(values):
        raise ShapeError(f"There are {len(words)} words, but {len(values)} vectors.")
    if n < 1:
        raise UsageError(f"n is {n}, but it must be at least 1.")
    left_out = -1
    if isinstance(query, str):
        left_out = _place(words, query)
        query = values[left_out]
    query = np.asarray(query)
    if query.shape != values.shape[1:]:
        raise ShapeError(
            f"The query has the shape {query.shape}, but the vectors {values.shape[1:]}."
        )
    cosines = _units(values) @ _units(query[None])[0]
    order = np.argsort(-cosines, kind="stable")
    order = order[order != left_out][:n]
    return [(words[i], float(np.clip(cosines[i], -1, 1))) for i in order]


def analogy(
    words: Sequence[str], values: Floats, a: str, b: str, c: str, n: int = 10
) -> list[tuple[str, float]]:
    """The n words that are to c as b is to a: those nearest to b − a + c, of unit vectors.

    Mikolov et al. 2013 ("Linguistic regularities in continuous space word representations"); a, b
    and c are no answers. UsageError as of `neighbours`.
    """
    places = [_place(words, word) for word in (a, b, c)]
    first, second, third = _units(_table(values))[places]
    found = neighbours(words, values, second - first + third, n + 3)
    given = {words[place] for place in places}
    return [(word, cosine) for word, cosine in found if word not in given][:n]


def map_2d(values: Floats) -> npt.NDArray[np.float64]:
    """Vectors (n, D) → points in the plane (n, 2), the same every time.

    From 50 points on t-SNE (van der Maaten & Hinton 2008) of the first 50 principal components,
    which keeps neighbours together but not distances; of fewer points the two principal components.

    Raises:
        ShapeError: values is not a table.
        UsageError: it holds NaN or infinity.
    """
    values = _table(values).astype(np.float64)
    if not np.isfinite(values).all():
        raise UsageError("The vectors hold NaN or infinity; leave those rows out.")
    n, size = values.shape
    if n < 2 or not np.ptp(values, axis=0).any():
        return np.zeros((n, 2))
    from sklearn.decomposition import PCA

    tsne = n >= _ENOUGH
    components = min(n, size, _COMPONENTS if tsne else 2)
    reduced = PCA(components, random_state=0).fit_transform(values)
    if components == 1:
        reduced = np.column_stack([reduced, np.zeros(n)])
    return np.asarray(_tsne(reduced) if tsne else reduced, np.float64)


def _tsne(values: Floats) -> Floats:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    tsne = TSNE(perplexity=min(30.0, len(values) / 5), init="pca", random_state=0)
    # Threads add their sums in any order, and t-SNE makes much of the last digit.
    with threadpool_limits(1, user_api="openmp"):
        points: Floats = tsne.fit_transform(values)
    return points


def _table(values: Floats) -> Floats:
    values = np.asarray(values)
    if values.ndim != 2:
        raise ShapeError(f"The vectors must be a table (n, D), not of shape {values.shape}.")
    return values


def _units(values: Floats) -> Floats:
    """The rows, each of length 1; zeros stay."""
    values = values.astype(np.promote_types(values.dtype, np.float32), copy=False)
    # Divided by its greatest number first, no row overflows when squared.
    greatest = np.abs(values).max(axis=1, keepdims=True, initial=0)
    values = values / np.where(greatest > 0, greatest, 1)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    units: Floats = values / np.where(lengths > 0, lengths, 1)
    return units


def _place(words: Sequence[str], word: str) -> int:
    word = normalize(word)
    try:
        return words.index(word)
    except ValueError:
        pass
    if len(word) > 1 and word.isalpha() and not any(len(w) > 1 and w.isalpha() for w in words):
        some = listed([known for known in words if known.isalpha()] or words, 6)
        raise UsageError(
            f"{word!r} is no single letter: this model reads letters, such as {some}, and has neighbours "
            "of these alone"
        )
    # Spelled out in letters, for a wrong vowel makes another syllable.
    spelled = {unicodedata.normalize("NFD", known): known for known in words}
    close = difflib.get_close_matches(unicodedata.normalize("NFD", word), spelled, n=1)
    if close:
        raise UsageError(
            f"there is no {word!r} among the {len(words):,} tokens: did you mean {spelled[close[0]]!r}?"
        )
    some = listed(words[:: max(1, len(words) // 6)], 6)
    raise UsageError(
        f"there is no {word!r} among the {len(words):,} tokens, which are such as {some}"
    )
