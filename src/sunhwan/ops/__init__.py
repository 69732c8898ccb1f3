"""The mathematics of the cells over time: one loop, one autograd function, one dispatcher."""

from sunhwan.ops.dispatch import BACKENDS, Choice, choose, recur, supports
from sunhwan.ops.precision import fast_products
from sunhwan.ops.reference import NO_NOISE, Noise, Outcome

__all__ = [
    "BACKENDS",
    "NO_NOISE",
    "Choice",
    "Noise",
    "Outcome",
    "choose",
    "fast_products",
    "recur",
    "supports",
]
