"""Tiers of the tests: with `--quick` a case of each, by default all that tell something new, with
`--deep` the rest too.
"""

from collections.abc import Iterable
from typing import Any

import pytest

deep = pytest.mark.deep


def and_deep(cases: Iterable[Any], everything: Iterable[Any]) -> list[Any]:
    """The cases, and for the deep tier those of `everything` besides; a tuple has several arguments."""
    first = list(cases)
    rest = [
        case if isinstance(case, tuple) else (case,) for case in everything if case not in first
    ]
    return [*first, *(pytest.param(*case, marks=deep) for case in rest)]
