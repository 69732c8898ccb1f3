"""Random programs of use: every value is that of torch.nn or of plain autograd, or the error is ours.

A program is a layer, an input and a state (type, device, strides, what needs a gradient) and some
operations one after another. It runs in a process apart, so that a crash is a failed example.
"""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sunhwan.cells import CELLS
from sunhwan.layers import Recurrent
from tests.citizen.isolation import Worker, assert_sentence

D = 3
MODULES = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
OTHERS = [name for name in CELLS if name not in MODULES]
SINGLE, DOUBLE, HALF = torch.float32, torch.float64, torch.float16
LAYOUTS = ("plain", "transposed", "expanded", "sliced", "reversed sizes")
OPERATIONS = (
    "forward", "no_grad", "inference_mode", "backward", "backward of the state", "double backward",
    "double backward of the weights", "change the weights", "go on from the state", "half the rows",
)  # fmt: skip


@dataclass(frozen=True)
class Program:
    """What is done, and to what."""

    cell: str
    layers: int
    rows: int
    steps: int
    units: int
    bias: bool
    own: torch.dtype
    of_x: torch.dtype
    of_state: torch.dtype | None  # None: no state is given
    device: str
    x_device: str
    state_device: str
    x_layout: str
    state_layout: str
    learns: frozenset[str]
    operations: tuple[str, ...]
    seed: int


def programs(cells: list[str]) -> st.SearchStrategy[Program]:
    # Mostly what should work: a program that is refused at once tells little.
    usually = st.sampled_from([True] * 9 + [False])

    @st.composite
    def program(draw: Any) -> Program:
        own = draw(st.sampled_from([SINGLE, DOUBLE]))
        device = draw(st.sampled_from(["cpu"] * 5 + ["meta"]))

        def there() -> str:
            return device if draw(usually) else draw(st.sampled_from(["cpu", "meta"]))

        return Program(
            cell=draw(st.sampled_from(cells)),
            layers=draw(st.integers(1, 2)),
            rows=draw(st.sampled_from([1, 2, 3, 0, 5])),
            steps=draw(st.sampled_from([1, 2, 4, 0, 9])),
            units=2 * draw(st.integers(1, 3)),
            bias=draw(st.booleans()),
            own=own,
            of_x=own if draw(usually) else draw(st.sampled_from([SINGLE, DOUBLE])),
            of_state=draw(st.sampled_from([own, own, None, SINGLE, DOUBLE, HALF])),
            device=device,
            x_device=there(),
            state_device=there(),
            x_layout=draw(st.sampled_from(LAYOUTS)),
            state_layout=draw(st.sampled_from(LAYOUTS)),
            learns=draw(st.frozensets(st.sampled_from(["x", "state", "weights"]))),
            operations=tuple(draw(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=5))),
            seed=draw(st.integers(0, 99)),
        )

    return program()


def laid_out(value: Tensor, layout: str) -> Tensor:
    """The same numbers (of `expanded`: the first row in every row) otherwise in memory."""
    if layout == "transposed":
        return value.transpose(0, 1).contiguous().transpose(0, 1)
    if layout == "expanded" and len(value):
        return value[:1].expand_as(value)
    if layout == "sliced":
        return torch.cat((value, value - 1), -1)[..., : value.shape[-1]]
    if layout == "reversed sizes":
        order = tuple(reversed(range(value.dim())))
        return value.permute(order).contiguous().permute(order)
    return value


class Side:
    """A network with its own leaves: `run` gives the output and the fields of the last state."""

    def __init__(self, program: Program, net: nn.Module, *, truth: bool) -> None:
        p, self.program, self.net, self.truth = program, program, net, truth
        draw = torch.Generator().manual_seed(p.seed)
        cell = CELLS[p.cell]
        self.kind: Any = cell.state_type
        x = torch.randn(p.rows, p.steps, D, generator=draw, dtype=DOUBLE).to(p.of_x)
        self.x = self.leaf(laid_out(x, p.x_layout), p.x_device, "x" in p.learns)
        self.fields: list[Tensor] = []
        given = p.of_state or p.own
        for _ in range(p.layers):
            for name, size in zip(self.kind._fields, cell.state_sizes(p.units), strict=True):
                field = torch.randn(p.rows, size, generator=draw, dtype=DOUBLE)
                field = field.abs() + 0.5 if name == "n" and "m" in self.kind._fields else field
                field = laid_out(field.to(given), p.state_layout)
                self.fields.append(self.leaf(field, p.state_device, "state" in p.learns))
        for parameter in net.parameters():
            parameter.requires_grad_("weights" in p.learns)
        self.state: list[Tensor] | None = self.fields if p.of_state else None
        self.values: list[Tensor] = []

    def leaf(self, value: Tensor, device: str, learns: bool) -> Tensor:
        # On the true side all is float64 on the CPU, and has the value that was rounded.
        value = value.double() if self.truth else value.to(device)
        return value.requires_grad_() if learns and value.is_leaf else value

    @property
    def weights(self) -> list[Tensor]:
        """In one order on both sides; PyTorch's second bias has no partner in an LSTM."""
        own = dict(self.net.named_parameters())
        if self.program.cell not in MODULES:
            return list(own.values())
        names = ("layers.{}.W_x_T", "layers.{}.W_h_T", "layers.{}.b")
        if isinstance(self.net, nn.RNNBase):
            names = ("weight_ih_l{}", "weight_hh_l{}", "bias_ih_l{}")
        every = [name.format(i) for i in range(self.program.layers) for name in names]
        return [own[name] for name in every if name in own]

    @property
    def leaves(self) -> list[Tensor]:
        every = [self.x, *(self.fields if self.state is self.fields else ()), *self.weights]
        return [leaf for leaf in every if leaf.requires_grad and leaf.is_leaf]

    def run(self, x: Tensor, state: list[Tensor] | None) -> list[Tensor]:
        F = len(self.kind._fields)
        if isinstance(self.net, nn.RNNBase):
            layers = None
            if state is not None:
                layers = tuple(torch.stack(state[k::F]) for k in range(F))
                layers = layers if F > 1 else layers[0]
            output, last = self.net(x, layers)
            last = last if isinstance(last, tuple) else (last,)
            fields = [field for layer in zip(*last, strict=True) for field in layer]
            return [output, *fields]
        given = None
        if state is not None:
            given = [self.kind(*state[i : i + F]) for i in range(0, len(state), F)]
        output, last = self.net(x, given)
        return [output, *(field for layer in last for field in layer)]

    def apply(self, operation: str) -> list[Tensor]:
        """What an operation gives that can be compared."""
        if operation == "change the weights":
            with torch.no_grad():
                for parameter in self.net.parameters():
                    parameter.mul_(0.75)
            return []
        if operation == "go on from the state":
            if self.values:
                self.state = [value.detach() for value in self.values[1:]]
            return []
        x, state = self.x, self.state
        if operation == "half the rows":
            rows = len(x) // 2
            return self.run(x[:rows], state and [field[:rows] for field in state])
        if operation in ("no_grad", "inference_mode"):
            with getattr(torch, operation)():
                return self.run(x, state)
        self.values = self.run(x, state)
        if operation == "forward":
            return self.values
        some = self.values[1:] if operation.endswith("of the state") else self.values
        leaves = self.leaves
        if not leaves or not any(value.requires_grad for value in some):
            return self.values
        double = operation.startswith("double")
        through = list(leaves)
        if operation.endswith("of the weights"):
            through = [weight for weight in self.weights if weight.requires_grad]
        if not through:
            return self.values
        options = {"allow_unused": True, "materialize_grads": True}
        loss = weighted([value for value in some if value.requires_grad])
        first = torch.autograd.grad(loss, through, create_graph=double, **options)
        if not double:
            return [*self.values, *first]
        again = weighted([g.square() for g in first])
        if not again.requires_grad:
            return [*self.values, *first]
        return [*self.values, *first, *torch.autograd.grad(again, leaves, **options)]


def weighted(values: list[Tensor]) -> Tensor:
    total = 0.0
    for i, value in enumerate(values):
        weights = torch.sin(torch.arange(1, value.numel() + 1, dtype=DOUBLE) + i)
        total = total + (weights.view(value.shape).to(value) * value).sum().double()
    return total  # type: ignore[return-value]


def pair(program: Program) -> tuple[nn.Module, nn.Module]:
    """Ours by default, and in float64 torch.nn with the same weights, or plain autograd."""
    p = program
    torch.manual_seed(p.seed)
    layer = Recurrent(p.cell, D, p.units, p.layers, bias=p.bias).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter)).copy_(parameter.to(p.own))
    if p.cell in MODULES and p.rows and p.steps:
        truth: nn.Module = layer.to_torch()
    else:
        truth = Recurrent(p.cell, D, p.units, p.layers, bias=p.bias, backend="unrolled").double()
        truth.load_state_dict(layer.state_dict())
    return layer.to(p.own).to(p.device), truth


def run(program: Program) -> None:
    """Both sides, operation by operation."""
    net, truth_net = pair(program)
    ours, truth = Side(program, net, truth=False), Side(program, truth_net, truth=True)
    bound = 1e-8 if program.own == program.of_x == DOUBLE else 2e-3
    if program.of_state not in (None, DOUBLE):
        bound = max(bound, 2e-3)  # a gradient in the state's own precision
    seen: set[str] = set()
    for operation in program.operations:
        got = ours.apply(operation)  # may be refused
        wanted = truth.apply(operation)
        assert len(got) == len(wanted), operation
        for i, (one, other) in enumerate(zip(got, wanted, strict=True)):
            where = f"{operation} (after {sorted(seen)}), value {i}"
            assert one.shape == other.shape, where
            if one.is_meta or not one.numel():
                continue
            one, other = one.detach().double(), other.detach()
            off = float((one - other).abs().max() / (1 + other.abs().max()))
            assert off <= bound, f"{where} is off by {off:.3g}"
        seen.add(operation)


def mixes(program: Program) -> bool:
    """Whether there is something in it that may be refused."""
    p = program
    devices = {p.device, p.x_device, p.state_device if p.of_state else p.device}
    return len(devices) > 1 or p.of_x != p.own


worker = Worker(run)


def judge(program: Program) -> None:
    told = worker(program)
    if told is not None:
        assert mixes(program), f"refused: {told}"
        assert_sentence(told)


def examples(count: int) -> settings:
    checks = list(HealthCheck)
    return settings(
        max_examples=count, deadline=None, derandomize=True, suppress_health_check=checks
    )


@examples(40)
@given(programs(list(CELLS)))
def test_a_few_random_programs(program):
    judge(program)


@pytest.mark.slow
@examples(230)
@given(programs(list(MODULES)))
def test_random_programs_beside_torch(program):
    judge(program)


@pytest.mark.slow
@examples(230)
@given(programs(OTHERS))
def test_random_programs_beside_plain_autograd(program):
    judge(program)
