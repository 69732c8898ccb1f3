"""Progress of a measure, as the share of its work that is done."""

from collections.abc import Callable

Progress = Callable[[float], None]
"""Told from time to time which share, 0 … 1, of the work is done."""


def no_progress(done: float) -> None:
    """A `Progress` that says nothing."""
