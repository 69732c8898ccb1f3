"""The rows of a batch know nothing of each other."""

from sunhwan.laws.row_independence import (
    a_row_alone_is_the_row_in_a_batch,
    nan_stays_in_its_row,
    nan_stays_in_its_row_in_float32,
    nothing_to_read,
    parameters_gather_all_rows,
    rows_may_be_permuted,
)
from tests.cases import each_backend, each_end


@each_backend
def test_a_nan_stays_in_its_row(case):
    nan_stays_in_its_row(case)


@each_end
def test_a_nan_stays_in_its_row_in_float32(case):
    nan_stays_in_its_row_in_float32(case.but(backend=None))


@each_backend
def test_rows_may_be_permuted(case):
    rows_may_be_permuted(case)


@each_backend
def test_a_row_alone_is_the_row_in_a_batch(case):
    a_row_alone_is_the_row_in_a_batch(case)


@each_backend
def test_the_gradient_of_the_parameters_is_the_sum_over_rows(case):
    parameters_gather_all_rows(case)


@each_backend
def test_nothing_to_read(case):
    nothing_to_read(case)
