"""Comparison: settings crossed with seeds, trained one after the other and measured on the same rows."""

from sunhwan.comparison.beside import beside
from sunhwan.comparison.measures import Measured, compare_runs, ranked
from sunhwan.comparison.runs import Plan, train_all
from sunhwan.comparison.variants import Variant, cross, with_parameters

__all__ = [
    "Measured",
    "Plan",
    "Variant",
    "beside",
    "compare_runs",
    "cross",
    "ranked",
    "train_all",
    "with_parameters",
]
