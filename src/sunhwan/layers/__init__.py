"""Recurrent layers with state."""

from sunhwan.layers.attention import Attention
from sunhwan.layers.connections import CONNECTIONS
from sunhwan.layers.crf import CRF
from sunhwan.layers.layer import Look, RecurrentLayer
from sunhwan.layers.observer import Call, Edit, Traced, joined, observing, observing_attention
from sunhwan.layers.pooling import Pooling
from sunhwan.layers.recurrent import MERGES, Recurrent
from sunhwan.layers.regularisation import Masks, mask
from sunhwan.layers.states import detach

__all__ = [
    "CONNECTIONS",
    "CRF",
    "MERGES",
    "Attention",
    "Call",
    "Edit",
    "Look",
    "Masks",
    "Pooling",
    "Recurrent",
    "RecurrentLayer",
    "Traced",
    "detach",
    "joined",
    "mask",
    "observing",
    "observing_attention",
]
