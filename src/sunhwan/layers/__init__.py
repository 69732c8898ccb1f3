"""Recurrent layers with state."""

from sunhwan.layers.attention import Attention
from sunhwan.layers.connections import CONNECTIONS
from sunhwan.layers.crf import CRF
from sunhwan.layers.layer import Look, Masks, RecurrentLayer, mask
from sunhwan.layers.pooling import Pooling
from sunhwan.layers.recurrent import MERGES, Recurrent, Traced, detach

__all__ = [
    "CONNECTIONS",
    "CRF",
    "MERGES",
    "Attention",
    "Look",
    "Masks",
    "Pooling",
    "Recurrent",
    "RecurrentLayer",
    "Traced",
    "detach",
    "mask",
]
