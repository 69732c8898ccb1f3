"""What a layer is called with: lengths and resets wherever PyTorch runs, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import vmap

from sunhwan import Recurrent
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.ops import LazyEmbedding

N, T, D, H = 3, 5, 4, 6
LENGTHS, RESETS = (
    torch.tensor([5, 3, 0]),
    torch.tensor([[0, 0, 1, 0, 0], [1, 0, 0, 0, 1], [0] * 5]).bool(),
)
OPTIONS = [{"lengths": LENGTHS}, {"resets": RESETS}, {"lengths": LENGTHS, "resets": RESETS}]

each_option = pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options))


@pytest.fixture
def layer() -> Recurrent:
    torch.manual_seed(1)
    return Recurrent("lstm", D, H, bidirectional=True).double()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.linspace(-1, 1, N * T * D, dtype=torch.float64).view(N, T, D)


def test_compiled_without_a_break(layer, x):
    options = OPTIONS[-1]
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, **options)[0], layer(x, **options)[0])


@each_option
def test_mapped_over_rows(layer, x, options):
    def one(x, options):
        return layer(x.unsqueeze(0), **{k: v.unsqueeze(0) for k, v in options.items()})[0][0]

    torch.testing.assert_close(vmap(one)(x, options), layer(x, **options)[0])


@each_option
def test_shapes_on_meta(x, options):
    there = Recurrent("lstm", D, H, device="meta", dtype=torch.float64)
    output, state = there(x.to("meta"), **{k: v.to("meta") for k, v in options.items()})
    assert output.shape == (N, T, H)
    assert state[0].h.is_meta


class Lengths(nn.Module):
    def __init__(self, layer: Recurrent) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.layer(x, lengths=lengths)[0]


def test_exported_with_lengths(layer, x):
    program = torch.export.export(Lengths(layer), (x, LENGTHS)).module()
    other = torch.tensor([1, 5, 4])
    torch.testing.assert_close(program(x, other), layer(x, lengths=other)[0])


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_does_not_freeze_lengths(layer, x):
    with pytest.raises(ConfigError, match="keep the resets and lengths"):
        torch.jit.trace(Lengths(layer), (x, LENGTHS))


def test_a_stateful_layer_keeps_out_of_graphs(x):
    layer = Recurrent("gru", D, H, stateful=True).double()
    for use in (
        lambda: vmap(lambda row: layer(row.unsqueeze(0))[0])(x),
        lambda: torch.export.export(layer, (x,), strict=False),
    ):
        with pytest.raises(ConfigError, match="outside of a graph"):
            use()
    assert layer(x)[0].isfinite().all()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_plain_tuple_is_a_state_of_one_sequence(cell, x):
    layer = Recurrent(cell, D, H).double()
    fields = len(layer.initial_state(1)[0])
    ones = torch.ones(H, dtype=torch.float64)
    output, state = layer(x[0], [(ones,) * fields])
    torch.testing.assert_close(output, layer(x[:1], [(ones.unsqueeze(0),) * fields])[0][0])
    assert state[0][0].shape == (H,)


def test_a_token_behind_the_end_may_be_any_number():
    layer, table = Recurrent("gru", D, H), torch.ones(3, D)
    ids = torch.tensor([[0, 1, -100], [2, 1, 0]])
    found = layer(LazyEmbedding(ids, table), lengths=[2, 3])[0]
    wanted = layer(LazyEmbedding(ids.clamp(min=0), table), lengths=[2, 3])[0]
    assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"resets": RESETS.float()}, "truth values"),
        ({"resets": RESETS[:, 1:]}, "has shape"),
        ({"resets": "yes"}, "truth values"),
        ({"lengths": [None, 1, 2]}, "whole numbers"),
        ({"state": (torch.zeros(1, N, H),) * 2}, r"one tuple \(h\) of \(N, H\) a layer"),
        ({"state": torch.zeros(N, H)}, r"one tuple \(h\)"),
        ({"state": [None]}, "HiddenState"),
        ({"state": [(np.zeros((N, H)),)]}, "ndarray"),
    ],
)
def test_what_cannot_be_read_is_refused(x, options, told):
    with pytest.raises(ShapeError, match=told) as caught:
        Recurrent("gru", D, H).double()(x, **options)
    assert "\n" not in str(caught.value)


def test_resets_may_be_nested_lists(layer, x):
    assert torch.equal(layer(x, resets=RESETS.tolist())[0], layer(x, resets=RESETS)[0])


def test_a_parameter_that_was_taken_away(layer, x):
    layer.layers[0].b = None
    with pytest.raises(ShapeError, match="bias=False"):
        layer(x)


@pytest.mark.parametrize(
    "arguments",
    [
        ("lstm", 3.5, 2),
        ("lstm", "3", 2),
        ("lstm", True, 2),
        ("lstm", 3, [2.5]),
        (None, 3, 2),
        (nn.LSTM, 3, 2),
    ],
)
def test_sizes_and_cells_that_are_none(arguments):
    with pytest.raises(ConfigError):
        Recurrent(*arguments)


def test_sizes_of_numpy():
    assert Recurrent("gru", np.int64(3), np.int64(2)).output_size == 2
