"""Recurrent layers with state."""

from sunhwan.layers.connections import CONNECTIONS
from sunhwan.layers.layer import Masks, RecurrentLayer, mask
from sunhwan.layers.recurrent import MERGES, Recurrent, Traced, detach

__all__ = [
    "CONNECTIONS",
    "MERGES",
    "Masks",
    "Recurrent",
    "RecurrentLayer",
    "Traced",
    "detach",
    "mask",
]
