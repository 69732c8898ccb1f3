"""The laws that every cell must obey, as functions: check your own cell with `check`."""

from sunhwan.laws.case import Case, fresh_parameters, random_state
from sunhwan.laws.compare import LawBroken, assert_equal, assert_identical, results
from sunhwan.laws.registry import LAWS, Law
from sunhwan.laws.verdicts import Verdict, check, verdict

__all__ = [
    "LAWS",
    "Case",
    "Law",
    "LawBroken",
    "Verdict",
    "assert_equal",
    "assert_identical",
    "check",
    "fresh_parameters",
    "random_state",
    "results",
    "verdict",
]
