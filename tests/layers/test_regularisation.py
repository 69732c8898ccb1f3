"""What is dropped in training: how much, when, from which seed, and what it leaves alone."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sunhwan.cells import CELLS, State
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.layers import Masks, Recurrent, mask
from tests.layers.helpers import (
    NAMES,
    D,
    assert_close,
    assert_identical,
    combination,
    flat,
    gradients,
    network,
    random_input,
    some_state,
)

N, T, H, P = 3, 6, 4, 0.4
KINDS: dict[str, dict[str, Any]] = {
    "dropout": {"dropout": P},
    "locked_dropout": {"dropout": P, "locked_dropout": True},
    "weight_drop": {"weight_drop": P},
    "recurrent_dropout": {"recurrent_dropout": P},
    "zoneout": {"zoneout": P},
    "zoneout_cell": {"zoneout_cell": P},
}
WITH_W_H = [name for name in NAMES if "W_h" in CELLS[name].initial_parameters(D, H)]

every_kind = pytest.mark.parametrize("kind", KINDS)


def regular(kind: str, cell: Any = "lstm", size: int = H, **options: Any) -> Recurrent:
    """Two layers, so that there is something between them."""
    return network(cell, size, 2, **KINDS[kind], **options)


def seeded(net: Recurrent, seed: int, *arguments: Any, **options: Any) -> list[Tensor]:
    torch.manual_seed(seed)
    return flat(net(*arguments, **options))


def assert_share(dropped: Tensor, rate: float = P) -> None:
    """The share of true values is the rate, within five standard deviations of its estimate."""
    deviation = (rate * (1 - rate) / dropped.numel()) ** 0.5
    assert abs(float(dropped.double().mean()) - rate) < 5 * deviation


def between(net: Recurrent, x: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    """What the first layer gives and what the second one reads, (T, N, H)."""
    seen: dict[str, Tensor] = {}
    hooks = [
        net.stack[0].register_forward_hook(lambda _, __, out: seen.update(given=out.output)),
        net.stack[1].register_forward_pre_hook(lambda _, read: seen.update(read=read[0])),
    ]
    with torch.no_grad():
        net(x, **options)
    for hook in hooks:
        hook.remove()
    return seen["given"], seen["read"]


# Everything.


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", [k for k in KINDS if "zoneout" not in k])
def test_evaluation_drops_nothing(kind: str, dtype: torch.dtype) -> None:
    net = regular(kind, dtype=dtype).eval()
    plain = network("lstm", H, 2, dtype=dtype)
    x = random_input(N, T, dtype=dtype)
    assert all(part is None for masks in net.draw_masks(N) for part in masks)
    assert_identical(flat(net(x)), flat(plain(x)))
    assert not torch.allclose(net.train()(x)[0], plain(x)[0])


@every_kind
def test_evaluation_draws_no_random_numbers(kind: str) -> None:
    net = regular(kind).eval()
    x = random_input(N, T)
    before = torch.get_rng_state()
    assert_identical(flat(net(x)), flat(net(x)))
    assert torch.equal(torch.get_rng_state(), before)


@every_kind
def test_the_seed_decides(kind: str) -> None:
    net = regular(kind)
    x = random_input(N, T)
    assert_identical(seeded(net, 5, x), seeded(net, 5, x))
    assert not torch.equal(seeded(net, 5, x)[0], seeded(net, 6, x)[0])
    torch.manual_seed(5)
    assert not torch.equal(net(x)[0], net(x)[0])


@every_kind
def test_rate_zero_is_nothing(kind: str) -> None:
    zero = {name: 0.0 if isinstance(rate, float) else rate for name, rate in KINDS[kind].items()}
    net = network("lstm", H, 2, **zero)
    x = random_input(N, T)
    before = torch.get_rng_state()
    assert_identical(flat(net(x)), flat(network("lstm", H, 2)(x)))
    torch.set_rng_state(before)
    net(x)
    assert torch.equal(torch.get_rng_state(), before)


@every_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_nothing(kind: str, bidirectional: bool) -> None:
    net = regular(kind, bidirectional=bidirectional)
    x = random_input(N, T)
    lengths = [2, 0, 6]
    padding = torch.arange(T) >= torch.tensor(lengths).unsqueeze(1)
    poisoned = torch.where(padding.unsqueeze(-1), torch.nan, x)
    found = seeded(net, 5, poisoned, lengths=lengths)
    assert_identical(found, seeded(net, 5, x, lengths=lengths))
    assert all(torch.isfinite(v).all() for v in found)
    last = found[1:]
    assert all(not field[1].any() for field in last)  # the row without steps


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    inside: dict[str, Any] = {"zoneout": 0.3}
    if name in WITH_W_H:
        inside |= {"weight_drop": 0.2, "recurrent_dropout": 0.3}
    if name != "slstm":
        inside |= {"zoneout_cell": 0.2}
    net = network(name, H, 2, dropout=0.3, locked_dropout=True, **inside)
    x = random_input(2, 4).requires_grad_()
    torch.manual_seed(1)
    masks = net.draw_masks(2)
    sources = [x, *net.parameters()]

    def values() -> list[Tensor]:
        return seeded(net, 8, x, masks=masks)  # zoneout draws, the same every time

    slopes = gradients(values(), sources)
    draw = torch.Generator().manual_seed(2)
    directions = [torch.randn(s.shape, generator=draw, dtype=s.dtype) for s in sources]
    wanted = sum((g * d).sum() for g, d in zip(slopes, directions, strict=True))
    step = 1e-6
    with torch.no_grad():
        ends = []
        for sign in (1, -1):
            for source, direction in zip(sources, directions, strict=True):
                source += sign * step * direction
            ends.append(combination(values()))
            for source, direction in zip(sources, directions, strict=True):
                source -= sign * step * direction
    assert_close((ends[0] - ends[1]) / (2 * step), wanted, 1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_masks_of_another_network_or_batch(bidirectional: bool) -> None:
    net = network("gru", H, 2, recurrent_dropout=P, bidirectional=bidirectional)
    x = random_input(N, T)
    masks = net.draw_masks(N)
    assert len(masks) == len(net.stack)
    with pytest.raises(ShapeError, match=f"{len(masks) - 1} of {len(masks)} layers"):
        net(x, masks=masks[1:])


@pytest.mark.parametrize("kind", ["weight_drop", "recurrent_dropout", "locked_dropout"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_reset_before", "lstm_projected"])
def test_chunks_with_the_same_masks_are_one_sequence(kind: str, cell: str) -> None:
    net = regular(kind, cell)
    x = random_input(N, T)
    masks = net.draw_masks(N)
    whole, last = net(x, masks=masks)
    parts, state = [], None
    for chunk in (x[:, :1], x[:, 1:4], x[:, 4:]):
        part, state = net(chunk, state, masks=masks)
        parts.append(part)
    assert state is not None
    assert_close(flat((torch.cat(parts, 1), state)), flat((whole, last)))
    assert not torch.allclose(net(x)[0], whole)


@pytest.mark.parametrize("kind", ["weight_drop", "recurrent_dropout", "locked_dropout"])
def test_masks_drawn_ahead_are_those_that_a_call_draws(kind: str) -> None:
    net = regular(kind)
    x = random_input(N, T)
    torch.manual_seed(3)
    masks = net.draw_masks(N)
    assert_identical(seeded(net, 3, x), flat(net(x, masks=masks)))


# Between the layers.


def test_dropout_between_layers_drops_the_share_and_keeps_the_mean() -> None:
    net = regular("dropout", size=40)
    given, read = between(net, random_input(20, 10))
    dropped = read == 0
    assert_share(dropped)
    assert_close(read[~dropped], given[~dropped] / (1 - P))
    assert not torch.equal(dropped[0], dropped[1])
    assert not torch.equal(dropped[:, 0], dropped[:, 1])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_locked_dropout_is_the_same_at_every_step(bidirectional: bool) -> None:
    net = regular("locked_dropout", "gru", 40, bidirectional=bidirectional)
    i = 2 if bidirectional else 1
    masks = net.draw_masks(50)
    locked = masks[i].x
    assert locked is not None
    assert locked.shape == (1, 50, 80 if bidirectional else 40)
    assert_share(locked == 0)
    assert_close(locked[locked != 0], torch.full_like(locked[locked != 0], 1 / (1 - P)))
    assert not torch.equal(locked[0, 0], locked[0, 1])
    assert all(m.x is None for m in masks[:i])  # what the first layer reads is not between layers


def test_locked_dropout_multiplies_what_the_next_layer_reads() -> None:
    net = regular("locked_dropout", size=8)
    masks = net.draw_masks(N)
    given, read = between(net, random_input(N, T), masks=masks)
    assert_close(read, given * masks[1].x)
    assert torch.equal((read == 0).all(0), (read == 0).any(0))


@pytest.mark.parametrize("kind", ["dropout", "locked_dropout"])
def test_one_layer_has_nothing_between_layers(kind: str) -> None:
    x = random_input(N, T)
    assert_identical(
        flat(network("lstm", H, **KINDS[kind])(x)),
        flat(network("lstm", H)(x)),
    )


@pytest.mark.parametrize("kind", ["dropout", "locked_dropout"])
def test_what_goes_around_a_layer_is_not_dropped(kind: str) -> None:
    net = regular(kind, "elman", connection="dense")
    plain = network("elman", H, 2, connection="dense")
    x = random_input(N, T)
    output, wanted = net(x)[0], plain(x)[0]
    assert_identical(output[..., : D + H], wanted[..., : D + H])
    assert not torch.allclose(output[..., D + H :], wanted[..., D + H :])


# The recurrent matrix.


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru", "antisymmetric", "lstm_multiplicative"])
def test_weight_drop_is_another_recurrent_matrix(cell: str) -> None:
    net, plain = regular("weight_drop", cell), network(cell, H, 2)
    masks = net.draw_masks(N)
    with torch.no_grad():
        for layer, drawn in zip(plain.stack, masks, strict=True):
            layer.get_parameter("W_h_T").mul_(drawn.W_h)
    x = random_input(N, T)
    assert_identical(flat(net(x, masks=masks)), flat(plain(x)))


def test_weight_drop_drops_the_share_and_keeps_the_mean() -> None:
    net = regular("weight_drop", size=60)
    for masks, layer in zip(net.draw_masks(N), net.stack, strict=True):
        assert masks.W_h is not None
        assert masks.W_h.shape == layer.get_parameter("W_h_T").shape
        assert_share(masks.W_h == 0)
        assert_close(masks.W_h.max(), torch.tensor(1 / (1 - P), dtype=torch.float64))
        assert set(masks.W_h.unique().tolist()) == {0.0, float(masks.W_h.max())}
        assert masks.h is None
        assert masks.x is None


@pytest.mark.parametrize("cell", ["lstm", "gru", "lstm_projected"])
def test_a_dropped_weight_gets_no_gradient(cell: str) -> None:
    net = regular("weight_drop", cell)
    masks = net.draw_masks(N)
    values = flat(net(random_input(N, T), masks=masks))
    weights = [layer.get_parameter("W_h_T") for layer in net.stack]
    for slope, drawn in zip(gradients(values, weights), masks, strict=True):
        assert drawn.W_h is not None
        assert not slope[drawn.W_h == 0].any()
        assert slope[drawn.W_h != 0].all()


def test_weight_drop_leaves_the_parameters_alone() -> None:
    net = regular("weight_drop")
    before = {name: p.clone() for name, p in net.state_dict().items()}
    net(random_input(N, T))[0].sum().backward()
    assert list(before) == list(network("lstm", H, 2).state_dict())
    assert_identical(dict(net.state_dict()), before)
    assert all(isinstance(p, torch.nn.Parameter) and p.is_leaf for p in net.parameters())


def test_weight_drop_stands_what_training_does(tmp_path: Path) -> None:
    """A step, a file in the middle of it, copies, other precisions, evaluation."""
    net, x = regular("weight_drop"), random_input(N, T)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    net(x)[0].square().sum().backward()
    optimizer.step()
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    again = regular("weight_drop", seed=9)
    again.load_state_dict(load_file(tmp_path / "net.safetensors"))
    copied = copy.deepcopy(net)
    for other in (again, copied):
        assert_identical(seeded(other, 1, x), seeded(net, 1, x))
    copied.eval()
    plain = network("lstm", H, 2)
    plain.load_state_dict(net.state_dict())
    assert_identical(flat(copied(x)), flat(plain(x)))
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        net.to(dtype)
        output, _ = net(x.to(dtype))
        assert output.dtype == dtype
        output.sum().backward()
        net.zero_grad()


# The hidden state on its way to the recurrent matrix.


def test_recurrent_dropout_drops_the_share_and_keeps_the_mean() -> None:
    net = regular("recurrent_dropout", "lstm_projected", 80)
    for masks, layer in zip(net.draw_masks(100), net.stack, strict=True):
        assert masks.h is not None
        assert masks.h.shape == (100, layer.output_size)
        assert_share(masks.h == 0)
        assert not torch.equal(masks.h[0], masks.h[1])
        assert set(masks.h.unique().tolist()) == {0.0, 1 / (1 - P)}
        assert masks.W_h is None
        assert masks.x is None


def test_recurrent_dropout_of_a_simple_network_is_its_equation() -> None:
    net = network("elman", H, recurrent_dropout=P)
    (masks,) = net.draw_masks(N)
    assert masks.h is not None
    W = net.stack[0].parameters_of_cell
    x, h = random_input(N, T), torch.zeros(N, H, dtype=torch.float64)
    hidden = []
    for x_t in x.unbind(1):
        h = torch.tanh(x_t @ W["W_x"] + (h * masks.h) @ W["W_h"] + W["b"])
        hidden.append(h)
    output, (last,) = net(x, masks=[masks])
    assert_close(output, torch.stack(hidden, 1))
    assert_close(last.h, h)


@pytest.mark.parametrize("cell", ["lstm", "gru", "ugrnn", "slstm", "lstm_layer_norm"])
def test_recurrent_dropout_touches_nothing_but_the_way_to_the_matrix(cell: str) -> None:
    # Dropping units before W_h is dropping the rows of W_h that they meet: row by row of the batch.
    net = network(cell, H, recurrent_dropout=P)
    (masks,) = net.draw_masks(N)
    assert masks.h is not None
    x, (state,) = random_input(N, T), some_state(net.eval(), N)
    output, (last,) = net(x, [state], masks=[masks])
    for n in range(N):
        one = network(cell, H)
        with torch.no_grad():
            one.stack[0].get_parameter("W_h_T").mul_(masks.h[n])
        given = type(state)(*(f[n : n + 1] for f in state))
        found = flat((output[n : n + 1], [type(last)(*(f[n : n + 1] for f in last))]))
        assert_close(found, flat(one(x[n : n + 1], [given])))


# Zoneout.

ROWS = 20_000


def one_step(net: Recurrent, state: State, rows: int = 1) -> State:
    """The state after one step of as many equal rows, which all were in this one before."""
    given = type(state)(*(f.expand(rows, -1).contiguous() for f in state))
    with torch.no_grad():
        _, (after,) = net(random_input(1, 1).expand(rows, -1, -1), [given])
    return after


@pytest.mark.parametrize(("cell", "field"), [("lstm", "h"), ("lstm", "c"), ("gru", "h")])
def test_zoneout_keeps_units_and_evaluation_expects_it(cell: str, field: str) -> None:
    rates = {"zoneout": 0.3, "zoneout_cell": 0.15 if cell == "lstm" else 0.0}
    rate = rates["zoneout" if field == "h" else "zoneout_cell"]
    net, plain = network(cell, H, **rates), network(cell, H)
    (state,) = some_state(plain, 1)
    old, new = (getattr(s, field) for s in (state, one_step(plain, state)))
    torch.manual_seed(4)
    drawn = getattr(one_step(net, state, ROWS), field)
    kept = drawn == old
    assert_share(kept, rate)
    assert_close(drawn, torch.where(kept, old, new))
    assert not torch.equal(kept[:, 0], kept[:, 1])
    # The mean of the draws is what evaluation gives.
    expected = getattr(one_step(net.eval(), state), field)
    assert_close(expected, rate * old + (1 - rate) * new)
    deviation = (rate * (1 - rate) / ROWS) ** 0.5 * (new - old).abs()
    assert ((drawn.mean(0) - expected).abs() < 5 * deviation + 1e-12).all()


@pytest.mark.parametrize("name", [n for n in NAMES if n != "slstm"])
def test_zoneout_in_evaluation_is_its_formula(name: str) -> None:
    net = network(name, H, zoneout=0.3, zoneout_cell=0.1).eval()
    plain = network(name, H)
    x = random_input(N, T)
    (state,) = some_state(plain, N)
    output, (last,) = net(x, [state])
    hidden = []
    for x_t in x.split(1, 1):
        _, (made,) = plain(x_t, [state])
        rates = [0.3, *[0.1] * (len(made) - 1)]
        mixed = (r * old + (1 - r) * new for r, old, new in zip(rates, state, made, strict=True))
        state = type(made)(*mixed)
        hidden.append(state[0])
    assert_close(flat((output, [last])), flat((torch.stack(hidden, 1), [state])))


def test_zoneout_of_h_leaves_the_cell_its_units() -> None:
    # c is not kept, and h is made of the new c where it is not kept itself.
    net, plain = network("lstm", H, zoneout=0.5), network("lstm", H)
    (state,) = some_state(plain, 1)
    after, wanted = one_step(net, state, 50), one_step(plain, state)
    assert_close(after.c, wanted.c.expand(50, -1))
    kept = after.h == state.h
    assert kept.any()
    assert_close(after.h, torch.where(kept, state.h, wanted.h))


def test_zoneout_draws_anew_at_every_step_and_row() -> None:
    net = network("elman", 50, zoneout=0.5)
    h = net(random_input(N, T))[0]
    kept = h[:, 1:] == h[:, :-1]
    assert_share(kept, 0.5)
    for one, other in ((kept[:, 0], kept[:, 1]), (kept[0], kept[1])):
        assert not torch.equal(one, other)


def test_zoneout_keeps_the_initial_state_through_a_reset() -> None:
    net = network("elman", H, zoneout=0.5)
    with torch.no_grad():
        net.stack[0].get_parameter("b").fill_(1e3)  # h is 1, or the 0 from before the first step
    x, resets = random_input(N, T), torch.zeros(N, T, dtype=torch.bool)
    resets[:, 3] = True
    torch.manual_seed(1)
    whole = net(x)[0]
    torch.manual_seed(1)
    cut = net(x, resets=resets)[0]
    torch.manual_seed(1)
    drawn = torch.rand(T, N, H, dtype=torch.float64).transpose(0, 1) >= 0.5
    assert torch.equal(whole, drawn.cummax(1).values.double())
    assert torch.equal(cut[:, :3], whole[:, :3])
    assert torch.equal(cut[:, 3:], drawn[:, 3:].cummax(1).values.double())


# What cannot be.


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
@pytest.mark.parametrize(
    "name", ["dropout", "weight_drop", "recurrent_dropout", "zoneout", "zoneout_cell"]
)
def test_impossible_rates(name: str, rate: float) -> None:
    with pytest.raises(ConfigError, match=rf"{name} must be in \[0, 1\), not {rate}"):
        Recurrent("lstm", D, H, 2, **{name: rate})


@pytest.mark.parametrize("rate", ["weight_drop", "recurrent_dropout"])
@pytest.mark.parametrize("name", [n for n in NAMES if n not in WITH_W_H])
def test_cells_without_a_recurrent_matrix(name: str, rate: str) -> None:
    with pytest.raises(ConfigError, match=f"{rate}.*{type(CELLS[name]).__name__} has none"):
        Recurrent(name, D, H, **{rate: 0.1})
    with pytest.raises(ConfigError, match="W_h"):
        Recurrent(["lstm", name], D, H, **{rate: 0.1})


def test_cells_without_a_recurrent_matrix_are_those_known() -> None:
    assert set(NAMES) - set(WITH_W_H) == {"indrnn", "mingru", "rglru"}


def test_a_stabilised_memory_cannot_be_averaged() -> None:
    with pytest.raises(ConfigError, match="zoneout_cell"):
        Recurrent("slstm", D, H, zoneout_cell=0.1)
    assert torch.isfinite(network("slstm", H, zoneout=0.5)(random_input(N, T))[0]).all()


def test_mask() -> None:
    like = torch.zeros(200, 200, dtype=torch.float64)
    assert mask(0.0, like) is None
    assert mask(0.3, None) is None
    drawn = mask(0.3, like)
    assert drawn is not None
    assert drawn.dtype == like.dtype
    assert_share(drawn == 0, 0.3)
    assert abs(float(drawn.mean()) - 1) < 5 * (0.3 / 0.7 / drawn.numel()) ** 0.5
    sized = mask(0.3, like, (2, 3))
    assert sized is not None
    assert sized.shape == (2, 3)
    assert Masks() == (None, None, None)
