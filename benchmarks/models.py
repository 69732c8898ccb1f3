"""Trained models of the kind that a benchmark is about."""

from pathlib import Path

from sunhwan.api import Predictor, load


def predictor_of(run: Path) -> Predictor:
    """The model of a run that was trained for any task but the language model."""
    found = load(run)
    assert isinstance(found, Predictor)
    return found
