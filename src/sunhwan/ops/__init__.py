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
from sunhwan.ops.lazy_embedding import LazyEmbedding, folding_is_cheaper, materialised
from sunhwan.ops.precision import fast_products
from sunhwan.ops.reference import NO_STEP_MASKS, RecurrenceOutput, StepMasks
from sunhwan.ops.sampled_cross_entropy import sampled_cross_entropy

__all__ = [
    "BACKENDS",
    "NO_STEP_MASKS",
    "Choice",
    "LazyEmbedding",
    "RecurrenceOutput",
    "StepMasks",
    "backend_for",
    "choose",
    "fast_products",
    "folding_is_cheaper",
    "keep_freed_memory",
    "materialised",
    "output_cross_entropy",
    "recur",
    "recur_packed",
    "sampled_cross_entropy",
    "supports",
]
