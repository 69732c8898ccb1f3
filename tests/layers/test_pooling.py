"""A pooling is its formula, row by row, over the steps that are real."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from sunhwan.errors import ConfigError, ShapeError
from sunhwan.layers.pooling import POOLINGS, Pooling
from tests.layers.helpers import (
    assert_close,
    assert_identical,
    gradients,
    network,
    random_input,
)

N, T, E = 4, 5, 4
LENGTHS = [3, 5, 0, 1]
PADDING = torch.arange(T) >= torch.tensor(LENGTHS).unsqueeze(1)
SICK = 1
CASES = [(kind, directions) for kind in POOLINGS for directions in (1, 2)]

every_kind = pytest.mark.parametrize("kind", POOLINGS)
every_case = pytest.mark.parametrize(("kind", "directions"), CASES)


def pooling(kind: str, directions: int = 1, dtype: torch.dtype = torch.float64) -> Pooling:
    """One whose every parameter is random."""
    torch.manual_seed(0)
    made = Pooling(kind, E, directions).to(dtype)
    with torch.no_grad():
        for p in made.parameters():
            p += 0.2 * torch.randn_like(p)
    return made


def by_hand(net: Pooling, y: Tensor) -> Tensor:
    """Of the real steps (T, E) of one row."""
    if not len(y):
        return y.new_zeros(net.output_size)
    middle = E // 2
    last = y[-1] if net.directions == 1 else torch.cat((y[-1, :middle], y[0, middle:]))
    mean = torch.stack(list(y)).sum(0) / len(y)
    largest = torch.stack([max(column) for column in y.T])
    if net.kind == "attention":
        W, b, v = (p for _, p in net.named_parameters())
        e = torch.exp(torch.stack([v[0] @ torch.tanh(W @ y_t + b) for y_t in y]))
        return (e / e.sum()) @ y
    parts = {"last": [last], "mean": [mean], "max": [largest], "concat": [last, mean, largest]}
    return torch.cat(parts[net.kind])


@every_case
def test_it_is_its_formula(kind: str, directions: int) -> None:
    net, y = pooling(kind, directions), random_input(N, T, E).requires_grad_()
    sources = [y, *net.parameters()]
    for lengths in (None, LENGTHS, ~PADDING):
        real = [T] * N if lengths is None else LENGTHS
        found = net(y, lengths)
        wanted = torch.stack([by_hand(net, y[n, :length]) for n, length in enumerate(real)])
        assert found.shape == (N, net.output_size)
        assert_close(found, wanted)
        assert_close(gradients([found], sources), gradients([wanted], sources), 1e-11)


@every_case
def test_gradients(kind: str, directions: int) -> None:
    net, y = pooling(kind, directions), random_input(N, T, E).requires_grad_()
    assert gradcheck(lambda y, *_: net(y, LENGTHS), (y, *net.parameters()))
    if kind == "attention":
        assert gradcheck(lambda y, *_: net.weights(y, LENGTHS), (y, *net.parameters()))


@every_case
@pytest.mark.parametrize("value", [1e30, torch.nan, torch.inf, -torch.inf])
def test_padding_changes_nothing(kind: str, directions: int, value: float) -> None:
    net, results = pooling(kind, directions), []
    for filling in (0.0, value):
        y = torch.where(PADDING.unsqueeze(-1), filling, random_input(N, T, E)).requires_grad_()
        pooled = net(y, LENGTHS)
        results.append([pooled, *gradients([pooled], [y, *net.parameters()])])
    wanted, found = results
    assert all(torch.isfinite(v).all() for v in wanted)
    assert wanted[1].any()
    assert not wanted[1][PADDING].any()
    assert_identical(found, wanted)


@every_case
def test_a_row_without_steps_gives_zeros(kind: str, directions: int) -> None:
    net, y = pooling(kind, directions), random_input(N, T, E).requires_grad_()
    with torch.no_grad():
        y -= 10  # the largest of nothing is not the largest of these
    pooled = net(y, LENGTHS)
    empty = LENGTHS.index(0)
    for value in (pooled, *gradients([pooled], [y])):
        assert not value[empty].any()
        assert value[SICK].any()
    for steps in (net(y[:, :0]), net(y[:, :0], [0] * N)):
        assert steps.shape == (N, net.output_size)
        assert not steps.any()
        assert steps.requires_grad
    assert net(y[:0]).shape == (0, net.output_size)


@every_case
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_nan_stays_in_its_row(kind: str, directions: int, lengths: list[int] | None) -> None:
    net, results = pooling(kind, directions), []
    for poison in (False, True):
        y = random_input(N, T, E)
        if poison:
            y[SICK] = torch.nan
        pooled = net(y.requires_grad_(), lengths)
        results.append([pooled, *gradients([pooled], [y])])
    wanted, found = results
    assert found[0][SICK].isnan().all()
    healthy = torch.arange(N) != SICK
    assert_identical([v[healthy] for v in found], [v[healthy] for v in wanted])


def test_a_nan_in_a_real_step_is_not_hidden() -> None:
    for kind in POOLINGS:
        y = random_input(N, T, E)
        y[SICK, T - 1] = torch.nan
        assert pooling(kind)(y, LENGTHS)[SICK].isnan().all(), kind


def test_last_is_where_a_bidirectional_layer_ended() -> None:
    net = network("gru", 4, bidirectional=True)
    output, state = net(random_input(N, T), lengths=LENGTHS)
    pooled = Pooling("last", net.output_size, 2)(output, LENGTHS)
    ended = torch.cat([s.h for s in state], -1)
    assert_close(pooled[PADDING.logical_not().any(1)], ended[PADDING.logical_not().any(1)])


def test_weights_are_what_goes_into_the_vector() -> None:
    net, y = pooling("attention"), random_input(N, T, E)
    weights = net.weights(y, LENGTHS)
    assert not weights[PADDING].any()
    assert weights[~PADDING].all()
    assert_close(torch.einsum("nt,nte->ne", weights, y), net(y, LENGTHS))
    assert_close(net.weights(y).sum(1), torch.ones(N, dtype=torch.float64))
    assert net.weights(y[:, :0]).shape == (N, 0)


@every_kind
def test_autocast_keeps_the_precision_of_the_outputs(kind: str) -> None:
    net, y = pooling(kind, dtype=torch.float32), random_input(N, T, E, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(y, LENGTHS)
        assert kind != "attention" or net.weights(y).dtype == torch.float32
    assert found.dtype == torch.float32
    assert_close(found, net(y, LENGTHS), 0.05)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("median", 4), ("median", *POOLINGS)),
        (("mean", 0), ("size 0",)),
        (("last", 5, 2), ("5", "half")),
        (("last", 6, 3), ("directions 3",)),
    ],
)
def test_options_that_do_not_fit(arguments: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        Pooling(*arguments)
    for word in words:
        assert word in str(caught.value)


def test_tensors_that_do_not_fit() -> None:
    net = Pooling("mean", E)
    for y, lengths, word in (
        (torch.zeros(N, T, E + 1), None, f"({N}, {T}, {E + 1})"),
        (torch.zeros(N, E), None, f"(N, T, {E})"),
        (torch.zeros(N, T, E), [T] * (N - 1), f"{N} whole numbers"),
        (torch.zeros(N, T, E), [T + 1] * N, str(T + 1)),
    ):
        with pytest.raises(ShapeError) as caught:
            net(y, lengths)
        assert word in str(caught.value)


@pytest.mark.parametrize("kind", [k for k in POOLINGS if k != "attention"])
def test_only_attention_has_weights(kind: str) -> None:
    with pytest.raises(ConfigError, match=kind):
        Pooling(kind, E).weights(torch.zeros(N, T, E))
