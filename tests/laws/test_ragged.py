"""What lies behind a row's end is as if it were not there."""

from sunhwan.laws.ragged import (
    lengths_may_be_written_in_three_ways,
    padded_rows_are_rows_alone,
    padding_changes_nothing,
    rows_of_no_steps,
)
from tests.cases import each_backend, each_end, each_shape


@each_backend
def test_padding_changes_nothing(case):
    if case.layers == 1 or case.backend == "reference":
        padding_changes_nothing(case)


@each_backend
def test_padded_rows_are_rows_alone(case):
    padded_rows_are_rows_alone(case)


@each_shape
def test_both_directions_see_no_padding(case):
    both = case.but(bidirectional=True)
    padding_changes_nothing(both)
    padded_rows_are_rows_alone(both)


@each_shape
def test_lengths_may_be_written_in_three_ways(case):
    lengths_may_be_written_in_three_ways(case.but(backend=None))


@each_end
def test_rows_of_no_steps(case):
    rows_of_no_steps(case)
