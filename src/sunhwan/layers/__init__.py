"""Recurrent layers with state."""

from sunhwan.layers.recurrent import Recurrent, RecurrentLayer

__all__ = ["Recurrent", "RecurrentLayer"]
