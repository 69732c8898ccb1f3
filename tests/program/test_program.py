"""Programs: the step of a cell as a list of operations computes what the step computes."""

import numpy as np
import pytest
import torch

from sunhwan.cells import CELLS, Cell, HiddenState
from sunhwan.errors import ConfigError
from sunhwan.laws import LAWS, verdict
from sunhwan.laws.case import generator, random_state
from sunhwan.program import evaluate, folded, program_of, step_equations, why_no_program
from tests.laws import test_own_structure as own
from tests.laws.test_check import Mixing

(LAW,) = (law for law in LAWS if law.name == "program")


class Heads(Cell):
    """Units in heads of four: a norm over each, and a matrix for each."""

    gates = ("n",)
    recurrent_gates = ()
    state_type = HiddenState
    extra = ("R",)

    def initial_extra(self, hidden_size):
        return {"R": torch.randn(hidden_size // 4 * 4, 4)}

    def pointwise(self, a, u, state, *extra):
        heads = torch.nn.functional.layer_norm(state.h.reshape(-1, 4), (4,)).view(len(a), -1, 4)
        R = extra[0].view(-1, 4, 4)
        turned = torch.einsum("nhi,hij->nhj", heads, R)
        return HiddenState(torch.tanh(a + turned.flatten(1))), ()


class Attending(Cell):
    """Pairs of units as keys, queries and values of an attention within the row."""

    gates = ("q", "k", "v")
    state_type = HiddenState

    def pointwise(self, a, u, state, *extra):
        q, k, v = (a + u).unflatten(-1, (3, -1, 2)).unbind(1)
        read = torch.softmax(q @ k.transpose(1, 2), -1) @ v
        return HiddenState(torch.lerp(read.flatten(1), state.h, 0.5)), ()


class Functions(Cell):
    """One activation of PyTorch after the other."""

    gates = ("n",)
    state_type = HiddenState

    def pointwise(self, a, u, state, *extra):
        F = torch.nn.functional
        s = a + u
        total = state.h
        for name in (
            "relu", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "tanh",
            "softsign", "hardtanh", "hardsigmoid", "hardswish", "logsigmoid", "tanhshrink", "relu6",
        ):  # fmt: skip
            total = total + getattr(F, name)(s)
        total = total + F.gelu(s, approximate="tanh") + torch.log_softmax(s, -1)
        total = total / (1 + s.var(-1, keepdim=True)) + s.clamp(-0.5, 0.3) + s.abs().pow(0.7)
        total = (
            total + torch.where((s > 0) & (total <= 1), s.sin(), s.cos()) + s.logsumexp(-1, True)
        )
        return HiddenState(total + s.amax(-1, keepdim=True) - s.sign() * s.square().rsqrt()), ()


OWN = [
    Heads, Attending, Functions, Mixing, own.Roll, own.ShiftLeft, own.ShiftRight, own.SumUp,
    own.SumDown, own.Softmax, own.Norm, own.Mean, own.Regrouped, own.OddOnly, own.Gains,
    own.GatedMemory, own.LastPair,
]  # fmt: skip


@pytest.mark.parametrize("cell", [*CELLS.values(), *(kind() for kind in OWN)], ids=str)
def test_the_program_is_the_step(cell):
    assert difference(cell, 8) < 1e-12


@pytest.mark.parametrize("cell", [CELLS["lstm_projected"], Functions()], ids=str)
def test_it_is_a_law(cell):
    found = verdict(LAW, cell, "cell")
    assert found.passed, found.detail


def test_the_law_says_where_it_does_not_apply():
    assert verdict(LAW, own.Sorted(), "cell").passed is None


def difference(cell: Cell, hidden_size: int) -> float:
    """How far the program is from the step, at a size that the cell can have."""
    torch.manual_seed(1)
    D, H, N = 3, hidden_size, 4
    parameters = {n: p.double() for n, p in cell.initial_parameters(D, H).items()}
    x, state = torch.randn(N, D).double(), random_state(cell, generator(1), N, hidden_size=H)
    wanted = cell.state_type(*cell.step(x, state, parameters))._asdict()
    given = {name: p.numpy() for name, p in cell.effective(parameters).items()}
    program = program_of(cell, D, H).folded(given)
    before = {name: field.numpy() for name, field in state._asdict().items()}
    after = evaluate(program.step, evaluate(program.inputs, {"x": x.numpy()}) | before)
    return max(float(np.abs(after[name] - wanted[name].numpy()).max()) for name in wanted)


def test_pairs_need_an_even_number_of_units():
    assert difference(own.Pairs(), 6) < 1e-12


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (own.Sorted, "aten.sort.default is no operation of programs (test_own_structure.py, line "),
        (own.ByValue, "it decides by the values of a tensor (test_own_structure.py, line "),
        (own.ByNumber, "it reads the values of a tensor"),
        (own.InPlace, "it writes into a tensor in place (aten.tanh_.default)"),
        (own.Random, "it draws random numbers"),
    ],
)
def test_what_cannot_be_traced_is_told(kind, said):
    reason = why_no_program(kind())
    assert reason is not None
    assert said in reason
    with pytest.raises(ConfigError, match=f"^the step of {kind.__name__} cannot be written"):
        program_of(kind(), 3, 24)


class RowsMeet(own.Plain):
    def new(self, s, h):
        return torch.tanh(s + h.mean(0))


def test_rows_that_meet_are_told():
    assert (why_no_program(RowsMeet()) or "").startswith(
        "rows are mixed, or are not treated alike ("
    )


def test_equations():
    assert step_equations(CELLS["lstm"]) == [
        "a = b + (x W_x)",
        "t1 = a + (h W_h)",
        "t2 = σ(t1[i, f])",
        "c′ = (t2[H:2H] ⊙ c) + (t2[0:H] ⊙ tanh(t1[g]))",
        "h′ = σ(t1[o]) ⊙ tanh(c′)",
    ]


def test_folding_leaves_rows_alone():
    """The decay of RG-LRU is a number before the first step."""
    parameters = {"W_x": torch.randn(3, 72).numpy(), "b": np.zeros(72), "decay": np.ones(24)}
    whole = program_of(CELLS["rglru"], 3, 24).step
    least = folded(whole, parameters)
    assert list(least.inputs) == ["a", "h"]
    assert len(least.operations) < len(whole.operations)
    assert all(op.of_rows or op.kind == "constant" for op in least.operations)


def test_the_command_prints_equations(command):
    done = command("check-cell", "mingru", "--program")
    assert done.out.splitlines() == step_equations(CELLS["mingru"])
    assert "h′ = " in done.out


def test_the_command_refuses_what_has_no_program(command, tmp_path):
    path = tmp_path / "sorting.py"
    path.write_text(
        "import torch\nfrom sunhwan.cells import Cell, HiddenState\n"
        "class Sorting(Cell):\n    gates = ('n',)\n    state_type = HiddenState\n"
        "    def pointwise(self, a, u, state, *extra):\n"
        "        return HiddenState((a + u).sort(-1).values), ()\n"
    )
    done = command("check-cell", f"{path}:Sorting", "--program")
    assert done.code == 2
    assert "aten.sort.default is no operation of programs (sorting.py, line 7)" in done.err
