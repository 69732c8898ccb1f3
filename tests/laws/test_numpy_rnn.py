"""The NumPy network against finite differences, and against the layer: two independent writings."""

import numpy as np
import pytest
import torch

from sunhwan.cells import HiddenState
from sunhwan.errors import ShapeError, UsageError
from sunhwan.layers import Recurrent
from sunhwan.numpy_rnn import RNN, TimeRNN
from tests.cases import D, H, N, T

BOUND, BLOCKS = 1e-12, 4


def parameters():
    draw = np.random.default_rng(0)
    return draw.normal(size=(D, H)), draw.normal(size=(H, H)), draw.normal(size=H)


def numeric(loss, array, step=1e-6):
    """Central differences of a number, element by element."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + step
        above = loss()
        array[index] = kept - step
        below = loss()
        array[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient


def near(got, wanted, bound=BOUND):
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= bound
    assert np.abs(wanted).max() > 1e-6, "nothing was compared"


def rnn_differences() -> None:
    draw = np.random.default_rng(1)
    x, h_prev, weight = draw.normal(size=(N, D)), draw.normal(size=(N, H)), draw.normal(size=(N, H))
    rnn = RNN(*parameters())
    rnn.forward(x, h_prev)
    dx, dh_prev = rnn.backward(weight)
    grads = rnn.grads

    def loss():
        return float((weight * rnn.forward(x, h_prev)).sum())

    arrays = (x, h_prev, rnn.Wx, rnn.Wh, rnn.b)
    for gradient, array in zip((dx, dh_prev, *grads), arrays, strict=True):
        near(gradient, numeric(loss, array), 1e-8)


def time_rnn_differences() -> None:
    draw = np.random.default_rng(2)
    xs, h_0 = draw.normal(size=(N, T, D)), draw.normal(size=(N, H))
    weight = draw.normal(size=(N, T, H))
    rnn = TimeRNN(*parameters(), stateful=True)

    def loss():
        rnn.set_state(h_0)
        return float((weight * rnn.forward(xs)).sum())

    loss()
    dxs = rnn.backward(weight)
    dh, grads = rnn.dh, rnn.grads
    arrays = (xs, h_0, rnn.Wx, rnn.Wh, rnn.b)
    for gradient, array in zip((dxs, dh, *grads), arrays, strict=True):
        near(gradient, numeric(loss, array), 1e-8)


def time_rnn_is_the_layer() -> None:
    """Truncated backpropagation over blocks: outputs, d x, d h_0 of the first, all parameters.

    The last state of one block is the first of the next, and no gradient passes between them.
    """
    numpy_rnn = TimeRNN(*parameters(), stateful=True)
    layer = Recurrent("elman", D, H, stateful=True, backend="reference").double()
    with torch.no_grad():
        one = layer.layers[0]
        for tensor, array in zip((one.W_x, one.W_h, one.b), parameters(), strict=True):
            tensor.copy_(torch.from_numpy(array))
    draw = np.random.default_rng(3)
    h_0 = draw.normal(size=(N, H))
    numpy_rnn.set_state(h_0)
    layer.set_state([HiddenState(torch.from_numpy(h_0))])
    for _ in range(BLOCKS):
        xs, dhs = draw.normal(size=(N, T, D)), draw.normal(size=(N, T, H))
        x = torch.from_numpy(xs).requires_grad_()
        ((before,),) = layer.state
        before.requires_grad_()
        output, _ = layer(x)
        near(numpy_rnn.forward(xs), output.detach().numpy())
        near(numpy_rnn.h, layer.state[0].h.numpy())
        wanted = torch.autograd.grad(
            output, (x, before, one.W_x_T, one.W_h_T, one.b), torch.from_numpy(dhs)
        )
        dxs = numpy_rnn.backward(dhs)
        dWx, dWh, db = numpy_rnn.grads
        # The layer keeps its matrices transposed.
        ours = (dxs, numpy_rnn.dh, dWx.T, dWh.T, db)
        for got, gradient in zip(ours, wanted, strict=True):
            near(got, gradient.numpy())


def test_one_step_has_the_gradient_of_finite_differences():
    rnn_differences()


def test_t_steps_have_the_gradient_of_finite_differences():
    time_rnn_differences()


def test_truncated_backpropagation_is_that_of_the_layer():
    time_rnn_is_the_layer()


def test_t_steps_are_t_single_steps():
    xs = np.random.default_rng(4).normal(size=(N, T, D))
    hs = TimeRNN(*parameters()).forward(xs)
    step, h = RNN(*parameters()), np.zeros((N, H))
    for t in range(T):
        h = step.forward(xs[:, t], h)
        near(hs[:, t], h)


def test_the_forward_is_never_cut_and_the_gradient_is():
    draw = np.random.default_rng(5)
    xs, dhs = draw.normal(size=(N, 2 * T, D)), draw.normal(size=(N, 2 * T, H))
    whole, blocks = TimeRNN(*parameters()), TimeRNN(*parameters(), stateful=True)
    hs = whole.forward(xs)
    dxs = whole.backward(dhs)
    parts = []
    for block in (slice(0, T), slice(T, 2 * T)):
        near(blocks.forward(xs[:, block]), hs[:, block])
        parts.append(blocks.backward(dhs[:, block]))
    near(parts[1], dxs[:, T:])
    assert np.abs(parts[0] - dxs[:, :T]).max() > 1e-3
    # What the second block leaves in dh is exactly what the first would have had to receive.
    received = dhs[:, :T].copy()
    received[:, -1] += blocks.dh
    whole.forward(xs[:, :T])
    near(whole.backward(received), dxs[:, :T])


def test_the_state_is_kept_only_in_stateful_mode():
    xs = np.random.default_rng(6).normal(size=(N, T, D))
    forgetful, keeping = TimeRNN(*parameters()), TimeRNN(*parameters(), stateful=True)
    first = forgetful.forward(xs)
    assert np.array_equal(forgetful.forward(xs), first)
    assert np.array_equal(keeping.forward(xs), first)
    assert not np.array_equal(keeping.forward(xs), first)
    keeping.reset_state()
    assert np.array_equal(keeping.forward(xs), first)
    with pytest.raises(UsageError, match="stateful=True"):
        forgetful.set_state(np.zeros((N, H)))


def test_the_callers_arrays_stay_the_callers():
    draw = np.random.default_rng(7)
    xs, dhs, h_0 = draw.normal(size=(N, T, D)), draw.normal(size=(N, T, H)), np.ones((N, H))
    rnn = TimeRNN(*parameters(), stateful=True)
    rnn.set_state(h_0)
    h_0[:] = 0
    hs = rnn.forward(xs)
    wanted = rnn.backward(dhs)
    hs[:] = 0
    assert np.array_equal(rnn.backward(dhs), wanted)
    rnn.set_state(np.ones((N, H)))
    assert not np.array_equal(rnn.forward(xs), hs)
    rnn.set_state(h_0)
    assert rnn.forward(xs.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize(("rows", "steps"), [(N, 0), (0, T), (0, 0)])
def test_nothing_to_read(rows, steps):
    rnn = TimeRNN(*parameters(), stateful=True)
    rnn.set_state(np.ones((rows, H)))
    assert rnn.forward(np.zeros((rows, steps, D))).shape == (rows, steps, H)
    if steps == 0:
        assert np.array_equal(rnn.h, np.ones((rows, H)))
    assert rnn.backward(np.zeros((rows, steps, H))).shape == (rows, steps, D)
    assert all(not gradient.any() for gradient in rnn.grads)
    assert rnn.dh.shape == (rows, H)


def test_wrong_shapes_and_wrong_order():
    Wx, Wh, b = parameters()
    one, rnn = RNN(Wx, Wh, b), TimeRNN(Wx, Wh, b, stateful=True)
    for message, call in {
        r"Wx has shape \(4,\)": lambda: RNN(b, Wh, b),
        r"Wh has shape \(2, 4\), but \(4, 4\)": lambda: TimeRNN(Wx, Wx, b),
        r"b has shape \(4, 4\), but \(4\)": lambda: TimeRNN(Wx, Wh, Wh),
        r"x has shape \(3, 4\), but \(N, 2\)": lambda: one.forward(np.zeros((N, H)), b),
        r"h_prev has shape \(4,\), but \(3, 4\)": lambda: one.forward(np.zeros((N, D)), b),
        r"xs has shape \(3, 2\), but \(N, T, 2\)": lambda: rnn.forward(np.zeros((N, D))),
        r"h has shape \(3, 2\), but \(N, 4\)": lambda: rnn.set_state(np.zeros((N, D))),
    }.items():
        with pytest.raises(ShapeError, match=message):
            call()
    for early in (one, rnn):
        with pytest.raises(UsageError, match="forward"):
            early.backward(b)
    rnn.forward(np.zeros((N, T, D)))
    with pytest.raises(ShapeError, match=r"carried state has shape \(3, 4\), but \(5, 4\)"):
        rnn.forward(np.zeros((N + 2, T, D)))
    with pytest.raises(ShapeError, match=r"dhs has shape \(3, 4, 5\), but \(3, 5, 4\)"):
        rnn.backward(np.zeros((N, H, T)))
    one.forward(np.zeros((N, D)), np.zeros((N, H)))
    with pytest.raises(ShapeError, match=r"dh_next has shape \(3, 2\), but \(3, 4\)"):
        one.backward(np.zeros((N, D)))
