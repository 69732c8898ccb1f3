"""Cells of the user's own are differentiated rightly, whichever units they let meet."""

import itertools
import random
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from sunhwan import Recurrent
from sunhwan.cells import Cell, HiddenState, LSTMState, can_derive, derive, why_not_derived
from sunhwan.cells.own import probe
from sunhwan.cells.structure import is_unitwise
from sunhwan.errors import ConfigError, ShapeError
from sunhwan.ops import choose
from tests.laws.test_check import Counting, Mixing
from tests.tiers import and_deep

SIZES = (4, 5, 7, 16)
ROOT = Path(__file__).parents[2]


class Plain(Cell):
    """tanh of the sums; below, other functions of s = a + u and the state before."""

    gates = ("h",)
    state_type = HiddenState

    def new(self, s, h):
        return torch.tanh(s + 0.3 * h)

    def pointwise(self, a, u, state):
        return HiddenState(self.new(a + u, state.h)), ()


class Roll(Plain):
    def new(self, s, h):
        return torch.tanh(s + 0.7 * s.roll(1, -1) + 0.3 * h)


class ShiftLeft(Plain):
    """Unit j reads unit j + 1: unit 0 is read by none."""

    def new(self, s, h):
        t = torch.cat((s[..., 1:], torch.zeros_like(s[..., :1])), -1)
        return torch.tanh(s + 0.7 * t + 0.3 * h)


class ShiftRight(Plain):
    """Unit j reads unit j − 1 of the state."""

    def new(self, s, h):
        return torch.tanh(s + 0.7 * torch.nn.functional.pad(h[..., :-1], (1, 0)))


class SumUp(Plain):
    def new(self, s, h):
        return torch.tanh(0.3 * s.cumsum(-1) + h)


class SumDown(Plain):
    def new(self, s, h):
        return torch.tanh(s + 0.3 * h.flip(-1).cumsum(-1).flip(-1))


class Sorted(Plain):
    def new(self, s, h):
        return torch.tanh(s.sort(-1).values + 0.3 * h)


class Softmax(Plain):
    def new(self, s, h):
        return torch.tanh(s) + torch.softmax(h, -1)


class Norm(Plain):
    def new(self, s, h):
        return (s + h) / (1 + (s + h).norm(dim=-1, keepdim=True))


class Mean(Plain):
    def new(self, s, h):
        return torch.tanh(s - h.mean(-1, keepdim=True))


class Pairs(Plain):
    """Units 2i and 2i + 1 turn together: an even number of units only."""

    def new(self, s, h):
        even, odd = s.unflatten(-1, (-1, 2)).unbind(-1)
        turned = torch.stack((even - odd * torch.sin(even), odd + even), -1).flatten(-2)
        return torch.tanh(turned + 0.3 * h)


class LastPair(Plain):
    """Only the last unit reads another one."""

    def new(self, s, h):
        return torch.tanh(torch.cat((s[..., :-1], s[..., -1:] * h[..., :1]), -1))


class Regrouped(Cell):
    """Two blocks of H read as H pairs: what looks like a block is none."""

    gates = ("f", "n")
    state_type = HiddenState

    def pointwise(self, a, u, state):
        f, n = (a + u).unflatten(-1, (-1, 2)).unbind(-1)
        return HiddenState(torch.tanh(n + torch.sigmoid(f) * state.h)), (f, n)


class OddOnly(Plain):
    """Units meet where they are odd in number."""

    def new(self, s, h):
        other = s.roll(1, -1) if s.shape[-1] % 2 else s
        return torch.tanh(s + 0.5 * other + 0.3 * h)


class Gains(Cell):
    """A memory whose units are read in turn, and a parameter of the cell's own."""

    gates = ("f", "o")
    state_type = LSTMState
    extra = ("gain",)

    def initial_extra(self, hidden_size):
        return {"gain": torch.linspace(0.5, 1.5, hidden_size)}

    def pointwise(self, a, u, state, gain):
        f, o = torch.sigmoid(a + u).chunk(2, -1)
        c = f * state.c + gain * (1 - f) * torch.tanh(o.flip(-1))
        return LSTMState(o * torch.tanh(c.roll(-1, -1)), c), (f, o)


class GatedMemory(Cell):
    """Two fields, units apart, blocks taken by unflatten and put together by stack."""

    gates = ("i", "f", "o")
    recurrent_gates = ("i", "f", "o")
    state_type = LSTMState
    extra = ("scale",)

    def initial_extra(self, hidden_size):
        return {"scale": torch.full((hidden_size,), 0.8)}

    def pointwise(self, a, u, state, scale):
        i, f, o = (a + u).unflatten(-1, (3, -1)).unbind(-2)
        i, f = torch.sigmoid(torch.stack((i, f), -2)).unbind(-2)
        c = f * state.c + i * torch.nn.functional.logsigmoid(scale * state.h)
        return LSTMState(torch.where(o > 0, o, 0.1 * o) * torch.tanh(c), c), ()


class Leaky(Plain):
    """Not a dataclass: its number is an attribute, which tells one from another."""

    def __init__(self, leak):
        self.leak = leak

    def new(self, s, h):
        return self.leak * h + torch.tanh(s)


class ByValue(Plain):
    def new(self, s, h):
        return torch.tanh(s) if s.sum() > 0 else torch.tanh(0.5 * s + h)


class ByNumber(Plain):
    def new(self, s, h):
        return torch.tanh(s + h * s.abs().sum().item())


class ByArray(Plain):
    def new(self, s, h):
        return torch.tanh(s + torch.from_numpy(h.detach().numpy()))


class InPlace(Plain):
    def new(self, s, h):
        s = 0.5 * s
        s.tanh_()
        return s + 0.3 * h


class Random(Plain):
    def new(self, s, h):
        return torch.tanh(s + h + torch.rand_like(h))


class Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, d):
        return d.clamp(-0.1, 0.1)


class ClippedByFunction(Plain):
    def new(self, s, h):
        return Clipped.apply(torch.tanh(s + h))


class ClippedByHook(Plain):
    def new(self, s, h):
        new = torch.tanh(s + h)
        if new.requires_grad:
            new.register_hook(lambda d: d.clamp(-0.1, 0.1))
        return new


class Listed(Plain):
    """An attribute that cannot be hashed."""

    def __init__(self):
        self.numbers = [0.5, 0.3]

    def new(self, s, h):
        return torch.tanh(self.numbers[0] * s + self.numbers[1] * h)


UNITS_MEET = (
    Roll(), ShiftLeft(), ShiftRight(), SumUp(), SumDown(), Sorted(), Softmax(), Norm(), Mean(),
    Pairs(), LastPair(), Regrouped(), Gains(), Mixing(),
)  # fmt: skip
UNITS_APART = (Plain(), GatedMemory(), Counting(), Leaky(0.2), Leaky(0.9))
NOT_DERIVED = {
    ByValue(): "values of a tensor",
    ByNumber(): "values of a tensor",
    ByArray(): "cannot be traced",
    InPlace(): "in place",
    Random(): "random numbers",
    ClippedByFunction(): "by hand, Clipped",
    ClippedByHook(): "a hook",
}
NEED_EVEN = (Pairs,)


def name_of(cell):
    return type(cell).__name__ if isinstance(cell, Cell) else None


def gradients(cell, H, backend=None):
    """The gradients of everything that a layer reads, from a loss on all that it gives."""
    torch.manual_seed(1)
    layer = Recurrent(cell, 3, H, backend=backend).double()
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))

    def leaf(*shape):
        return torch.randn(*shape, generator=draw, dtype=torch.float64).requires_grad_()

    x = leaf(2, 6, 3)
    state = layer.layers[0].cell.state_type(*(leaf(2, size) for size in cell.state_sizes(H)))

    def loss():
        output, (last,) = layer(x, [state])
        weights = torch.Generator().manual_seed(3)
        return sum(
            (v * torch.randn(v.shape, generator=weights, dtype=torch.float64)).sum()
            for v in (output, *last)
        )

    inputs = [x, *state, *layer.parameters()]
    found = torch.autograd.grad(loss(), inputs, allow_unused=True, materialize_grads=True)
    return loss, inputs, found


def check_gradients(cell, H, backend=None):
    """Those of an implementation against autograd's, and against finite differences."""
    loss, inputs, found = gradients(cell, H, backend)
    _, _, wanted = gradients(cell, H, "unrolled")
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-10)
    draw = torch.Generator().manual_seed(4)
    for value, gradient in zip(inputs, found, strict=True):
        way = torch.randn(value.shape, generator=draw, dtype=torch.float64)
        with torch.no_grad():
            value.add_(way, alpha=1e-6)
            up = loss()
            value.sub_(way, alpha=2e-6)
            down = loss()
            value.add_(way, alpha=1e-6)
        slope, got = float(up - down) / 2e-6, float((way * gradient).sum())
        assert got == pytest.approx(slope, rel=1e-6, abs=1e-6)


def own_cells_are_right():
    """What the planted faults must break."""
    for cell in (ShiftLeft(), Gains(), Plain()):
        check_gradients(cell, 5, "reference")


STEPS = (*UNITS_MEET, *UNITS_APART, OddOnly())
ONE_SIZE = [(cell, SIZES[k % 4]) for k, cell in enumerate(STEPS)]


@pytest.mark.parametrize(
    ("cell", "size"), and_deep(ONE_SIZE, itertools.product(STEPS, SIZES)), ids=name_of
)
def test_gradients_are_right_whichever_units_meet(cell, size):
    assert (
        choose(cell, torch.device("cpu"), torch.float64, return_gates=True).backend == "reference"
    )
    if isinstance(cell, NEED_EVEN) and size % 2:
        with pytest.raises(ConfigError, match=f"{name_of(cell)} works for some hidden sizes only"):
            Recurrent(cell, 3, size)
    else:
        check_gradients(cell, size)
        check_gradients(cell, size, "reference")


@pytest.mark.parametrize("cell", UNITS_MEET, ids=name_of)
def test_units_that_meet_are_not_taken_for_units_apart(cell):
    assert not any(is_unitwise(cell, size) for size in (*SIZES, 24, 31))


@pytest.mark.parametrize("cell", UNITS_APART, ids=name_of)
def test_units_apart_are_proved(cell):
    assert all(is_unitwise(cell, size) for size in (1, *SIZES, 24, 31))


def test_a_proof_is_for_one_hidden_size():
    assert [is_unitwise(OddOnly(), size) for size in SIZES] == [True, False, False, True]


def documented_cells():
    """The classes of the file that the walk-through makes."""
    for page in ("own-cell.md", "own-cell.ko.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        blocks = re.findall(r"```python\n(# mycells\.py\n.*?)```", text, re.DOTALL)
        module = {"__name__": "mycells"}
        for block in blocks:
            exec(block, module)
        for name, value in module.items():
            own = isinstance(value, type) and value.__module__ == "mycells"
            if own and issubclass(value, Cell):
                yield pytest.param(value(), id=f"{page}:{name}")


@pytest.mark.parametrize("cell", list(documented_cells()))
def test_documented_cells_are_proved(cell):
    assert can_derive(cell)
    assert all(is_unitwise(cell, size) for size in (1, *SIZES, 24, 31))


@pytest.mark.parametrize("cell", NOT_DERIVED, ids=name_of)
def test_a_step_that_cannot_be_traced_is_run_by_autograd(cell):
    assert not can_derive(cell)
    reason = why_not_derived(cell)
    assert NOT_DERIVED[cell] in reason
    assert "\n" not in reason
    assert choose(cell, torch.device("cpu"), torch.float64).backend == "unrolled"


@pytest.mark.parametrize("cell", [ByValue(), InPlace(), ClippedByHook()], ids=name_of)
def test_autograd_step_by_step_is_right_for_it(cell):
    if isinstance(cell, ClippedByHook):  # its gradient is not the derivative
        found, wanted = (gradients(cell, 4, backend)[2] for backend in (None, "unrolled"))
        assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    else:
        check_gradients(cell, 4)


def test_an_attribute_that_cannot_be_hashed():
    assert why_not_derived(Listed()) == "its fields cannot be hashed"
    check_gradients(Listed(), 4)


def test_cells_that_differ_in_an_attribute_are_different():
    assert Leaky(0.2) != Leaky(0.9)
    assert Leaky(0.2) == Leaky(0.2)
    assert derive(Leaky(0.2)) is derive(Leaky(0.2))
    assert derive(Leaky(0.9)).of.leak == 0.9


def test_nothing_is_tried_on_numbers():
    seen = []

    class Watched(Plain):
        def new(self, s, h):
            seen.append(type(s).__name__)
            return super().new(s, h)

    cell = Watched()
    state = torch.get_rng_state()
    assert can_derive(cell)
    assert is_unitwise(cell, 31)
    assert set(seen) == {"FakeTensor"}
    assert torch.equal(state, torch.get_rng_state())
    calls = len(seen)
    assert can_derive(Watched())  # known by now
    assert len(seen) == calls


@pytest.mark.parametrize(
    "around", [torch.inference_mode, torch.no_grad, lambda: torch.device("meta")]
)
def test_the_proof_does_not_depend_on_what_goes_on_around(around):
    class Fresh(Gains):
        pass

    with around():
        assert can_derive(Fresh())
        assert not is_unitwise(Fresh(), 7)
        assert is_unitwise(GatedMemory(), 11)


def test_a_cell_for_some_hidden_sizes_is_let_pass_with_a_sentence():
    with pytest.warns(UserWarning, match="Pairs works for some hidden sizes only") as caught:
        probe(Pairs(), "Pairs")
    assert len(caught) == 1
    probe(Roll(), "Roll")


class Eights(Plain):
    """Groups of eight units."""

    def new(self, s, h):
        return torch.tanh(s.unflatten(-1, (-1, 8)).cumsum(-1).flatten(-2) + h)


def test_groups_of_units():
    with pytest.warns(UserWarning, match="Eights works for some hidden sizes only"):
        probe(Eights(), "Eights")
    check_gradients(Eights(), 16)


class Forgetful(NamedTuple):
    h: torch.Tensor
    count: torch.Tensor


class Counted(Cell):
    """A field that depends on no argument at all."""

    gates = ("h",)
    state_type = Forgetful

    def pointwise(self, a, u, state):
        return Forgetful(torch.tanh(a + u + state.count), torch.ones_like(state.count)), ()


def test_a_field_that_is_constant():
    assert is_unitwise(Counted(), 5)
    check_gradients(Counted(), 5)


FACTOR, CALLS = [0.5], [0]
NOT_A_FUNCTION = {
    "random": lambda s: random.random() * s.h.flip(-1),
    "random, units apart": lambda s: random.random() * s.h,
    "counter": lambda s: _count() * s.h,
    "mode": lambda s: (0.5 if torch.is_grad_enabled() else 0.1) * s.h,
    "rows": lambda s: 0.5 * s.h.roll(1, 0),
    "all rows": lambda s: s.h / (1 + s.h.std()),
}


def _count() -> int:
    CALLS[0] += 1
    return CALLS[0]


def cell_with(term) -> Cell:
    class Term(Cell):
        gates = ("a",)
        state_type = HiddenState

        def pointwise(self, a, u, state, *extra):
            return HiddenState(torch.tanh(a + u) + term(state)), ()

    return Term()


def two_ways(layer) -> list[list[torch.Tensor]]:
    """Gradients by the layer's own way and step by step."""
    other = Recurrent(layer.layers[0].cell, 3, 4, backend="unrolled").double()
    other.load_state_dict(layer.state_dict())
    x = torch.linspace(-1, 1, 45, dtype=torch.float64).view(3, 5, 3)
    found = []
    for network in (layer, other):
        leaf = x.clone().requires_grad_()
        energy = network(leaf)[0].square().sum()
        found.append(list(torch.autograd.grad(energy, [leaf, *network.parameters()])))
    return found


@pytest.mark.parametrize("name", NOT_A_FUNCTION)
def test_a_step_that_is_no_function_of_its_row_is_refused(name):
    """It would be differentiated at another place than where it was."""
    layer = Recurrent(cell_with(NOT_A_FUNCTION[name]), 3, 4).double()
    with pytest.raises(ConfigError, match="taken again gives another state"):
        two_ways(layer)


def test_a_number_of_a_module_may_change_between_steps_of_training():
    layer = Recurrent(cell_with(lambda s: FACTOR[0] * s.h.flip(-1)), 3, 4).double()
    for factor in (0.5, 1.5):
        FACTOR[0] = factor
        torch.testing.assert_close(*two_ways(layer))


def test_a_step_that_changes_the_shape_and_back():
    def turned(s):
        return 0.3 * s.h.reshape(s.h.shape[0], 2, -1).transpose(-1, -2).reshape(s.h.shape)

    torch.testing.assert_close(*two_ways(Recurrent(cell_with(turned), 3, 4).double()))


class Wide(Plain):
    def pointwise(self, a, u, state):
        h = torch.tanh(a + u)
        return HiddenState(torch.cat((h, h), -1)), ()


class Doubled(Plain):
    def pointwise(self, a, u, state):
        return HiddenState(torch.tanh(a + u).double()), ()


class Alone(Plain):
    def pointwise(self, a, u, state):
        return torch.tanh(a + u)


class OtherState(Plain):
    def pointwise(self, a, u, state):
        return (torch.tanh(a + u),), ()


class NotSaved(Plain):
    def pointwise(self, a, u, state):
        return HiddenState(torch.tanh(a + u)), None


class NoTensor(Plain):
    def pointwise(self, a, u, state):
        return HiddenState(None), ()


@pytest.mark.parametrize("backend", [None, "unrolled"])
@pytest.mark.parametrize("T", [1, 3])
@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (Wide(), r"h of \(2, 10\)"), (Doubled(), "float64"), (Alone(), "must return two things|Tensor"),
        (OtherState(), "returns tuple"), (NotSaved(), "must return two things"),
        (NoTensor(), "NoneType for h"),
    ],
)  # fmt: skip
def test_a_step_that_returns_another_thing_is_refused(cell, told, T, backend):
    layer = Recurrent(cell, 3, 5, backend=backend if backend == "unrolled" else None)
    with pytest.raises(ShapeError, match=f"a step of {name_of(cell)} .*({told})"):
        layer(torch.randn(2, T, 3))
