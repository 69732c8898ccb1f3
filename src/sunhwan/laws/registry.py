"""All laws by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sunhwan.cells import Cell
from sunhwan.laws import (
    backends,
    bidirectional,
    gradients,
    inside,
    ragged,
    row_independence,
    saving,
    sequences,
    stateful,
    steps,
    traces,
)
from sunhwan.laws.case import Case

Cases = Callable[[Case], Iterator[Case]]


def plain(case: Case) -> Iterator[Case]:
    """One layer with biases and two without, on the reference or where there is none unrolled."""
    yield case
    yield case.but(bias=False, learned=True, layers=2)


def one(case: Case) -> Iterator[Case]:
    """One layer."""
    yield case


def deep(case: Case) -> Iterator[Case]:
    """Two layers whose initial state is learned."""
    yield case.but(learned=True, layers=2)


def each_backend(case: Case) -> Iterator[Case]:
    """Every implementation of one layer, and two layers without biases."""
    for backend in case.backends:
        yield case.but(backend=backend)
    yield case.but(bias=False, learned=True, layers=2)


def always(cell: Cell) -> bool:
    """Every cell."""
    return True


@dataclass(frozen=True)
class Law:
    """A law: a property that every cell must have, and the function that measures it.

    run: raises LawBroken, or gives the largest deviation, which is at most `bound`; None where
        nothing is measured. applies: to which cells; `unless` says why not to others.
    cases: the options that `check` runs it with.
    """

    name: str
    statement: str
    run: Callable[[Case], float | None]
    bound: float = 0.0
    cases: Cases = one
    applies: Callable[[Cell], bool] = always
    unless: str = ""


NO_BACKWARD = "the step has two products and no backward of its own"

LAWS: tuple[Law, ...] = (
    Law(
        "gradients",
        "gradients are those of finite differences, and no parameter goes unused",
        gradients.gradients,
        gradients.BOUND,
        plain,
    ),
    Law(
        "gradients with resets",
        "gradients are those of finite differences where rows start anew inside the sequence",
        gradients.gradients_with_resets,
        gradients.BOUND,
        deep,
    ),
    Law(
        "jacobian",
        "every element of the Jacobian is that of finite differences",
        gradients.jacobian,
        gradients.JACOBIAN,
    ),
    Law(
        "pieces of a step",
        "the backward of a step is the derivative of its forward, piece by piece",
        steps.step_pieces,
        steps.BOUND,
        one,
        steps.has_step_backward,
        NO_BACKWARD,
    ),
    Law(
        "saturated step",
        "the backward of a step holds with saturated gates",
        steps.step_pieces_saturated,
        steps.BOUND,
        one,
        steps.has_step_backward,
        NO_BACKWARD,
    ),
    Law(
        "steps together",
        "the backward of all steps at once is that of every step alone",
        steps.steps_together,
        steps.BOUND,
        one,
        steps.has_step_backward,
        NO_BACKWARD,
    ),
    Law(
        "step backward",
        "step_backward is the derivative of step",
        steps.step_backward,
        steps.BOUND,
        plain,
        steps.has_step_backward,
        NO_BACKWARD,
    ),
    Law(
        "program",
        "the step traced as a list of operations computes what the step computes",
        steps.program_is_the_step,
        steps.BOUND,
        plain,
        steps.has_program,
        "the step cannot be traced as a program",
    ),
    Law(
        "derived backward",
        "the backward by hand is the one derived from the forward",
        backends.derived_is_by_hand,
        backends.BOUND,
        plain,
        backends.has_two_backwards,
        "there is only one backward step",
    ),
    Law(
        "backends",
        "all implementations give the same numbers",
        backends.backends_agree,
        backends.BOUND,
        plain,
    ),
    Law(
        "float32",
        "float32 is float64 but for its rounding",
        backends.float32_is_near,
        backends.BOUND32,
    ),
    Law(
        "scan",
        "the parallel scan is the loop of steps, long and saturated",
        backends.scan_is_the_loop,
        backends.BOUND,
        one,
        backends.is_linear,
        "not a linear recurrence",
    ),
    Law(
        "steps",
        "single steps are the sequence",
        sequences.steps_are_the_sequence,
        sequences.BOUND,
        plain,
    ),
    Law(
        "chunks",
        "a sequence in chunks is the sequence",
        sequences.chunks_are_the_sequence,
        sequences.BOUND,
        each_backend,
    ),
    Law(
        "resets",
        "a row with resets is its pieces run apart",
        sequences.resets_are_separate_sequences,
        sequences.BOUND,
        each_backend,
    ),
    Law(
        "resets cut",
        "no gradient crosses a reset",
        sequences.no_gradient_crosses_a_reset,
        cases=plain,
    ),
    Law(
        "resets everywhere",
        "resets at every step make every step a sequence of its own",
        sequences.resets_everywhere_and_nowhere,
        sequences.BOUND,
    ),
    Law(
        "nan",
        "a NaN stays in its row, bit for bit",
        row_independence.nan_stays_in_its_row,
        cases=each_backend,
    ),
    Law(
        "nan in float32",
        "a NaN stays in its row, bit for bit, in float32",
        row_independence.nan_stays_in_its_row_in_float32,
    ),
    Law(
        "permuted rows",
        "rows in another order give the same in that order",
        row_independence.rows_may_be_permuted,
        row_independence.BOUND,
        each_backend,
    ),
    Law(
        "rows alone",
        "a row alone is the row in a batch",
        row_independence.a_row_alone_is_the_row_in_a_batch,
        row_independence.BOUND,
        each_backend,
    ),
    Law(
        "sum over rows",
        "the gradient of the parameters is the sum over rows",
        row_independence.parameters_gather_all_rows,
        row_independence.BOUND,
        each_backend,
    ),
    Law(
        "nothing to read",
        "no rows or no steps leave the state as it was",
        row_independence.nothing_to_read,
        cases=each_backend,
    ),
    Law(
        "padding",
        "nothing behind a row's end changes anything, bit for bit",
        ragged.padding_changes_nothing,
        cases=each_backend,
    ),
    Law(
        "padded rows",
        "a padded row is the row without its padding",
        ragged.padded_rows_are_rows_alone,
        ragged.BOUND,
        each_backend,
    ),
    Law(
        "lengths",
        "lengths are a list, a tensor or a mask",
        ragged.lengths_may_be_written_in_three_ways,
        ragged.BOUND,
    ),
    Law(
        "rows of no steps",
        "rows of length 0 keep their state and have no gradient",
        ragged.rows_of_no_steps,
    ),
    Law(
        "saving",
        "weights saved and loaded are the same bits",
        saving.saving_loses_nothing,
        cases=plain,
    ),
    Law(
        "stateful",
        "the carried state is the explicit one, bit for bit",
        stateful.stateful_is_explicit,
        cases=plain,
    ),
    Law(
        "stateful gradient",
        "no gradient crosses a call",
        stateful.no_gradient_crosses_calls,
        cases=deep,
    ),
    Law(
        "set and reset",
        "set_state and reset_state say where the next call starts",
        stateful.set_and_reset,
        cases=deep,
    ),
    Law(
        "stateless",
        "without stateful mode nothing is carried",
        stateful.stateless_carries_nothing,
        cases=deep,
    ),
    Law(
        "trace",
        "a trace gives what a run gives",
        traces.trace_is_the_run,
        traces.BOUND,
        each_backend,
    ),
    Law(
        "traced states",
        "the traced state of a step is the last one of a run that ends there",
        traces.traced_states_are_those_of_prefixes,
        traces.BOUND,
        each_backend,
    ),
    Law(
        "traced gates",
        "gates have names of their own, and go over time as the states do",
        traces.traced_gates_have_names,
        cases=each_backend,
    ),
    Law(
        "traced gradient",
        "traced states carry their gradient",
        traces.traced_states_carry_their_gradient,
        traces.BOUND,
        each_backend,
    ),
    Law(
        "backward direction",
        "the backward direction is a forward layer on the row turned around",
        bidirectional.backward_is_forward_reversed,
        bidirectional.BOUND,
    ),
    Law(
        "added directions",
        "the summed backward direction is a forward layer on the row turned around",
        bidirectional.directions_may_be_added,
        bidirectional.BOUND,
        deep,
    ),
    Law(
        "gradients inside",
        "gradients are finite differences under zoneout, recurrent dropout, weight drop",
        inside.gradients_inside,
        gradients.BOUND,
    ),
    Law(
        "masks",
        "zoneout and dropout inside are the plain loop with the masks that were drawn",
        inside.masks_are_the_loop,
        inside.BOUND,
        each_backend,
    ),
    Law("no rate", "a rate near 0 is none", inside.no_rate_is_nothing, inside.NEAR),
    Law(
        "evaluation",
        "evaluation draws nothing: no dropout, the mean of zoneout",
        inside.evaluation_draws_nothing,
        inside.BOUND,
        each_backend,
    ),
)
