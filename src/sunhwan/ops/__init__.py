"""The mathematics of the cells over time: one loop, one autograd function, one dispatcher."""

from sunhwan.ops.dispatch import BACKENDS, Choice, choose, recur
from sunhwan.ops.precision import fast_products

__all__ = ["BACKENDS", "Choice", "choose", "fast_products", "recur"]
