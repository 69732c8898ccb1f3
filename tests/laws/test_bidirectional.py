"""The backward direction is a forward layer on each row turned around at its own end."""

from sunhwan.laws.bidirectional import backward_is_forward_reversed, directions_may_be_added
from tests.cases import Case, each_end, each_shape


@each_end
def test_the_backward_direction_is_a_forward_layer_on_reversed_rows(case):
    backward_is_forward_reversed(case)


@each_shape
def test_directions_may_be_added(case):
    directions_may_be_added(case.but(learned=True))


def test_on_other_backends():
    for case in (Case("lstm", backend="fused"), Case("minlstm", backend="scan")):
        backward_is_forward_reversed(case)
    backward_is_forward_reversed(Case("ugrnn", backend="unrolled", layers=2))
