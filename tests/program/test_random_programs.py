"""Random steps, of the operations that programs have, learn as PyTorch's autograd says, in float64."""

import dataclasses
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from sunhwan.cells import Cell, HiddenState, LSTMState
from sunhwan.layers import Recurrent
from sunhwan.models import LanguageModel
from sunhwan.ops.library import library
from sunhwan.ops.program_kernels import why_not
from tests.generation.test_engine import close, ids_for, own
from tests.program.test_program_kernels import gradients
from tests.tiers import and_deep, deep

pytestmark = pytest.mark.skipif(library() is None, reason="the compiled library was not built")

H = 4


def swapped(x: Tensor) -> Tensor:
    """Units 2i and 2i + 1 in each other's place."""
    return x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)


def row(x: Tensor, numbers: Tensor) -> Tensor:
    """A number a row, for every unit."""
    return numbers.expand_as(x)


OF_ONE = {
    "tanh": torch.tanh, "sigmoid": torch.sigmoid, "sin": torch.sin, "cos": torch.cos, "neg": torch.neg,
    "abs": torch.abs, "relu": torch.relu, "square": torch.square, "erf": torch.erf,
    "gelu": functional.gelu, "silu": functional.silu, "elu": functional.elu,
    "softplus": functional.softplus, "mish": functional.mish, "logsigmoid": functional.logsigmoid,
    "exp": lambda x: x.clamp(max=2.0).exp(), "log": lambda x: (x.abs() + 0.5).log(),
    "log1p": lambda x: x.abs().log1p(), "sqrt": lambda x: (x.square() + 0.1).sqrt(),
    "expm1": lambda x: x.clamp(max=2.0).expm1(), "power": lambda x: (x.abs() + 0.5).pow(0.7),
    "hard": lambda x: functional.hardtanh(x, -0.7, 0.9), "slope": lambda x: functional.leaky_relu(x, 0.2),
    "softmax": lambda x: x.softmax(-1), "log_softmax": lambda x: x.log_softmax(-1),
    "norm": lambda x: functional.layer_norm(x, x.shape[-1:]), "roll": lambda x: x.roll(1, -1),
    "flip": lambda x: x.flip(-1), "cumsum": lambda x: x.cumsum(-1), "swap": swapped,
    "mean": lambda x: row(x, x.mean(-1, keepdim=True)), "sum": lambda x: row(x, x.sum(-1, keepdim=True)),
    "most": lambda x: row(x, x.amax(-1, keepdim=True)), "least": lambda x: row(x, x.amin(-1, keepdim=True)),
    "length": lambda x: x / (1 + x.norm(dim=-1, keepdim=True)),
    "total": lambda x: row(x, x.logsumexp(-1, keepdim=True)),
    "shift": lambda x: functional.pad(x[..., :-1], (1, 0)), "third": lambda x: 0.3 * x + 0.1,
}  # fmt: skip
OF_TWO = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "max": torch.maximum, "min": torch.minimum,
    "share": lambda x, y: x / (1 + y.abs()), "mix": lambda x, y: torch.lerp(x, y, 0.3),
    "where": lambda x, y: torch.where(x > 0.1, x, 0.5 * y), "joined": lambda x, y: torch.cat(
        (x[..., : H // 2], y[..., H // 2 :]), -1
    ),
    "turned": lambda x, y: torch.addcmul(x, x, y), "gated": lambda x, y: x * torch.sigmoid(y),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Drawn(Cell):
    """Operations in a row: each reads the sums, the state, the parameters and what was made before it.

    lines: the operation, and which values it reads, counted from the last one. project: whether h is
    smaller than the memory, by a matrix.
    """

    lines: tuple[tuple[str, int, int], ...]
    blocks: int
    memory: bool
    bias: bool
    project: bool = False

    state_type: ClassVar[Any] = HiddenState

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "gates", tuple("abc"[: self.blocks]))
        set_(self, "state_type", LSTMState if self.memory else HiddenState)
        set_(self, "recurrent_bias", self.bias)
        set_(self, "extra", ("gain", "R", "P") if self.project else ("gain", "R"))

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        if self.project:
            return hidden_size - 1, hidden_size
        return super().state_sizes(hidden_size)

    def initial_extra(self, hidden_size: int) -> dict[str, Tensor]:
        square, narrow = (0.5 * torch.randn(hidden_size, hidden_size - n) for n in (0, 1))
        extra = {"gain": torch.ones(hidden_size), "R": square}
        return extra | ({"P": narrow} if self.project else {})

    def pointwise(self, a: Tensor, u: Tensor, state: Any, *extra: Tensor) -> Any:
        gain, R, *P = extra
        before = (functional.linear(state[0], P[0]), *state[1:]) if P else state
        values = [*(a * 0.5 + u).chunk(self.blocks, -1), *u.chunk(self.blocks, -1), *before]
        for name, i, j in self.lines:
            x, y = values[-1 - i % len(values)], values[-1 - j % len(values)]
            if name in OF_ONE:
                values.append(OF_ONE[name](x))
            elif name in OF_TWO:
                values.append(OF_TWO[name](x, y))
            else:
                values.append(x * gain if name == "gain" else x @ (R if name == "matrix" else R.T))
        fields = [0.6 * torch.tanh(v) + 0.3 * f for v, f in zip(values[::-1], before, strict=False)]
        if P:
            fields[0] = fields[0] @ P[0]
        return self.state_type(*fields), ()


lines = st.tuples(
    st.sampled_from([*OF_ONE, *OF_TWO, "gain", "matrix"]), st.integers(0, 3), st.integers(0, 7)
)
products = st.tuples(
    st.sampled_from(["matrix", "transposed"]), st.integers(0, 3), st.integers(0, 7)
)
cells = st.builds(
    Drawn,
    st.lists(lines, min_size=3, max_size=8).map(tuple),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
)
mixing = st.builds(
    Drawn,
    st.lists(lines | products, min_size=3, max_size=8).map(tuple),
    st.integers(1, 3),
    st.just(True),
    st.booleans(),
    st.booleans(),
)
quiet = {"derandomize": True, "suppress_health_check": list(HealthCheck)}


def learns_as_autograd_says(cell: Drawn) -> None:
    """Where it is no program, another route is explained."""
    reason = why_not(cell, H)
    explained = Recurrent(cell, 3, H).explain()
    assert ("as a program" in explained) == (reason is None)
    assert reason is None or reason in explained
    found = gradients(cell, "reference" if reason else "native", H, 3, 3, noisy=cell.bias)
    wanted = gradients(cell, "unrolled", H, 3, 3, noisy=cell.bias)
    for one, other in zip(found, wanted, strict=True):
        most = max(1.0, float(other.detach().abs().max()))
        assert torch.allclose(one, other, rtol=1e-7, atol=1e-8 * most)


@pytest.mark.parametrize(
    ("kind", "count"),
    and_deep(
        [("all operations", 6), ("several products", 4)],
        [("all operations", 300), ("several products", 200)],
    ),
)
def test_random_steps_learn_as_autograd_says(kind: str, count: int) -> None:
    check = given({"all operations": cells, "several products": mixing}[kind])(
        learns_as_autograd_says
    )
    settings(max_examples=count, **quiet)(check)()


@deep
@settings(max_examples=100, **quiet)
@given(cells)
def test_random_steps_write_as_the_model_does(cell: Drawn) -> None:
    from sunhwan.generation import Engine

    with pytest.MonkeyPatch.context() as patch:
        model: LanguageModel = own(cell, patch)
        ids = ids_for(model)
        engine = Engine(model, "fp32")
        with torch.no_grad():
            close(engine.read(ids, engine.initial_state(3)), model(ids)[0], 1e-4)
