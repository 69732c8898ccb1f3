"""The mathematics of the cells over time: one loop, one autograd function, one dispatcher."""

from sunhwan.ops.allocation import keep_freed_memory
from sunhwan.ops.cross_entropy import output_cross_entropy
from sunhwan.ops.dispatch import (
    BACKENDS,
    Choice,
    backend_for,
    choose,
    recur,
    recur_packed,
    supports,
)
from sunhwan.ops.embedded import Embedded, materialised, pays
from sunhwan.ops.precision import fast_products
from sunhwan.ops.reference import NO_NOISE, Noise, Outcome
from sunhwan.ops.sampled_cross_entropy import sampled_cross_entropy

__all__ = [
    "BACKENDS",
    "NO_NOISE",
    "Choice",
    "Embedded",
    "Noise",
    "Outcome",
    "backend_for",
    "choose",
    "fast_products",
    "keep_freed_memory",
    "materialised",
    "output_cross_entropy",
    "pays",
    "recur",
    "recur_packed",
    "sampled_cross_entropy",
    "supports",
]
