"""Recurrent layers with state."""

from sunhwan.layers.recurrent import Recurrent, RecurrentLayer, detach

__all__ = ["Recurrent", "RecurrentLayer", "detach"]
