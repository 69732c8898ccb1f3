"""Series that can be forecast: those with numbers to go on from; of others it is said."""

from collections.abc import Sequence

import numpy as np

from sunhwan.data import Series
from sunhwan.errors import DataError
from sunhwan.tasks.forecast.layout import Layout
from sunhwan.tasks.forecast.tracks import Track

FEWEST = 2
"""Numbers of a series from which on its future has a width: one alone tells no scale."""


def with_numbers(tracks: Sequence[Track], series: Series) -> list[Track]:
    """The tracks with numbers to go on from. DataError: none has."""
    found = [track for track in tracks if (~np.isnan(track.values)).sum() >= FEWEST]
    if not found:
        raise _without_numbers(series)
    return found


def answerable(found: Sequence[Series], layout: Layout) -> tuple[list[Series], tuple[str, ...]]:
    """The series with numbers in any column that is forecast, and a note on those without.

    DataError: none has numbers.
    """
    kept, lacking = list[Series](), list[str]()
    for series in found:
        count = len(series.columns) - len(layout.inputs) - len(layout.future)
        enough = (~np.isnan(series.values[:, :count])).sum(0) >= FEWEST
        if enough.any():
            kept.append(series)
        key = ", ".join(cell for _, cell in series.key)
        lacking += [
            key or name for name, there in zip(series.columns, enough, strict=False) if not there
        ]
    if found and not kept:
        raise _without_numbers(found[0])
    if not lacking:
        return kept, ()
    return kept, (
        f"{len(lacking):,} series with fewer than two numbers are left out, the first {lacking[0]}",
    )


def _without_numbers(series: Series) -> DataError:
    return DataError(
        f"{series.name}: each series has fewer than two numbers, which tell no scale to forecast it in; "
        "give more rows of it"
    )
