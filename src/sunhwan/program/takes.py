"""Indices of the operation `take`, as runs of consecutive numbers."""

from collections.abc import Sequence

import numpy as np

from sunhwan.program.operations import Numbers


def sources_of(sizes: Sequence[int], index: Numbers) -> tuple[Numbers, Numbers]:
    """Of sources of these sizes side by side: which one each place is in, and the place in it."""
    ends = np.cumsum(sizes)
    which = np.searchsorted(ends, index, "right")
    return which, index - (ends - np.asarray(sizes))[which]


def runs_of(sizes: Sequence[int], index: Numbers) -> list[tuple[int, int, int]]:
    """Of sources of these sizes side by side: which one, the first place in it, the count of each run."""
    if not len(index):
        return []
    which, local = sources_of(sizes, index)
    cuts = np.flatnonzero((np.diff(local) != 1) | (np.diff(which) != 0)) + 1
    begins = [0, *cuts.tolist()]
    return [
        (int(which[begin]), int(local[begin]), end - begin)
        for begin, end in zip(begins, [*begins[1:], len(index)], strict=True)
    ]
