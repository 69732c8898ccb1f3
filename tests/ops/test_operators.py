"""The operators as PyTorch checks them: schema, autograd, fake tensors, compilation."""

import pytest
import torch
from torch.autograd import forward_ad

from sunhwan.cells import CELLS
from sunhwan.errors import ShapeError
from sunhwan.ops import native, operators
from tests.kernels.problems import Shape, built, given

pytestmark = built


@pytest.mark.parametrize(("hold", "drop"), [(None, False), ("mixed", True)])
@pytest.mark.parametrize("name", ["elman", "gru_reset_before", "lstm", "mingru", "lstm_layer_norm"])
def test_opcheck_finds_nothing(name, hold, drop):
    posed = given(Shape(name, 4, 2, 5, 3, hold=hold, drop=drop), torch.float64)
    a = posed.a.clone().requires_grad_()
    step_masks = posed.step_masks
    arguments = (
        name, CELLS[name].kernel_constant, a, None, None, posed.b, list(posed.loop.values()),
        list(posed.state), list(step_masks.hold or ()), step_masks.drop, None, False,
    )  # fmt: skip
    found = torch.library.opcheck(torch.ops.sunhwan.recurrence.default, arguments)
    assert set(found.values()) == {"SUCCESS"}


def lstm(rows: int = 3) -> native.Inputs:
    """An LSTM in float64, with gradients."""
    draw = torch.Generator().manual_seed(3)

    def leaf(*sizes: int) -> torch.Tensor:
        return torch.randn(sizes, generator=draw, dtype=torch.float64).requires_grad_()

    loop, state = [leaf(5, 20), None, None], [leaf(rows, 5), leaf(rows, 5)]
    return native.Inputs(
        "lstm", 0.0, leaf(4, rows, 2), None, leaf(2, 20), leaf(20), loop, state, [], None, None
    )


def output(inputs: native.Inputs, x: torch.Tensor) -> torch.Tensor:
    return operators.recurrence(inputs._replace(x=x))[0]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_the_operator_itself_under_transforms():
    inputs = lstm()
    x, d = inputs.x.detach(), torch.ones_like(inputs.x)
    wanted = torch.autograd.functional.jvp(
        lambda x: operators.unrolled(inputs._replace(x=x))[0], x, d
    )
    found = torch.func.jvp(lambda x: output(inputs, x), (x,), (d,))
    torch.testing.assert_close(found, wanted)
    with forward_ad.dual_level(), torch.no_grad():
        dual = output(inputs, forward_ad.make_dual(x, d))
        torch.testing.assert_close(forward_ad.unpack_dual(dual).tangent, wanted[1])
    several = torch.stack((x, 2 * x, -x))
    alone = torch.stack([output(inputs, one) for one in several])
    with torch.no_grad():
        torch.testing.assert_close(torch.vmap(lambda x: output(inputs, x))(several), alone)
    slope = torch.func.grad(lambda x: output(inputs, x).square().sum())
    by_rows = torch.vmap(slope)(several)
    torch.testing.assert_close(by_rows, torch.stack([slope(one) for one in several]))


@pytest.mark.parametrize("broken", ["missing", "narrow", "float32"])
def test_what_a_backward_pass_is_given_is_checked(broken):
    inputs = lstm()
    states = [torch.zeros(4, 3, 5, dtype=torch.float64) for _ in range(2)]
    kept = [torch.zeros(4, 3, 20, dtype=torch.float64)]
    if broken == "missing":
        kept = []
    elif broken == "narrow":
        kept = [kept[0][..., :10].contiguous()]
    else:
        states[1] = states[1].float()
    given = [states[0], None], [None, None], [True] * 3
    with torch.no_grad(), pytest.raises(ShapeError):
        torch.ops.sunhwan.recurrence_backward(*inputs, states, kept, *given)


def test_memory_that_was_freed_is_refused():
    inputs = lstm()
    inputs.loop[0].untyped_storage().resize_(0)
    with torch.no_grad(), pytest.raises(ShapeError, match="freed"):
        operators.recurrence(inputs)


def freed(value: torch.Tensor) -> torch.Tensor:
    copy = value.detach().clone()
    copy.untyped_storage().resize_(0)
    return copy


@pytest.mark.parametrize(
    "broken",
    [
        lambda i: i._replace(x=freed(i.x)),
        lambda i: i._replace(W_x=i.W_x.detach().to("meta")),
        lambda i: i._replace(name="lstm_projected"),
        lambda i: i._replace(name="lstm_multiplicative"),
        lambda i: i._replace(name="rglru"),
        lambda i: i._replace(loop=i.loop[:2]),
        lambda i: i._replace(loop=[None, *i.loop[1:]]),
        lambda i: i._replace(initial=i.initial[:1]),
        lambda i: i._replace(initial=[i.initial[0][0], i.initial[1]]),
        lambda i: i._replace(hold=[torch.zeros(4, 3, 1, dtype=torch.float64)]),
        lambda i: i._replace(counts=torch.tensor([12])),
    ],
)
def test_what_a_kernel_would_read_wrongly_is_refused(broken):
    with torch.no_grad(), pytest.raises(ShapeError):
        operators.recurrence(broken(lstm()))
