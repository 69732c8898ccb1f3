"""The backward direction is a forward layer on rows turned around at their own ends."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sunhwan.cells import State
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.layers import MERGES, Recurrent, RecurrentLayer
from tests.layers.helpers import (
    NAMES,
    D,
    assert_close,
    assert_same_function,
    flat,
    gradients,
    network,
    random_input,
    some_state,
    unroll,
)

N, T = 4, 5
LENGTHS = [3, 0, 5, 1]


def row(state: State, n: int) -> State:
    made: State = type(state)(*(field[n : n + 1] for field in state))
    return made


def stacked(states: list[State]) -> State:
    made: State = type(states[0])(*(torch.cat(field) for field in zip(*states, strict=True)))
    return made


def one_way(
    layer: RecurrentLayer,
    x: Tensor,
    state: State,
    lengths: list[int],
    resets: Tensor | None,
    backward: bool,
) -> tuple[Tensor, State]:
    """Row by row, and segment by segment where there are resets; zeros behind a row's end."""
    outputs, ends = [], []
    for n, length in enumerate(lengths):
        starts = [] if resets is None else resets[n, :length].nonzero().flatten().tolist()
        # Read backwards, nothing comes after the first step that could start anew.
        starts = [t for t in starts if t or not backward]
        borders = [0, *starts, length]
        segments = [slice(i, j) for i, j in pairwise(borders)]
        h, parts = row(state, n), []
        for k, segment in enumerate(reversed(segments) if backward else segments):
            h = h if k == 0 else layer.initial_state(1)
            part = x[n : n + 1, segment]
            y, h = unroll(layer, part.flip(1) if backward else part, h)
            parts.append(y.flip(1) if backward else y)
        parts = parts[::-1] if backward else parts
        parts.append(x.new_zeros(1, x.shape[1] - length, layer.output_size))
        outputs.append(torch.cat(parts, 1))
        ends.append(h)
    return torch.cat(outputs), stacked(ends)


def both_ways(
    net: Recurrent,
    x: Tensor,
    states: list[State],
    lengths: list[int] | None = None,
    resets: Tensor | None = None,
) -> tuple[Tensor, list[State]]:
    """A plain bidirectional stack, by hand."""
    lengths = [x.shape[1]] * len(x) if lengths is None else lengths
    last = []
    for level in range(len(net.stack) // 2):
        halves = []
        for k in (0, 1):
            i = 2 * level + k
            y, end = one_way(net.stack[i], x, states[i], lengths, resets, backward=k == 1)
            halves.append(y)
            last.append(end)
        x = halves[0] + halves[1] if net.merge == "sum" else torch.cat(halves, -1)
    return x, last


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("name", NAMES)
def test_rows_are_turned_around_at_their_own_ends(name: str, merge: str) -> None:
    net = network(name, bidirectional=True, merge=merge)
    x = random_input(N, T).requires_grad_()
    states = some_state(net, N)
    sources = [x, *(f.requires_grad_() for s in states for f in s), *net.parameters()]
    wanted = both_ways(net, x, states, LENGTHS)
    assert_same_function(net(x, states, lengths=LENGTHS), wanted, sources)


@pytest.mark.parametrize("name", NAMES)
def test_without_lengths_all_rows_turn_at_the_end(name: str) -> None:
    net = network(name, bidirectional=True, learned_initial_state=True)
    x = random_input(2, 4).requires_grad_()
    wanted = both_ways(net, x, net.initial_state(2))
    assert_same_function(net(x), wanted, [x, *net.parameters()])


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("cells", ["lstm", "mingru", ["gru", "lstm_projected", "slstm"]])
def test_deep(cells: Any, merge: str) -> None:
    net = network(cells, [4, 6, 5], bidirectional=True, merge=merge, learned_initial_state=True)
    x = random_input(N, T).requires_grad_()
    wanted = both_ways(net, x, net.initial_state(N), LENGTHS)
    assert_same_function(net(x, lengths=LENGTHS), wanted, [x, *net.parameters()])


def some_resets() -> Tensor:
    resets = torch.zeros(N, T, dtype=torch.bool)
    resets[0, 1] = True
    resets[0, 3] = True  # where padding begins
    resets[1] = True
    resets[2, 2] = resets[2, 4] = True
    resets[3, 2] = True
    return resets


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", ["lstm", "gru_reset_before", "mingru", "slstm", "antisymmetric"])
def test_resets_cut_both_directions(name: str, ragged: bool) -> None:
    net = network(name, num_layers=2, bidirectional=True, learned_initial_state=True)
    x = random_input(N, T).requires_grad_()
    states = some_state(net, N)
    lengths, resets = LENGTHS if ragged else None, some_resets()
    sources = [x, *(f.requires_grad_() for s in states for f in s), *net.parameters()]
    found = net(x, states, resets, lengths=lengths)
    assert_same_function(found, both_ways(net, x, states, lengths, resets), sources)


def test_a_reset_at_the_first_step_is_one_of_the_forward_direction() -> None:
    net = network("gru", bidirectional=True)
    x, states = random_input(1, T), some_state(net, 1)
    resets = torch.zeros(1, T, dtype=torch.bool)
    resets[0, 0] = True
    fresh = net.initial_state(1)
    assert_close(flat(net(x, states, resets)), flat(net(x, [fresh[0], states[1]])))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_against_pytorch_with_packed_sequences(kind: Any, layers: int) -> None:
    torch.manual_seed(0)
    theirs = kind(D, 4, layers, bidirectional=True, batch_first=True, dtype=torch.float64)
    ours = Recurrent.from_torch(theirs)
    lengths = [3, 5, 1, 5]
    x = random_input(N, T).requires_grad_()
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    states = some_state(ours, N)
    given = tuple(torch.stack(field) for field in zip(*states, strict=True))
    output, last = theirs(packed, given if kind is nn.LSTM else given[0])
    padded, _ = pad_packed_sequence(output, batch_first=True)
    fields = last if kind is nn.LSTM else (last,)
    kind_of_state = type(states[0])
    wanted = padded, [kind_of_state(*each) for each in zip(*fields, strict=True)]
    assert_same_function(ours(x, states, lengths=lengths), wanted, [x])


def test_weights_of_packed_pytorch_get_the_same_gradient() -> None:
    torch.manual_seed(0)
    theirs = nn.LSTM(D, 4, bidirectional=True, batch_first=True, dtype=torch.float64)
    ours = Recurrent.from_torch(theirs)
    x = random_input(3, T)
    packed = pack_padded_sequence(x, torch.tensor([5, 4, 2]), batch_first=True)
    padded, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    weights = [getattr(theirs, f"weight_{k}_l0{d}") for d in ("", "_reverse") for k in ("ih", "hh")]
    mine = [p for layer in ours.stack for p in layer.matrices]
    output, _ = ours(x, lengths=[5, 4, 2])
    assert_close(gradients([output], mine), gradients([padded], weights))


def test_turning_the_input_around_swaps_the_directions() -> None:
    net = network("lstm_peephole", bidirectional=True)
    swapped = network("lstm_peephole", bidirectional=True)
    for i in (0, 1):
        swapped.stack[i].load_state_dict(net.stack[1 - i].state_dict())
    x = random_input(N, T)
    output, state = net(x)
    turned, turned_state = swapped(x.flip(1))
    halves = output.flip(1).chunk(2, -1)
    assert_close(turned, torch.cat((halves[1], halves[0]), -1))
    assert_close(flat((turned, turned_state[::-1]))[1:], flat((output, state))[1:])


def test_last_states_are_at_the_two_ends() -> None:
    net = network("gru", bidirectional=True)
    x = random_input(N, T)
    output, (forward, backward) = net(x, lengths=LENGTHS)
    for n, length in enumerate(LENGTHS):
        if length:
            assert torch.equal(forward.h[n], output[n, length - 1, :4])
            assert torch.equal(backward.h[n], output[n, 0, 4:])


def test_the_state_has_an_entry_for_each_direction() -> None:
    net = network("gru", num_layers=2, bidirectional=True)
    x = random_input(N, T)
    assert len(net(x)[1]) == 4
    with pytest.raises(ShapeError, match=r"2 entries for 4 layers.*direction"):
        net(x, net(x)[1][:2])
    with pytest.raises(ConfigError, match="stateful"):
        Recurrent("gru", D, 4, bidirectional=True, stateful=True)
