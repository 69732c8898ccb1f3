"""A plain layer called directly gives the operator's numbers to the last bit, and refuses what it does."""

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sunhwan.errors import ShapeError
from sunhwan.layers import Recurrent
from sunhwan.ops import LazyEmbedding, direct
from sunhwan.ops.library import library
from tests.shapes import SHAPES

pytestmark = pytest.mark.skipif(library() is None, reason="there is no compiled library")
D, H = 5, 6
LONG = {"antisymmetric", "gru_layer_norm", "lstm_layer_norm"}
"""Cells with an input or parameters of their own making, which take the long way."""
SINGLE = {"elman", "elman_relu", "irnn", "gru"}
"""Cells of which PyTorch's operator takes a single step that a gradient is wanted of."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[direct.PreparedCall]:
    """One entry a layer that is run directly."""
    seen: list[direct.PreparedCall] = []
    run = direct.run

    def spy(prepared: direct.PreparedCall, *rest: Any) -> Any:
        seen.append(prepared)
        return run(prepared, *rest)

    monkeypatch.setattr(direct, "run", spy)
    return seen


@contextmanager
def the_long_way() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sunhwan.layers.recurrent.run_plain", lambda *_: None)
        yield


def tokens(N: int, T: int, V: int, dtype: torch.dtype) -> tuple[Tensor, LazyEmbedding]:
    """A table that needs a gradient, and rows of it by tokens that lie in the order of time."""
    table = torch.randn(V, D, dtype=dtype, requires_grad=True)
    return table, LazyEmbedding(torch.randint(V, (T, N)).T, table)


def network(cell: str = "lstm", layers: int = 1, **options: Any) -> Recurrent:
    torch.manual_seed(2)
    made = Recurrent(cell, D, H, layers, **options)
    for p in made.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return made


def results(model: Recurrent, x: Any, state: Any, *, twice: bool = False) -> list[Any]:
    """Output, state, and all gradients, of which with `twice` the second ones too."""
    given = [] if state is None else [field for layer in state for field in layer]
    inputs = [x.weight if isinstance(x, LazyEmbedding) else x, *model.parameters(), *given]
    y, last = model(x, state)
    values = [y, *(field for layer in last for field in layer)]
    draw = torch.Generator().manual_seed(4)
    loss: Any = sum((v * torch.randn(v.shape, generator=draw, dtype=v.dtype)).sum() for v in values)
    first = torch.autograd.grad(loss, inputs, create_graph=twice, allow_unused=True)
    second: tuple[Any, ...] = ()
    if twice:
        whole = sum(g.pow(2).sum() for g in first if g is not None)
        second = torch.autograd.grad(whole, inputs, allow_unused=True)
    return [*values, *first, *second]


def assert_near(found: list[Any], wanted: list[Any]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            exact = 1e-12 if one.dtype == torch.float64 else 1e-5
            torch.testing.assert_close(one, other, rtol=exact, atol=exact)


def assert_same(found: list[Any], wanted: list[Any]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert torch.equal(one, other)
            assert one.stride() == other.stride() or one.numel() < 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["biases", "no biases"])
@pytest.mark.parametrize("cell", SHAPES)
def test_every_cell_gives_the_operators_bits(
    cell: str, bias: bool, dtype: torch.dtype, calls: list[direct.PreparedCall]
) -> None:
    model = network(cell, 2, bias=bias).to(dtype)
    for N, T in ((1, 1), (3, 1), (1, 4), (3, 4)):
        x = torch.randn(N, T, D, dtype=dtype, requires_grad=True)
        drawn = [
            type(layer)(*(torch.randn_like(field).requires_grad_() for field in layer))
            for layer in model.initial_state(N)
        ]
        for state in (None, drawn):
            found = results(model, x, state)
            same = assert_near if T == 1 and cell in SINGLE else assert_same
            with torch.no_grad():
                y, last = model(x, state)
            values = [y, *(field for layer in last for field in layer)]
            same(values, found[: len(values)])
            with the_long_way():
                wanted = results(model, x, state)
            assert_same(values, wanted[: len(values)])
            same(found, wanted)
    assert bool(calls) != (cell in LONG)


@pytest.mark.parametrize("V", [3, 100], ids=["table", "looked up"])
@pytest.mark.parametrize("cell", SHAPES)
def test_tokens_give_the_operators_bits(
    cell: str, V: int, calls: list[direct.PreparedCall]
) -> None:
    model = network(cell, 2, learned_initial_state=True)
    for N, T in ((3, 4), (1, 8), (8, 1)):
        _, x = tokens(N, T, V, torch.float32)
        assert x.folds == (V == 3)
        drawn = [
            tuple(torch.randn_like(field).detach().requires_grad_() for field in layer)
            for layer in model.initial_state(N)
        ]
        for state in (None, drawn):
            found = results(model, x, state)
            with the_long_way():
                wanted = results(model, x, state)
            (assert_near if T == 1 and cell in SINGLE else assert_same)(found, wanted)
    assert bool(calls) != (cell in LONG)


def test_second_derivatives_of_a_table_are_those_of_the_operator() -> None:
    model = network("lstm", learned_initial_state=True).double()
    _, x = tokens(3, 4, 3, torch.float64)
    found = results(model, x, None, twice=True)
    with the_long_way():
        for one, other in zip(found, results(model, x, None, twice=True), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_masks_that_drop_nothing_are_none(calls: list[direct.PreparedCall]) -> None:
    model, x = network("lstm", 2), torch.randn(2, 3, D)
    wanted = model(x)[0]
    assert torch.equal(model(x, masks=model.draw_masks(2))[0], wanted)
    assert len(calls) == 4
    with pytest.raises(ShapeError, match="masks for 1 of 2"):
        model(x, masks=model.draw_masks(2)[:1])


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm", "lstm_multiplicative", "rglru"])
def test_second_derivatives_are_those_of_the_operator(cell: str) -> None:
    model = network(cell).double()
    x = torch.randn(2, 3, D, dtype=torch.float64, requires_grad=True)
    state = [tuple(torch.rand_like(f).requires_grad_() for f in s) for s in model.initial_state(2)]
    found = results(model, x, state, twice=True)
    with the_long_way():
        for one, other in zip(found, results(model, x, state, twice=True), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("wanted", ["x", "W_x_T", "W_h_T", "b"])
def test_the_gradient_of_one_alone(wanted: str) -> None:
    model = network("gru").requires_grad_(False)
    x = torch.randn(3, 4, D)
    leaf = x if wanted == "x" else model.stack[0].get_parameter(wanted)
    leaf.requires_grad_()
    found = torch.autograd.grad(model(x)[0].sum(), leaf)
    with the_long_way():
        assert torch.equal(found[0], torch.autograd.grad(model(x)[0].sum(), leaf)[0])


def change_values(model: Recurrent) -> None:
    with torch.no_grad():
        model.stack[0].W_h_T.mul_(0.5)


def change_memory(model: Recurrent) -> None:
    model.stack[0].W_h_T.data = model.stack[0].W_h_T.data * 0.5


def turn_memory(model: Recurrent) -> None:
    # The same address, laid out in another way.
    square = torch.randn(4 * H, 4 * H)
    model.stack[0].W_h_T.data = square[:, :H]


def exchange_parameter(model: Recurrent) -> None:
    model.stack[0].W_h_T = torch.nn.Parameter(model.stack[0].W_h_T.detach() * 0.5)


@pytest.mark.parametrize("change", [change_values, change_memory, turn_memory, exchange_parameter])
def test_a_parameter_that_changed_is_read_anew(change: Callable[[Recurrent], None]) -> None:
    model, x = network(), torch.randn(2, 3, D, requires_grad=True)
    before = model(x)[0]
    change(model)
    found = results(model, x, None)
    assert not torch.equal(found[0], before)
    with the_long_way():
        assert_same(found, results(model, x, None))


def test_a_change_between_the_passes_is_noticed() -> None:
    model, x = network(), torch.randn(2, 3, D)
    y, _ = model(x)
    change_values(model)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    y, _ = model(x)
    with torch.no_grad():
        y.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_the_backward_pass_reads_what_the_forward_pass_read() -> None:
    """Also where a parameter was given other memory since."""
    model, x = network(), torch.randn(2, 3, D, requires_grad=True)
    inputs = [x, *model.parameters()]
    wanted = torch.autograd.grad(model(x)[0].sum(), inputs)
    y, _ = model(x)
    change_memory(model)
    assert_same(list(torch.autograd.grad(y.sum(), inputs)), list(wanted))


def test_memory_that_moved_is_found_again() -> None:
    """As that of sharded parameters does, whose storage is freed and filled again."""
    model, x = network(), torch.randn(2, 3, D, requires_grad=True)
    inputs = [x, *model.parameters()]
    wanted = torch.autograd.grad(model(x)[0].sum(), inputs)
    y, _ = model(x)
    kept = model.stack[0].W_h_T.detach().clone()
    storage = model.stack[0].W_h_T.data.untyped_storage()
    size = storage.nbytes()
    storage.resize_(0)
    between = torch.ones(kept.numel())
    storage.resize_(size)
    model.stack[0].W_h_T.data.copy_(kept)
    assert_same(list(torch.autograd.grad(y.sum(), inputs)), list(wanted))
    assert between.all()


def test_freed_memory_is_refused() -> None:
    model, x = network(), torch.randn(2, 3, D)
    y, _ = model(x)
    model.stack[0].W_h_T.data.untyped_storage().resize_(0)
    with pytest.raises(ShapeError, match="freed"):
        model(x)
    with pytest.raises(ShapeError, match="freed"):
        y.sum().backward()


def hook(model: Recurrent) -> None:
    model.layers[0].register_forward_hook(lambda *_: None)


def weight_norm(model: Recurrent) -> None:
    torch.nn.utils.parametrizations.weight_norm(model.layers[0], "W_h_T")


def patch(model: Recurrent) -> None:
    model.layers[0].forward = model.layers[0].forward  # type: ignore[method-assign]


@pytest.mark.parametrize("change", [hook, weight_norm, patch])
def test_what_is_put_around_a_layer_takes_the_long_way(
    change: Callable[[Recurrent], None], calls: list[direct.PreparedCall]
) -> None:
    model, x = network(), torch.randn(2, 3, D)
    model(x)
    assert len(calls) == 1
    change(model)
    y, _ = model(x)
    assert len(calls) == 1
    y.sum().backward()


def test_a_hook_on_all_modules_sees_every_layer(calls: list[direct.PreparedCall]) -> None:
    model, seen = network("gru", 2), []
    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda module, *_: seen.append(module)
    )
    try:
        model(torch.randn(2, 3, D))
    finally:
        handle.remove()
    assert set(model.layers) <= set(seen)
    assert not calls


@pytest.mark.parametrize(
    "options",
    [
        {"weight_drop": 0.3}, {"recurrent_dropout": 0.3}, {"zoneout": 0.3}, {"layer_norm": True},
        {"connection": "residual"}, {"bidirectional": True}, {"dropout": 0.5},
        {"backend": "reference"}, {"stateful": True},
    ],
    ids=str,
)  # fmt: skip
def test_a_layer_that_is_not_plain_takes_the_long_way(
    options: dict[str, Any], calls: list[direct.PreparedCall]
) -> None:
    network("lstm", 2, **options)(torch.randn(2, 3, D))
    assert not calls


def test_modes_of_pytorch_take_the_long_way(calls: list[direct.PreparedCall]) -> None:
    model, x = network(), torch.randn(2, 3, D, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        model(x)
    torch.func.vmap(lambda row: model(row)[0])(x.detach().unsqueeze(1))
    with torch.autograd.graph.save_on_cpu():
        model(x)[0].sum().backward()
    checkpoint(model, x, use_reentrant=False)[0].sum().backward()
    assert not calls


def test_another_instruction_set_is_taken_at_the_next_call() -> None:
    found, model, x = library(), network(), torch.randn(2, 3, D, requires_grad=True)
    assert found is not None
    before, wanted = found.instructions, results(model, x, None)
    try:
        for name in found.usable:
            found.use_instructions(name)
            for one, other in zip(results(model, x, None), wanted, strict=True):
                torch.testing.assert_close(one, other)
            prepared = model.stack[0]._prepared
            assert prepared is not None
            assert prepared.instructions == name
    finally:
        found.use_instructions(before)


def test_copies_start_anew() -> None:
    model, x = network(), torch.randn(2, 3, D)
    wanted = model(x)[0]
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    saved = torch.load(file, weights_only=False)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), saved):
        assert torch.equal(other(x)[0], wanted)
        change_values(other)
        assert not torch.equal(other(x)[0], wanted)
        assert torch.equal(model(x)[0], wanted)


def test_the_gradient_of_a_single_step_s_input_is_a_view() -> None:
    """It is no copy: written into zeros it would cost some hundredths of the step."""
    x = torch.randn(2, 1, D, requires_grad=True)
    ahead, seen = [network("elman")(x)[0].grad_fn], set()
    while ahead:
        node: Any = ahead.pop()
        seen.add(node.name())
        ahead += [before for before, _ in node.next_functions if before]
    assert "SqueezeBackward1" in seen
    assert "SelectBackward0" not in seen


def test_the_state_before_is_never_written() -> None:
    """It is kept for later calls."""
    model, x = network(), torch.randn(2, 3, D)
    wanted = model(x)[0]
    _, last = model(x)
    with torch.no_grad():
        for field in last[0]:
            field.add_(1)
    assert torch.equal(model(x)[0], wanted)
    assert all(not field.any() for field in direct.zeros(2, (H, H), torch.float32))
