"""The layer beside torch.nn with the same weights, in uses that once gave a wrong number or a crash."""

import copy
import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from sunhwan.cells import CELLS, LSTMState
from sunhwan.errors import ConfigError, ShapeError, SunhwanError
from sunhwan.layers import Recurrent
from tests.citizen.isolation import assert_sentence, isolated
from tests.shapes import SHAPES

MODULES = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
each_name = pytest.mark.parametrize("name", MODULES)
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def pair(name, *sizes, dtype=torch.float64, seed=0, **options) -> tuple[nn.RNNBase, Recurrent]:
    torch.manual_seed(seed)
    module = MODULES[name](*sizes, batch_first=True, dtype=dtype, **options)
    return module, Recurrent.from_torch(module)


def state_of(name: str, fields: list[Tensor]):
    """PyTorch's and ours of the fields (N, H)."""
    ours = [CELLS[name].state_type(*fields)]
    theirs = tuple(field.unsqueeze(0) for field in fields)
    return (theirs if len(theirs) > 1 else theirs[0]), ours


def fields_of(name: str, *sizes: int, seed: int = 1) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    count = len(CELLS[name].state_type._fields)
    return [torch.randn(*sizes, generator=draw, dtype=torch.float64) for _ in range(count)]


def close(got, wanted, bound=1e-9) -> None:
    torch.testing.assert_close(got, wanted, rtol=bound, atol=bound)


# State of another dtype or device.


@pytest.mark.parametrize("given", DTYPES)
@pytest.mark.parametrize("own", [torch.float32, torch.float64])
@each_name
def test_a_state_of_another_dtype_is_converted(name, own, given):
    module, layer = pair(name, 2, 3, dtype=own)
    fields = [field.to(given) for field in fields_of(name, 2, 3)]
    theirs, _ = state_of(name, [field.to(own) for field in fields])
    x = torch.ones(2, 4, 2, dtype=own)
    wanted, _ = module(x, theirs)

    def run():
        output, (last,) = layer(x, state_of(name, fields)[1])
        assert output.dtype == own
        assert all(field.dtype == own for field in last)
        close(output, wanted, 1e-5 if own == torch.float32 else 1e-9)

    assert isolated(run) is None


@each_name
def test_a_converted_state_keeps_its_gradient(name):
    module, layer = pair(name, 2, 3)
    fields = [field.float().requires_grad_() for field in fields_of(name, 2, 3)]
    x = torch.ones(2, 4, 2).double()

    def run():
        wanted = torch.autograd.grad(
            module(x, state_of(name, [f.double() for f in fields])[0])[0].sum(), fields
        )
        got = torch.autograd.grad(layer(x, state_of(name, fields)[1])[0].sum(), fields)
        assert all(g.dtype == torch.float32 for g in got)
        close(got, wanted, 1e-6)

    assert isolated(run) is None


@pytest.mark.parametrize("cell", CELLS)
def test_a_state_on_another_device_is_refused(cell):
    layer = Recurrent(cell, 2, 3)
    state = [type(s)(*(f.to("meta") for f in s)) for s in layer.initial_state(2)]
    told = isolated(lambda: layer(torch.ones(2, 4, 2), state))
    assert told is not None
    assert_sentence(told)
    assert "meta" in told
    assert "cpu" in told


def test_a_state_of_whole_numbers_is_converted_or_refused():
    module, layer = pair("gru", 2, 3)
    state = torch.ones(2, 3, dtype=torch.long)
    x = torch.ones(2, 4, 2).double()

    def run():
        close(layer(x, state_of("gru", [state])[1])[0], module(x, state.double().unsqueeze(0))[0])

    told = isolated(run)
    assert told is None or "torch.int64" in told


def test_a_stateful_layer_changes_its_dtype_between_calls():
    module, layer = pair("lstm", 2, 3, dtype=torch.float32)
    stateful = Recurrent("lstm", 2, 3, stateful=True)
    stateful.load_state_dict(layer.state_dict())
    x = torch.randn(2, 6, 2)
    stateful(x[:, :3])
    got, _ = stateful.double()(x[:, 3:].double())
    close(got.float(), module(x)[0][:, 3:], 1e-5)


# Second derivatives.


@each_name
def test_a_gradient_penalty_is_that_of_torch(name):
    module, layer = pair(name, 2, 3)
    found = []
    for net in (module, layer):
        x = torch.ones(1, 4, 2, dtype=torch.float64, requires_grad=True)
        (g,) = torch.autograd.grad(net(x)[0].sum(), x, create_graph=True)
        penalty = (g.norm() - 1) ** 2
        penalty.backward()
        assert x.grad is not None
        found.append((penalty, x.grad, net))
    close(found[1][:2], found[0][:2])
    own = layer.layers[0]
    close(own.W_x_T.grad, module.weight_ih_l0.grad)
    close(own.W_h_T.grad, module.weight_hh_l0.grad)


@pytest.mark.parametrize("cell", SHAPES)
def test_second_derivatives_are_those_of_finite_differences(cell):
    torch.manual_seed(0)
    layer = Recurrent(cell, 2, 2).double()
    x = torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True)
    state = [f.detach() + 0.7 for f in layer.initial_state(1)[0]]
    kind = layer.layers[0].cell.state_type
    fields = [f.requires_grad_() for f in state]

    def run(x, *fields):
        output, (last,) = layer(x, [kind(*fields)])
        return output, *last

    assert torch.autograd.gradgradcheck(run, (x, *fields), atol=1e-4)


@pytest.mark.parametrize("options", [
    {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True}
], ids=str)  # fmt: skip
@each_name
def test_second_derivatives_pass_through_stacks(name, options):
    module, layer = pair(name, 2, 3, **options)
    found = []
    for net in (module, layer):
        x = torch.sin(torch.arange(16.0)).double().view(2, 4, 2).requires_grad_()
        (g,) = torch.autograd.grad((net(x)[0] ** 2).sum(), x, create_graph=True)
        found.append(torch.autograd.grad((g**2).sum(), x)[0])
    close(found[1], found[0])


@pytest.mark.parametrize("cell", ["gru", "lstm", "rglru", "slstm", "lstm_peephole"])
@pytest.mark.parametrize("extra", ["lengths", "resets", "zoneout", "weight_drop", "learned"])
def test_second_derivatives_with_what_else_the_layer_does(cell, extra):
    if cell == "rglru" and extra == "weight_drop":
        return
    more = {extra: 0.3} if extra in ("zoneout", "weight_drop") else {}
    if extra == "learned":
        more = {"learned_initial_state": True}
    torch.manual_seed(0)
    layer = Recurrent(cell, 2, 3, **more).double()
    plain = Recurrent(cell, 2, 3, backend="unrolled", **more).double()
    plain.load_state_dict(layer.state_dict())
    how = {"lengths": {"lengths": [4, 2]}, "resets": {"resets": torch.eye(2, 4).bool()}}
    found = []
    for net in (layer, plain):
        x = torch.sin(torch.arange(16.0)).double().view(2, 4, 2).requires_grad_()
        torch.manual_seed(1)
        output, _ = net(x, **how.get(extra, {}))
        (g,) = torch.autograd.grad(output.sum(), x, create_graph=True)
        leaves = [x, *net.parameters()]
        found.append(torch.autograd.grad(
            (g**2).sum(), leaves, allow_unused=True, materialize_grads=True
        ))  # fmt: skip
    close(found[0], found[1])


# Meta and fake tensors.


@pytest.mark.parametrize("options", [
    {}, {"num_layers": 2, "bidirectional": True}, {"learned_initial_state": True},
    {"num_layers": 2, "layer_norm": True, "connection": "residual"}, {"zoneout": 0.1},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru", "lstm_projected"])
def test_meta_gives_shapes(cell, options):
    layer = Recurrent(cell, 4, 4 if "connection" in options else 6, **options)
    x = torch.randn(3, 5, 4)
    wanted, last = layer(x)

    def run():
        output, state = layer.to("meta")(x.to("meta"))
        assert output.is_meta
        assert output.shape == wanted.shape
        for got, one in zip(state, last, strict=True):
            assert [f.shape for f in got] == [f.shape for f in one]

    assert isolated(run) is None


@each_name
def test_a_layer_made_under_the_meta_device_takes_weights(name):
    module, layer = pair(name, 2, 3, dtype=torch.float32)

    def run():
        with torch.device("meta"):
            other = Recurrent(name, 2, 3)
        other.load_state_dict(layer.state_dict(), assign=True)
        x = torch.randn(2, 4, 2)
        close(other(x)[0], module(x)[0], 1e-5)

    assert isolated(run) is None


def test_fake_inputs_give_shapes():
    from torch._subclasses.fake_tensor import FakeTensorMode

    layer = Recurrent("lstm", 4, 6, 2)

    def run():
        with FakeTensorMode(allow_non_fake_inputs=True):
            output, _ = layer(torch.randn(3, 5, 4))
        assert output.shape == (3, 5, 6)

    assert isolated(run) is None


# Parameters replaced.


@each_name
def test_functional_call_takes_other_weights(name):
    module, layer = pair(name, 2, 3)
    other, donor = pair(name, 2, 3, seed=7)
    x = torch.randn(2, 4, 2).double()
    got, _ = functional_call(layer, dict(donor.named_parameters()), (x,))
    close(got, other(x)[0])
    close(layer(x)[0], module(x)[0])


def test_an_ensemble_by_vmap():
    pairs = [pair("gru", 2, 3, 2, seed=seed) for seed in range(3)]
    parameters, buffers = torch.func.stack_module_state([layer for _, layer in pairs])
    base = pairs[0][1]
    x = torch.randn(2, 4, 2).double()
    got = vmap(lambda p, b: functional_call(base, (p, b), (x,))[0])(parameters, buffers)
    close(got, torch.stack([module(x)[0] for module, _ in pairs]))


def test_a_missing_parameter_is_told_by_its_name():
    with pytest.raises(AttributeError, match="W_h"):
        _ = Recurrent("mingru", 2, 3).layers[0].W_h


# Construction.


@each_name
def test_weights_that_are_overwritten_are_not_drawn(name, monkeypatch):
    module, _ = pair(name, 2, 3)

    def refuse(*_, **__):
        raise AssertionError("an orthogonal matrix was drawn to be overwritten")

    for where, what in ((torch.linalg, "qr"), (torch, "geqrf"), (nn.init, "orthogonal_")):
        monkeypatch.setattr(where, what, refuse)
    layer = Recurrent.from_torch(module)
    x = torch.randn(2, 4, 2).double()
    close(layer(x)[0], module(x)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cell", CELLS)
def test_device_and_dtype_of_the_constructor(cell, dtype):
    torch.manual_seed(4)
    layer = Recurrent(cell, 2, 3, 2, device="cpu", dtype=dtype)
    torch.manual_seed(4)
    plain = Recurrent(cell, 2, 3, 2).to(dtype)
    assert {p.dtype for p in layer.parameters()} == {dtype}
    for name, value in plain.state_dict().items():
        close(layer.state_dict()[name], value, 1e-5)
    assert all(p.is_meta for p in Recurrent(cell, 2, 3, device="meta").parameters())


# Unbatched and time-major.


@pytest.mark.parametrize("bidirectional", [False, True])
@each_name
def test_an_input_without_a_batch(name, bidirectional):
    module, layer = pair(name, 2, 3, 2, bidirectional=bidirectional)
    x = torch.randn(4, 2).double()
    count = 4 if bidirectional else 2
    cell = CELLS[name]
    rows = [fields_of(name, 3, seed=i) for i in range(count)]
    theirs = tuple(torch.stack(f) for f in zip(*rows, strict=True))
    theirs = theirs if len(theirs) > 1 else theirs[0]
    for given, state in ((None, None), (theirs, [cell.state_type(*row) for row in rows])):
        wanted, last = module(x, given)
        output, got = layer(x, state)
        close(output, wanted)
        last = last if isinstance(last, tuple) else (last,)
        for i, fields in enumerate(got):
            close(tuple(fields), tuple(field[i] for field in last))


def test_states_with_and_without_a_batch_do_not_mix():
    layer = Recurrent("gru", 2, 3)
    state = layer.initial_state(2)
    for x, given in (
        (torch.ones(4, 2), state),
        (torch.ones(2, 4, 2), [type(s)(*(f[0] for f in s)) for s in state]),
    ):
        with pytest.raises(ShapeError) as caught:
            layer(x, given)
        assert_sentence(str(caught.value))


@each_name
def test_a_time_major_module_is_read_batch_first(name):
    torch.manual_seed(0)
    module = MODULES[name](2, 3, dtype=torch.float64)
    layer = Recurrent.from_torch(module)
    x = torch.randn(5, 4, 2).double()  # time before batch
    close(layer(x.transpose(0, 1))[0].transpose(0, 1), module(x)[0])


# state_dict in the names of torch.nn.


@pytest.mark.parametrize("options", [
    dict(zip(("num_layers", "bidirectional", "bias"), values, strict=True))
    for values in itertools.product((1, 2), (False, True), (True, False))
], ids=str)  # fmt: skip
@each_name
def test_a_state_dict_of_torch_travels(name, options):
    module, _ = pair(name, 2, 3, **options)
    layer = Recurrent(name, 2, 3, **options).double()
    layer.load_torch_state_dict(module.state_dict())
    x = torch.randn(2, 4, 2).double()
    close(layer(x)[0], module(x)[0])
    theirs = layer.torch_state_dict()
    assert {n: v.shape for n, v in theirs.items()} == {
        n: v.shape for n, v in module.state_dict().items()
    }
    again, _ = pair(name, 2, 3, seed=9, **options)
    again.load_state_dict(theirs)
    close(again(x)[0], module(x)[0])


@pytest.mark.parametrize("break_it", [
    lambda sd: sd.pop("weight_hh_l0"),
    lambda sd: sd.update(weight_hh_l0=torch.ones(12, 5)),
    lambda sd: sd.update(weight_ih_l1=torch.ones(12, 3)),
])  # fmt: skip
def test_a_state_dict_that_does_not_fit_is_refused(break_it):
    module, layer = pair("lstm", 2, 3)
    before = copy.deepcopy(layer.state_dict())
    state = module.state_dict()
    break_it(state)
    with pytest.raises(SunhwanError) as caught:
        layer.load_torch_state_dict(state)
    assert_sentence(str(caught.value))
    for name, value in before.items():
        assert torch.equal(layer.state_dict()[name], value), f"{name} was changed on the way"


# What has no right answer.


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (torch.ones(2, 4, 2).numpy(), "torch.as_tensor|torch.from_numpy"),
        ([[1.0, 2.0]], "list"),
        (nn.utils.rnn.pack_padded_sequence(torch.ones(2, 4, 2), [4, 2], True), "lengths"),
        (torch.ones(2, 4, 2, dtype=torch.long), "float|Embedding"),
        (torch.ones(2, 4, 3), r"\(2, 4, 3\)"),
        (torch.ones(2), r"\(2,\)"),
        (torch.ones(1, 2, 4, 2), r"\(1, 2, 4, 2\)"),
        (torch.ones(2, 4, 2, dtype=torch.complex64), "complex"),
        (torch.ones(2, 4, 2).to_sparse(), "sparse|dense"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("cell", ["gru", "mingru"])
def test_an_unusable_input_is_refused(cell, x, told):
    with pytest.raises(ShapeError, match=told) as caught:
        Recurrent(cell, 2, 3)(x)
    assert_sentence(str(caught.value))


@pytest.mark.parametrize("state", [
    torch.zeros(1, 2, 3), None, "zeros",
    [(torch.zeros(2, 3),)], [LSTMState(torch.zeros(2, 3), None)],
    (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3)),
    [LSTMState(torch.zeros(2, 3).numpy(), torch.zeros(2, 3))],
    [LSTMState(torch.zeros(2, 4), torch.zeros(2, 4))],
    [LSTMState(torch.zeros(1, 3), torch.zeros(1, 3))],
])  # fmt: skip
def test_an_unusable_state_is_refused(state):
    layer = Recurrent("lstm", 2, 3)

    def run():
        layer(torch.ones(2, 4, 2), state)

    if state is None:
        assert isolated(run) is None
        return
    told = isolated(run)
    assert told is not None, "accepted without a word"
    assert_sentence(told)


@pytest.mark.parametrize("name", ["b", "W_h_T", "W_x_T"])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm", "lstm_peephole", "slstm"])
def test_weights_in_two_dtypes_are_refused(cell, name):
    layer = Recurrent(cell, 2, 3).double()
    parameter = layer.layers[0].get_parameter(name)
    parameter.data = parameter.data.float()
    told = isolated(lambda: layer(torch.ones(2, 4, 2).double()))
    assert told is not None, "accepted without a word"
    assert_sentence(told)


@pytest.mark.parametrize("name", ["b", "W_h_T", "W_x_T"])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm", "lstm_peephole", "slstm"])
def test_weights_of_another_size_are_refused(cell, name):
    for change in (lambda p: p[:-1], lambda p: p.repeat(2, *[1] * (p.dim() - 1))):
        layer = Recurrent(cell, 2, 3)
        parameter = layer.layers[0].get_parameter(name)
        parameter.data = change(parameter.data).clone()
        told = isolated(lambda layer=layer: layer(torch.ones(2, 4, 2)))
        assert told is not None, "accepted without a word"
        assert_sentence(told)
        with pytest.raises(ShapeError):
            layer(torch.ones(2, 4, 2))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_stateful_layer_in_a_checkpoint_is_right_or_refused(cell):
    from torch.utils.checkpoint import checkpoint

    layer = Recurrent(cell, 2, 3, stateful=True).double()
    x = torch.randn(2, 6, 2).double()
    layer(x[:, :3])
    state = [type(s)(*(f.clone() for f in s)) for s in layer.state]
    plain = Recurrent(cell, 2, 3, backend="unrolled").double()
    plain.load_state_dict(layer.state_dict())
    wanted = torch.autograd.grad(plain(x[:, 3:], state)[0].sum(), list(plain.parameters()))
    try:
        output = checkpoint(lambda x: layer(x)[0], x[:, 3:], use_reentrant=False)
        got = torch.autograd.grad(output.sum(), list(layer.parameters()))
    except ConfigError as error:
        assert_sentence(str(error))
    else:
        close(got, wanted)
