"""Rows of unequal lengths: padding changes nothing, and each row is what it is alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sunhwan.errors import ShapeError
from sunhwan.layers import Recurrent
from tests.layers.helpers import (
    NAMES,
    D,
    assert_close,
    assert_identical,
    flat,
    gradients,
    network,
    random_input,
    some_state,
)

N, T, H = 5, 6, 4
LENGTHS = [4, 0, 6, 1, 3]
PADDING = torch.arange(T) >= torch.tensor(LENGTHS).unsqueeze(1)
VARIANTS: dict[str, dict[str, Any]] = {
    "one": {},
    "residual": {"num_layers": 2, "connection": "residual"},
    "dense": {"num_layers": 2, "connection": "dense", "layer_norm": True},
    "bidirectional": {"bidirectional": True},
    "bidirectional_highway": {
        "bidirectional": True, "num_layers": 2, "connection": "highway", "merge": "sum",
        "layer_norm": True,
    },
}  # fmt: skip

every_cell = pytest.mark.parametrize("name", NAMES)
every_variant = pytest.mark.parametrize("variant", ["one", "dense", "bidirectional_highway"])


def ragged_network(name: str, variant: str, **options: Any) -> Recurrent:
    return network(name, H, learned_initial_state=True, **VARIANTS[variant], **options)


def padded_with(values: Tensor | float) -> Tensor:
    return torch.where(PADDING.unsqueeze(-1), values, random_input(N, T))


def poison() -> Tensor:
    """NaN and both infinities by turns."""
    kinds = torch.tensor([torch.nan, torch.inf, -torch.inf], dtype=torch.float64)
    return kinds.repeat(N * T * D // 3).view(N, T, D)


FILLS: dict[str, Callable[[], Tensor | float]] = {
    "noise": lambda: random_input(N, T, seed=9),
    "large": lambda: 1e30,
    "poison": poison,
}


def everything(net: Recurrent, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Values, and the gradients of the input and all parameters."""
    x = x.detach().requires_grad_()
    values = flat(net(x, lengths=LENGTHS))
    return values, gradients(values, [x, *net.parameters()])


@every_variant
@every_cell
def test_padding_changes_nothing(name: str, variant: str) -> None:
    net = ragged_network(name, variant)
    values, slopes = everything(net, padded_with(0.0))
    assert all(torch.isfinite(v).all() for v in (*values, *slopes))
    assert not values[0][PADDING].any()
    assert not slopes[0][PADDING].any()
    assert slopes[0].any()
    for fill in FILLS.values():
        found, found_slopes = everything(net, padded_with(fill()))
        assert_identical(found, values)
        assert_identical(found_slopes, slopes)


def check_rows_alone(net: Recurrent, dtype: torch.dtype, tolerance: float) -> None:
    x, states = random_input(N, T, dtype=dtype), some_state(net, N)
    with torch.no_grad():
        output, last = net(x, states, lengths=LENGTHS)
        for n, length in enumerate(LENGTHS):
            given = [type(s)(*(f[n : n + 1] for f in s)) for s in states]
            alone = net(x[n : n + 1, :length], given)
            mine = [type(s)(*(f[n : n + 1] for f in s)) for s in last]
            assert_close(flat((output[n : n + 1, :length], mine)), flat(alone), tolerance)


@every_variant
@every_cell
def test_each_row_is_as_alone(name: str, variant: str) -> None:
    check_rows_alone(ragged_network(name, variant), torch.float64, 1e-12)


@pytest.mark.parametrize("variant", ["one", "bidirectional"])
@every_cell
def test_each_row_is_as_alone_in_single_precision(name: str, variant: str) -> None:
    # Alone a row may be run by a fused operator, among others it is not.
    check_rows_alone(ragged_network(name, variant, dtype=torch.float32), torch.float32, 1e-6)


@pytest.mark.parametrize("variant", ["dense", "bidirectional_highway"])
@every_cell
def test_gradients_are_the_sum_of_those_of_the_rows_alone(name: str, variant: str) -> None:
    net = ragged_network(name, variant)
    x = random_input(N, T).requires_grad_()
    sources = [x, *net.parameters()]
    weights = random_input(N, T, net.output_size, seed=4)

    def loss(rows: slice, steps: int, lengths: list[int] | None) -> Tensor:
        output, last = net(x[rows, :steps], lengths=lengths)
        ends = [(field * (1 + k)).sum() for state in last for k, field in enumerate(state)]
        return (output * weights[rows, :steps]).sum() + torch.stack(ends).sum()

    together = loss(slice(None), T, LENGTHS)
    alone = [loss(slice(n, n + 1), length, None) for n, length in enumerate(LENGTHS)]
    found, wanted = (
        torch.autograd.grad(total, sources) for total in (together, torch.stack(alone).sum())
    )
    assert_close(found, wanted, 1e-11)


@pytest.mark.parametrize("variant", ["one", "bidirectional"])
@every_cell
def test_a_row_without_steps_keeps_its_initial_state(name: str, variant: str) -> None:
    net = ragged_network(name, variant)
    x = random_input(2, T)
    output, last = net(x, lengths=[0, T])
    assert not output[0].any()
    for layer, state in zip(net.stack, last, strict=True):
        for field, value in state._asdict().items():
            wanted = getattr(layer, f"{field}_0", torch.zeros((), dtype=torch.float64))
            assert_close(value[0], wanted.expand_as(value[0]))

    given = [type(s)(*(f.requires_grad_() for f in s)) for s in some_state(net, 2)]
    output, last = net(x, given, lengths=[0, T])
    for before, after in zip(given, last, strict=True):
        for old, new in zip(before, after, strict=True):
            assert torch.equal(new[0], old[0])
            (slope,) = torch.autograd.grad(new[0].sum(), old, retain_graph=True)
            assert torch.equal(slope[0], torch.ones_like(slope[0]))


def test_a_learned_initial_state_learns_from_rows_without_steps() -> None:
    net = ragged_network("lstm", "one")
    output, (last,) = net(random_input(3, T), lengths=[0, 0, 0])
    assert not output.any()
    h_0, c_0 = (net.get_parameter(f"layers.0.{f}_0") for f in "hc")
    slopes = torch.autograd.grad(last.h.sum() + 2 * last.c.sum(), [h_0, c_0])
    assert_close(slopes, (torch.full_like(h_0, 3), torch.full_like(c_0, 6)))


@pytest.mark.parametrize(
    "lengths",
    [
        tuple(LENGTHS),
        torch.tensor(LENGTHS),
        torch.tensor(LENGTHS, dtype=torch.int32),
        torch.tensor(LENGTHS, dtype=torch.uint8),
        ~PADDING,
        (~PADDING).tolist(),
    ],
)
@pytest.mark.parametrize("variant", ["one", "bidirectional"])
def test_ways_to_say_lengths(variant: str, lengths: Any) -> None:
    net = ragged_network("gru", variant)
    x = random_input(N, T)
    assert_identical(flat(net(x, lengths=lengths)), flat(net(x, lengths=LENGTHS)))


@every_cell
def test_full_lengths_are_no_lengths(name: str) -> None:
    for variant in ("one", "bidirectional"):
        net = ragged_network(name, variant)
        x = random_input(N, T)
        assert_close(flat(net(x, lengths=[T] * N)), flat(net(x)))


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([4, 0, 7, 1, 3], ("0 and 6", "0 and 7")),
        ([4, 0, 6, -2, 3], ("0 and 6", "-2 and 6")),
        ([4, 0, 6, 1], ("5 whole numbers", "(4,)")),
        ([4] * 6, ("5 whole numbers", "(6,)")),
        (3, ("5 whole numbers", "()")),
        (torch.tensor(3), ("5 whole numbers", "()")),
        ([4.0, 0.0, 6.0, 1.0, 3.0], ("5 whole numbers", "float32")),
        ([True] * N, ("(5, 6)", "bool")),
        (torch.tensor(LENGTHS).unsqueeze(1), ("5 whole numbers", "(5, 1)")),
        (~PADDING[:, :-1], ("(5, 6)", "(5, 5)")),
        (PADDING, ("padding before a real step",)),
        ((~PADDING).long(), ("(5, 6)", "int64")),
        ([], ("5 whole numbers", "(0,)")),
    ],
)
def test_impossible_lengths(lengths: Any, words: tuple[str, ...]) -> None:
    net = ragged_network("gru", "one")
    with pytest.raises(ShapeError) as caught:
        net(random_input(N, T), lengths=lengths)
    for word in words:
        assert word in str(caught.value)


def test_a_mask_with_a_hole() -> None:
    mask = ~PADDING
    mask[2, 3] = False
    with pytest.raises(ShapeError, match="padding before a real step"):
        ragged_network("gru", "one")(random_input(N, T), lengths=mask)


@pytest.mark.parametrize("variant", ["dense", "bidirectional"])
def test_no_rows_and_no_steps(variant: str) -> None:
    net = ragged_network("gru", variant)
    for lengths in ([], torch.zeros(0, T, dtype=torch.bool)):
        assert net(random_input(0, T), lengths=lengths)[0].shape == (0, T, net.output_size)
    output, last = net(random_input(2, 0), lengths=[0, 0])
    assert output.shape == (2, 0, net.output_size)
    assert_identical(flat((output, last)), flat((output, net.initial_state(2))))


@pytest.mark.parametrize("name", ["gru", "mingru", "lstm_projected", "slstm"])
@pytest.mark.parametrize("variant", ["dense", "bidirectional_highway"])
def test_a_reset_in_the_padding_resets_nothing(name: str, variant: str) -> None:
    net = ragged_network(name, variant)
    x, states = random_input(N, T), some_state(net, N)
    resets = torch.zeros(N, T, dtype=torch.bool)
    resets[0, 2] = resets[2, 0] = resets[4, 1] = True
    wanted = flat(net(x, states, resets, lengths=LENGTHS))
    assert_close(flat(net(x, states, resets | PADDING, lengths=LENGTHS)), wanted)


@pytest.mark.parametrize("name", ["lstm", "rglru"])
def test_a_stateful_network_goes_on_where_each_row_ended(name: str) -> None:
    net = network(name, H, 2, stateful=True)
    x, more = random_input(N, T), random_input(N, T, seed=5)
    first, _ = net(x, lengths=LENGTHS)
    second, _ = net(more)
    for n, length in enumerate(LENGTHS):
        net.reset_state()
        whole, _ = net(torch.cat((x[n, :length], more[n])).unsqueeze(0))
        assert_close(whole[0], torch.cat((first[n, :length], second[n])))


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"num_layers": 2}])
@pytest.mark.parametrize("name", ["elman_relu", "indrnn"])
def test_an_exploding_network_does_not_explode_in_the_padding(
    name: str, options: dict[str, Any]
) -> None:
    steps, lengths = 2000, [20, 1, 0]
    torch.manual_seed(3)
    net = Recurrent(name, D, H, **options)
    with torch.no_grad():
        for layer in net.stack:
            layer.W_x.abs_()  # no unit is dead
            for p in (q for n, q in layer.named_parameters() if n in ("W_h_T", "w_h")):
                p.copy_(2 * torch.eye(H) if p.dim() == 2 else torch.full((H,), 2.0))
    x = random_input(3, steps, dtype=torch.float32).abs().requires_grad_()
    values = flat(net(x, lengths=lengths))
    slopes = gradients(values, [x, *net.parameters()])
    assert all(torch.isfinite(v).all() for v in (*values, *slopes))
    assert values[0].abs().max() > 1e5
    assert not torch.isfinite(net(x)[0]).all()
    for n, length in enumerate(lengths):
        alone = net(x[n : n + 1, :length])
        assert_close(values[0][n : n + 1, :length], alone[0], 1e-5)
        assert_close([v[n : n + 1] for v in values[1:]], flat(alone)[1:], 1e-5)


def test_a_row_that_ends_just_before_it_would_overflow() -> None:
    """Behind its end the recurrence goes on into infinity, and nothing of it comes back."""
    layer = Recurrent("elman_relu", 1, 1, backend="reference")
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(0.0)
        layer.stack[0].W_h.fill_(10.0)
        layer.stack[0].W_x.fill_(1.0)
    x = torch.zeros(2, 60, 1)
    x[:, 0] = 1.0
    x.requires_grad_()
    output, (last,) = layer(x, lengths=[39, 5])
    assert float(last[0][0].detach()) == pytest.approx(1e38, rel=1e-3)
    assert bool(output.isfinite().all())
    (gradient,) = torch.autograd.grad(last[0][1], x)
    assert bool(gradient.isfinite().all())
    assert gradient[1, 0].item() == pytest.approx(1e4)


def test_masks_of_another_batch_are_refused() -> None:
    layer = Recurrent("gru", 2, 3, recurrent_dropout=0.5)
    with pytest.raises(ShapeError, match=r"drawn for 1 rows, but the batch has 4"):
        layer(torch.zeros(4, 5, 2), masks=layer.draw_masks(1))


def test_both_directions_drop_the_same_inputs() -> None:
    layer = Recurrent("gru", 2, 30, 2, bidirectional=True, dropout=0.5, locked_dropout=True)
    first, second, above, beside = layer.draw_masks(3)
    assert first.x is second.x is None
    assert above.x is beside.x is not None
