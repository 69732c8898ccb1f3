"""However a sequence is cut, the numbers are the same: steps, chunks, resets."""

import pytest

from sunhwan.laws.sequences import (
    chunks_are_the_sequence,
    no_gradient_crosses_a_reset,
    resets_are_separate_sequences,
    resets_everywhere_and_nowhere,
    steps_are_the_sequence,
)
from tests.cases import ON_OTHERS, each_backend, each_pair, each_row


@each_row
def test_single_steps_are_the_sequence(case):
    steps_are_the_sequence(case)


@each_row
def test_resets_are_separate_sequences(case):
    resets_are_separate_sequences(case)


@pytest.mark.parametrize("case", ON_OTHERS, ids=str)
def test_resets_are_separate_sequences_on_every_backend(case):
    resets_are_separate_sequences(case)


@each_backend
def test_chunks_of_any_length_are_the_sequence(case):
    chunks_are_the_sequence(case)


@each_pair
def test_no_gradient_crosses_a_reset(case):
    no_gradient_crosses_a_reset(case)


@each_pair
def test_resets_everywhere_and_nowhere(case):
    resets_everywhere_and_nowhere(case)
