"""What the layer can do inside PyTorch: capability × cell × backend, with torch.nn.LSTM beside.

Each entry runs the use once and compares every number with plain autograd, step by step in float64.
Entries run in processes of their own, so that a crash or a hang is an entry too. `torch.compile` runs
its default compiler for nn.LSTM and the main cells, and elsewhere captures the graphs alone, which is
what a cell or a backend can fail in.
`python -m benchmarks.capabilities [--quick] [--json FILE] [--markdown FILE]`
"""

import copy
import io
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, stack_module_state, vmap
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils.checkpoint import checkpoint

from benchmarks.measure import arguments_of, machine, publish, table
from sunhwan.cells import CELLS, get_cell
from sunhwan.errors import SunhwanError
from sunhwan.layers import Recurrent
from sunhwan.ops import BACKENDS, supports

N, T, D, H = 3, 5, 4, 6
PEER = "nn.LSTM"
MAIN = ("elman", "gru", "lstm")

RIGHT, REFUSED, FOREIGN, WRONG, CRASH, NONE = (
    "right", "refused", "torch's words", "wrong", "crash", "–"
)  # fmt: skip
BY_MERIT = (NONE, RIGHT, REFUSED, FOREIGN, WRONG, CRASH)


class NotApplicableError(Exception):
    """The network has no such feature."""


class WrongError(AssertionError):
    """A value differs from that of plain autograd, or something wrong was accepted."""


class Network(nn.Module):
    """A recurrent layer as a function of tensors: x (N, T, D), state fields (N, H) → output, last state.

    inner: a `Recurrent` or `nn.LSTM` of one layer, batch-first.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor, *fields: Tensor) -> tuple[Tensor, ...]:
        if isinstance(self.inner, nn.LSTM):
            state = tuple(field.unsqueeze(-2 if field.dim() < 2 else 0) for field in fields)
            output, last = self.inner(x, state) if fields else self.inner(x)
            return output, *(field.squeeze(0) for field in last)
        kind = self.inner.layers[0].cell.state_type  # type: ignore[index, union-attr]
        output, (last,) = self.inner(x, [kind(*fields)]) if fields else self.inner(x)
        return output, *last

    @property
    def recurrent_matrix(self) -> tuple[nn.Module, str]:
        """The module and name of W_h, of W_x where the cell has no W_h."""
        if isinstance(self.inner, nn.LSTM):
            return self.inner, "weight_hh_l0"
        layers: Any = self.inner.layers
        layer = layers[0]
        return layer, "W_h_T" if "W_h_T" in dict(layer.named_parameters()) else "W_x_T"


class Subject:
    """One network under test, the same weights and inputs at every use; float64.

    truth: the same weights through plain autograd, step by step. compiler: of `torch.compile`.
    """

    def __init__(
        self, name: str, backend: str | None = None, *, compiler: str = "inductor"
    ) -> None:
        self.name, self.backend, self.compiler = name, backend, compiler
        self.peer = name == PEER
        self.net, self.truth = self.build(), self.build()
        if not self.peer:
            self.truth.inner.layers[0].backend = "unrolled"  # type: ignore[index, union-attr]
        self.x, *self.fields = self.inputs()

    def build(self, **options: Any) -> Network:
        """The network; no parameter is left at zero."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            if self.peer:
                if options.keys() & {"stateful"}:
                    raise NotApplicableError
                inner: nn.Module = nn.LSTM(D, H, batch_first=True, **options)
            else:
                inner = Recurrent(self.name, D, H, **{"backend": self.backend} | options)
            net = Network(inner)
            if next(net.parameters()).is_meta:
                return net
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter.add_(0.3 * torch.randn_like(parameter))
        return net if "dtype" in options else net.double()

    def inputs(self, rows: int = N, steps: int = T, seed: int = 5) -> tuple[Tensor, ...]:
        """x and the fields of a state: new leaves."""
        draw = torch.Generator().manual_seed(seed)
        names: tuple[str, ...] = ("h", "c")
        sizes: Sequence[int] = (H, H)
        if not self.peer:
            cell = get_cell(self.name)
            names, sizes = cell.state_type._fields, cell.state_sizes(H)
        found = [torch.randn(rows, steps, D, generator=draw, dtype=torch.float64)]
        for name, size in zip(names, sizes, strict=True):
            field = torch.randn(rows, size, generator=draw, dtype=torch.float64)
            found.append(field.abs() + 0.5 if name == "n" and "m" in names else field)
        return tuple(value.requires_grad_() for value in found)

    def leaves(self, net: nn.Module) -> list[Tensor]:
        """What a loss has gradients with respect to: x, the state and the parameters."""
        return [self.x, *self.fields, *net.parameters()]

    def both(self, use: Callable[[Network], Sequence[Tensor]], bound: float = 1e-8) -> None:
        """Compare what a use of the network gives with the same use of plain autograd."""
        same(use(self.net), use(self.truth), bound)


def same(got: Iterable[Tensor], wanted: Iterable[Tensor], bound: float = 1e-8) -> None:
    """Values within `bound`, relative where they are large; or `WrongError`."""
    for i, (one, other) in enumerate(zip(got, wanted, strict=True)):
        if one.shape != other.shape:
            raise WrongError(f"value {i} has shape {tuple(one.shape)}, not {tuple(other.shape)}")
        if not one.numel():
            continue
        one, other = one.detach().double(), other.detach().double()
        off = float((one - other).abs().max() / (1 + other.abs().max()))
        if not off <= bound:
            raise WrongError(f"value {i} is off by {off:.3g}")


def weighted(values: Iterable[Tensor]) -> Tensor:
    """A number in which every entry has its own weight."""
    total = []
    for i, value in enumerate(values):
        weights = torch.sin(torch.arange(1, value.numel() + 1, dtype=torch.float64) + i)
        total.append((weights.to(value.dtype).view(value.shape) * value).sum())
    return torch.stack(total).sum()


def gradients(loss: Tensor, leaves: Sequence[Tensor], **options: Any) -> list[Tensor]:
    """Zero where the loss does not depend on a leaf."""
    found = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True, **options)
    return list(found)


def rows_of_jacobian(values: Tensor, x: Tensor) -> Tensor:
    """d values / d x by one backward pass an entry."""
    rows = [gradients(v, [x], retain_graph=True)[0] for v in values.flatten()]
    return torch.stack(rows).view(*values.shape, *x.shape)


def refused(call: Callable[[], object]) -> None:
    """What has no right answer must raise; the caller classifies the error."""
    call()
    raise WrongError("accepted without a word")


class Capability(NamedTuple):
    """A use, by the words of the table. wants: the good outcomes."""

    name: str
    use: Callable[[Subject], None]
    wants: tuple[str, ...]
    dear: bool


CAPABILITIES: dict[str, Capability] = {}


def capability(
    name: str, *wants: str, dear: bool = False
) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Enter a use in the table. dear: it takes seconds."""

    def enter(use: Callable[[Subject], None]) -> Callable[[Subject], None]:
        CAPABILITIES[name] = Capability(name, use, wants or (RIGHT,), dear)
        return use

    return enter


# Values and gradients.


@capability("forward")
def forward(s: Subject) -> None:
    s.both(lambda net: net(s.x, *s.fields))


@capability("backward: input, state, weights")
def backward(s: Subject) -> None:
    s.both(lambda net: gradients(weighted(net(s.x, *s.fields)), s.leaves(net)))


@capability("float32")
def single(s: Subject) -> None:
    def run(net: Network, dtype: torch.dtype) -> list[Tensor]:
        net = copy.deepcopy(net).to(dtype)
        values = net(*(value.to(dtype) for value in (s.x, *s.fields)))
        return [*values, *gradients(weighted(values), list(net.parameters()))]

    same(run(s.net, torch.float32), run(s.truth, torch.float64), 1e-4)


@capability("state alone in the loss; retain_graph; backward twice")
def partly(s: Subject) -> None:
    def run(net: Network) -> list[Tensor]:
        _, *last = net(s.x, *s.fields)
        first = gradients(weighted(last), s.leaves(net), retain_graph=True)
        return [*first, *gradients(weighted(last[:1]), s.leaves(net))]

    s.both(run)


@capability("transposed, expanded and sliced input and state")
def strided(s: Subject) -> None:
    wide = torch.randn(T, N, 2 * D, generator=torch.Generator().manual_seed(1)).double()
    x = wide[..., ::2].transpose(0, 1).requires_grad_()
    fields = [field[:1].expand(N, -1) for field in s.fields]
    turned = [field.T.contiguous().T for field in s.fields]
    for state in (fields, turned):
        s.both(lambda net, state=state: gradients(weighted(net(x, *state)), [x, *s.fields]))  # type: ignore[misc]


@capability("weights changed in place between calls")
def in_place(s: Subject) -> None:
    def run(net: Network) -> list[Tensor]:
        net = copy.deepcopy(net)
        first = net(s.x, *s.fields)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(0.5)
        second = net(s.x, *s.fields)
        return [*first, *second, *gradients(weighted(second), list(net.parameters()))]

    s.both(run)


@capability("weights changed before their backward", FOREIGN, REFUSED, RIGHT)
def changed_early(s: Subject) -> None:
    net = copy.deepcopy(s.net)
    wanted = gradients(weighted(s.truth(s.x, *s.fields)), [s.x])
    values = net(s.x, *s.fields)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(0.5)
    same(gradients(weighted(values), [s.x]), wanted)


@capability("state in float32, float64 or float16")
def state_dtypes(s: Subject) -> None:
    for own in (torch.float32, torch.float64):
        net, bound = copy.deepcopy(s.net).to(own), 1e-4 if own == torch.float32 else 1e-8
        for given in (torch.float32, torch.float64, torch.float16):
            fields = [field.detach().to(given) for field in s.fields]
            wanted = s.truth(s.x.to(own).double(), *(field.double() for field in fields))
            same(net(s.x.to(own), *fields), wanted, bound)


@capability("input of another dtype", RIGHT, REFUSED)
def input_dtype(s: Subject) -> None:
    same(s.net(s.x.float(), *s.fields), s.truth(s.x.float().double(), *s.fields), 1e-4)


@capability("input without a batch, (T, D)")
def unbatched(s: Subject) -> None:
    fields = [field[0] for field in s.fields]
    wanted = [v.squeeze(0) for v in s.truth(s.x[:1], *(field[:1] for field in s.fields))]
    if s.peer:
        output, last = s.net.inner(s.x[0], tuple(f.unsqueeze(0) for f in fields))
        same([output, *(v.squeeze(0) for v in last)], wanted)
    else:
        same(s.net(s.x[0], *fields), wanted)
        same(s.net(s.x[0]), [v.squeeze(0) for v in s.truth(s.x[:1])])


@capability("no rows, no steps")
def empty(s: Subject) -> None:
    for rows, steps in ((0, T), (N, 0)):
        x, *fields = s.inputs(rows, steps)
        wanted = [torch.zeros(rows, steps, s.truth(s.x)[0].shape[2]), *fields]
        same(s.net(x, *fields), wanted)


@capability("autocast to bfloat16")
def autocast(s: Subject) -> None:
    net = copy.deepcopy(s.net).float()
    with torch.autocast("cpu", torch.bfloat16):
        got = net(s.x.float(), *(field.float() for field in s.fields))
    same(got, s.truth(s.x, *s.fields), 0.05)


# Second derivatives.


def twice(s: Subject, net: Network, through: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of a nonlinear function of gradients."""
    first = gradients(weighted(net(s.x, *s.fields)), through, create_graph=True)
    return gradients(weighted(g**2 for g in first), s.leaves(net))


@capability("double backward through the input")
def double_input(s: Subject) -> None:
    s.both(lambda net: twice(s, net, [s.x]))


@capability("double backward through the weights")
def double_weights(s: Subject) -> None:
    s.both(lambda net: twice(s, net, list(net.parameters())))


@capability("double backward through the state")
def double_state(s: Subject) -> None:
    s.both(lambda net: twice(s, net, s.fields))


@capability("gradient penalty, then backward()")
def penalty(s: Subject) -> None:
    def run(net: Network) -> list[Tensor]:
        net, x = copy.deepcopy(net), s.x.detach().clone().requires_grad_()
        (g,) = torch.autograd.grad(net(x)[0].sum(), x, create_graph=True)
        ((g.norm() - 1) ** 2).backward()
        found = [x, *net.parameters()]
        return [torch.zeros_like(v) if v.grad is None else v.grad for v in found]

    s.both(run)


@capability("third derivatives")
def thrice(s: Subject) -> None:
    def run(net: Network) -> list[Tensor]:
        first = gradients(weighted(net(s.x, *s.fields)), [s.x], create_graph=True)
        second = gradients(weighted(g**2 for g in first), [s.x], create_graph=True)
        return gradients(weighted(g**2 for g in second), s.leaves(net))

    s.both(run, 1e-7)


@capability("is_grads_batched")
def batched_gradients(s: Subject) -> None:
    values = s.net(s.x, *s.fields)[0].sum((0, 1))
    eye = torch.eye(len(values), dtype=values.dtype)
    (got,) = torch.autograd.grad(values, s.x, eye, is_grads_batched=True)
    same([got], [rows_of_jacobian(s.truth(s.x, *s.fields)[0].sum((0, 1)), s.x)])


# Function transforms.


def pooled(s: Subject, net: nn.Module, x: Tensor) -> Tensor:
    found: Tensor = net(x, *(field.detach() for field in s.fields))[0].sum((0, 1))
    return found


@capability("func.functional_call")
def called(s: Subject) -> None:
    given = {n: (0.5 * p).detach().requires_grad_() for n, p in s.net.named_parameters()}
    other = copy.deepcopy(s.truth)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    got = functional_call(s.net, given, (s.x, *s.fields))
    wanted = other(s.x, *s.fields)
    same(got, wanted)
    same(gradients(weighted(got), [*given.values()]),
         gradients(weighted(wanted), [*other.parameters()]))  # fmt: skip


@capability("func.vmap over inputs")
def mapped(s: Subject) -> None:
    sets = [s.inputs(seed=seed) for seed in (5, 6)]
    stacked = [torch.stack(values) for values in zip(*sets, strict=True)]
    wanted = [torch.stack(v) for v in zip(*(s.truth(*values) for values in sets), strict=True)]
    same(vmap(s.net)(*stacked), wanted)


@capability("func.vmap over weights (ensemble)")
def ensemble(s: Subject) -> None:
    nets, truths = [s.net, copy.deepcopy(s.net)], [s.truth, copy.deepcopy(s.truth)]
    with torch.no_grad():
        for net in (nets[1], truths[1]):
            for parameter in net.parameters():
                parameter.mul_(0.5)
    parameters, buffers = stack_module_state(nets)
    base = copy.deepcopy(s.net)

    def one(p: Any, b: Any) -> Any:
        return functional_call(base, (p, b), (s.x, *s.fields))

    wanted = [torch.stack(v) for v in zip(*(t(s.x, *s.fields) for t in truths), strict=True)]
    same(vmap(one)(parameters, buffers), wanted)


@capability("func.grad")
def transformed(s: Subject) -> None:
    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return weighted(functional_call(s.net, parameters, (x, *s.fields)))

    own = {n: p.detach() for n, p in s.net.named_parameters()}
    of_weights, of_x = grad(loss, argnums=(0, 1))(own, s.x.detach())
    wanted = gradients(weighted(s.truth(s.x, *s.fields)), [s.x, *s.truth.parameters()])
    same([of_x, *of_weights.values()], wanted)


@capability("vmap(grad): gradients of each row")
def each_row(s: Subject) -> None:
    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return weighted(functional_call(s.net, parameters, (x.unsqueeze(0),)))

    own = {n: p.detach() for n, p in s.net.named_parameters()}
    got = vmap(grad(loss), (None, 0))(own, s.x.detach())
    rows = [
        gradients(weighted(s.truth(row)), list(s.truth.parameters())) for row in torch.split(s.x, 1)
    ]
    same(got.values(), [torch.stack(g) for g in zip(*rows, strict=True)])


@capability("func.jvp")
def forward_mode(s: Subject) -> None:
    x = s.x.detach()
    tangent = torch.cos(torch.arange(x.numel(), dtype=x.dtype)).view(x.shape)
    value, got = jvp(lambda x: pooled(s, s.net, x), (x,), (tangent,))  # type: ignore[misc]
    plain = pooled(s, s.truth, s.x)
    jacobian = rows_of_jacobian(plain, s.x)
    same([value, got], [plain, (jacobian * tangent).sum((1, 2, 3))])


@capability("forward AD (dual numbers), weights too")
def dual(s: Subject) -> None:
    from torch.autograd import forward_ad

    net = copy.deepcopy(s.net)
    module, name = net.recurrent_matrix
    where, truth_name = s.truth.recurrent_matrix
    W = where.get_parameter(truth_name)
    tangent = torch.cos(torch.arange(W.numel(), dtype=W.dtype)).view(W.shape)
    with forward_ad.dual_level():
        del module._parameters[name]
        setattr(module, name, forward_ad.make_dual(W.detach(), tangent))  # type: ignore[no-untyped-call]
        value = pooled(s, net, s.x.detach())
        got = forward_ad.unpack_dual(value).tangent  # type: ignore[no-untyped-call]
        if got is None:
            raise WrongError("the output has no tangent")
    jacobian = rows_of_jacobian(pooled(s, s.truth, s.x), W)
    same([got], [(jacobian * tangent).sum((1, 2))])


@capability("func.jacrev")
def jacobian_reverse(s: Subject) -> None:
    got = jacrev(lambda x: pooled(s, s.net, x))(s.x.detach())
    same([got], [rows_of_jacobian(pooled(s, s.truth, s.x), s.x)])


@capability("func.jacfwd")
def jacobian_forward(s: Subject) -> None:
    got = jacfwd(lambda x: pooled(s, s.net, x))(s.x.detach())
    same([got], [rows_of_jacobian(pooled(s, s.truth, s.x), s.x)])


@capability("func.hessian")
def second_order(s: Subject) -> None:
    x = s.x.detach()[:1, :2]
    h = s.fields[0][:1].detach()
    rest = [field[:1].detach() for field in s.fields[1:]]
    got = hessian(lambda h: weighted(s.net(x, h, *rest)))(h)
    h = h.requires_grad_()
    (g,) = torch.autograd.grad(weighted(s.truth(x, h, *rest)), h, create_graph=True)
    if not g.requires_grad:
        raise NotApplicableError  # linear in the state
    same([got], [rows_of_jacobian(g, h)])


# Compilers.


@capability("torch.compile(fullgraph=True), forward and backward", dear=True)
def compiled(s: Subject) -> None:
    torch.compiler.reset()
    net = copy.deepcopy(s.net)
    values = torch.compile(net, fullgraph=True, backend=s.compiler)(s.x, *s.fields)
    got = [*values, *gradients(weighted(values), s.leaves(net))]
    plain = s.truth(s.x, *s.fields)
    same(got, [*plain, *gradients(weighted(plain), s.leaves(s.truth))])


def export(s: Subject, strict: bool) -> None:
    net = copy.deepcopy(s.net).eval().requires_grad_(False)
    rows, steps = torch.export.Dim("rows", min=1, max=64), torch.export.Dim("steps", min=1, max=64)
    args = tuple(value.detach() for value in (s.x, *s.fields))
    shapes = {"x": {0: rows, 1: steps}, "fields": tuple({0: rows} for _ in s.fields)}
    program = torch.export.export(net, args, dynamic_shapes=shapes, strict=strict).module()
    for rows_now, steps_now in ((N, T), (N + 2, T + 3)):
        inputs = [value.detach() for value in s.inputs(rows_now, steps_now, seed=8)]
        same(program(*inputs), s.truth(*inputs))


@capability("torch.export, batch and time dynamic", dear=True)
def exported(s: Subject) -> None:
    export(s, strict=False)


@capability("torch.export(strict=True)", dear=True)
def exported_strictly(s: Subject) -> None:
    export(s, strict=True)


@capability("torch.jit.trace")
def traced(s: Subject) -> None:
    args = tuple(value.detach() for value in (s.x, *s.fields))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = copy.deepcopy(s.net).requires_grad_(False)
        program = torch.jit.trace(net, args)  # type: ignore[no-untyped-call]
    same(program(*args), s.truth(*args))


# Parameters replaced.


def reparametrised(s: Subject, wrap: Callable[[nn.Module, str], object]) -> None:
    """The outputs and gradients that plain autograd has with the weights as they come out."""
    net, plain = copy.deepcopy(s.net), copy.deepcopy(s.truth)
    module, name = net.recurrent_matrix
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrap(module, name)
    net.eval()  # spectral_norm moves its vectors in training
    W = getattr(module, name)
    where, plain_name = plain.recurrent_matrix
    leaf = where.get_parameter(plain_name)
    with torch.no_grad():
        leaf.copy_(W)
    own = [p for p in net.parameters() if p.requires_grad]
    got = net(s.x, *s.fields)
    wanted = plain(s.x, *s.fields)
    same(got, wanted)
    (d_W,) = torch.autograd.grad(weighted(wanted), leaf)
    through = torch.autograd.grad(W, own, d_W, allow_unused=True)
    found = torch.autograd.grad(weighted(got), own, allow_unused=True)
    pairs = [(a, b) for a, b in zip(found, through, strict=True) if b is not None]
    if any(a is None for a, _ in pairs):
        raise WrongError("a parameter behind the weight has no gradient")
    same([a for a, _ in pairs], [b for _, b in pairs])


@capability("parametrizations.weight_norm")
def normed(s: Subject) -> None:
    reparametrised(s, parametrizations.weight_norm)


@capability("nn.utils.weight_norm (the older one)")
def normed_before(s: Subject) -> None:
    reparametrised(s, lambda module, name: nn.utils.weight_norm(module, name))


@capability("parametrizations.spectral_norm")
def spectral(s: Subject) -> None:
    reparametrised(s, parametrizations.spectral_norm)


@capability("nn.utils.spectral_norm (the older one)")
def spectral_before(s: Subject) -> None:
    def wrap(module: nn.Module, name: str) -> None:
        nn.utils.spectral_norm(module, name)
        module(*_dry(s, module))  # sets the weight, once

    def _dry(s: Subject, module: nn.Module) -> tuple[Any, ...]:
        if s.peer:
            return (s.x.detach(),)
        kind = get_cell(s.name).state_type
        return s.x.detach().transpose(0, 1), kind(*(f.detach() for f in s.fields))

    reparametrised(s, wrap)


@capability("parametrize.register_parametrization")
def own_parametrization(s: Subject) -> None:
    class Halved(nn.Module):
        def forward(self, W: Tensor) -> Tensor:
            return W / 2

    reparametrised(
        s, lambda module, name: parametrize.register_parametrization(module, name, Halved())
    )


@capability("prune")
def pruned(s: Subject) -> None:
    reparametrised(s, lambda module, name: prune.l1_unstructured(module, name, amount=0.5))  # type: ignore[no-untyped-call]


@capability("replicas with gradients of the first (DataParallel)")
def replicas(s: Subject) -> None:
    net = copy.deepcopy(s.net)
    own = dict(net.named_parameters())
    parts = [
        functional_call(net, {n: p.view_as(p) for n, p in own.items()}, (row, *fields))
        for row, *fields in zip(
            torch.split(s.x, 1), *(torch.split(f, 1) for f in s.fields), strict=True
        )
    ]
    got = [torch.cat(values) for values in zip(*parts, strict=True)]
    wanted = s.truth(s.x, *s.fields)
    same(got, wanted)
    same(gradients(weighted(got), [*own.values()]),
         gradients(weighted(wanted), [*s.truth.parameters()]))  # fmt: skip


# Copies and files.


@capability("deepcopy, pickle, torch.save, state_dict")
def copies(s: Subject) -> None:
    wanted = s.truth(s.x, *s.fields)
    same(copy.deepcopy(s.net)(s.x, *s.fields), wanted)
    same(pickle.loads(pickle.dumps(s.net))(s.x, *s.fields), wanted)
    file = io.BytesIO()
    torch.save(s.net, file)
    file.seek(0)
    same(torch.load(file, weights_only=False)(s.x, *s.fields), wanted)
    file = io.BytesIO()
    torch.save(s.net.state_dict(), file)
    file.seek(0)
    other = s.build()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(torch.load(file, weights_only=True))
    same(other(s.x, *s.fields), wanted)


@capability("load_state_dict(assign=True)")
def assigned(s: Subject) -> None:
    other = s.build(device="meta", dtype=torch.float64)
    other.load_state_dict(copy.deepcopy(s.net).state_dict(), assign=True)
    same(other(s.x, *s.fields), s.truth(s.x, *s.fields))


@capability("state_dict in the names of torch.nn")
def torch_names(s: Subject) -> None:
    if s.name not in MAIN:
        raise NotApplicableError
    module: Any = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[s.name]
    module = module(D, H, batch_first=True, dtype=torch.float64)
    layer: Any = s.build().inner
    layer.load_torch_state_dict(module.state_dict())
    same([layer(s.x)[0]], [module(s.x)[0]])
    again = copy.deepcopy(module)
    again.load_state_dict(layer.torch_state_dict())
    same([again(s.x)[0]], [module(s.x)[0]])


# Devices.


@capability("device=, dtype= of the constructor")
def placed(s: Subject) -> None:
    net = s.build(device="cpu", dtype=torch.float32)
    if {p.dtype for p in net.parameters()} != {torch.float32}:
        raise WrongError("dtype= was ignored")
    net.load_state_dict(s.net.state_dict())
    same(net(s.x.float()), s.truth(s.x), 1e-4)
    if not all(p.is_meta for p in s.build(device="meta", dtype=torch.float64).parameters()):
        raise WrongError("device= was ignored")


@capability("meta: shapes")
def meta(s: Subject) -> None:
    net = copy.deepcopy(s.net).to("meta")
    args = [value.detach().to("meta") for value in (s.x, *s.fields)]
    for given in (args, args[:1]):
        for value, wanted in zip(net(*given), s.truth(s.x, *s.fields), strict=True):
            if not value.is_meta or value.shape != wanted.shape:
                raise WrongError(f"{value.device} {tuple(value.shape)}, not {tuple(wanted.shape)}")


@capability("meta, then to_empty and load")
def back_from_meta(s: Subject) -> None:
    net = copy.deepcopy(s.net).to("meta").to_empty(device="cpu")
    net.load_state_dict(s.net.state_dict())
    same(net(s.x, *s.fields), s.truth(s.x, *s.fields))


@capability("FakeTensorMode: shapes")
def fake(s: Subject) -> None:
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True):
        x = torch.empty(N, T, D, dtype=torch.float64)
        values = s.net(x)
    for value, wanted in zip(values, s.truth(s.x), strict=True):
        if not isinstance(value, FakeTensor) or value.shape != wanted.shape:
            raise WrongError(f"{type(value).__name__} of {tuple(value.shape)}")


@capability("state on another device", REFUSED)
def elsewhere(s: Subject) -> None:
    refused(lambda: s.net(s.x, *(field.detach().to("meta") for field in s.fields)))


@capability("input on another device", REFUSED)
def input_elsewhere(s: Subject) -> None:
    refused(lambda: s.net(s.x.detach().to("meta")))


# Training.


def process_group() -> None:
    import torch.distributed as dist

    if not dist.is_initialized():
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group("gloo", store=store, rank=0, world_size=1)


@capability("DistributedDataParallel", dear=True)
def data_parallel(s: Subject) -> None:
    process_group()
    net = nn.parallel.DistributedDataParallel(copy.deepcopy(s.net))
    weighted(net(s.x, *s.fields)).backward()  # type: ignore[no-untyped-call]
    wanted = gradients(weighted(s.truth(s.x, *s.fields)), list(s.truth.parameters()))
    same([p.grad for p in net.parameters() if p.grad is not None], wanted)


@capability("fully_shard (FSDP)", dear=True)
def sharded(s: Subject) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    process_group()
    net = copy.deepcopy(s.net)
    fully_shard(net, mesh=init_device_mesh("cpu", (1,)))
    weighted(net(s.x, *s.fields)).backward()  # type: ignore[no-untyped-call]
    wanted = gradients(weighted(s.truth(s.x, *s.fields)), list(s.truth.parameters()))
    same([p.grad.full_tensor() for p in net.parameters()], wanted)  # type: ignore[union-attr]


@capability("utils.checkpoint")
def checkpointed(s: Subject) -> None:
    def run(net: Network) -> list[Tensor]:
        found: list[Tensor] = []
        for reentrant in (False, True):
            values = checkpoint(net, s.x, *s.fields, use_reentrant=reentrant)
            leaves = s.leaves(net)
            for leaf in leaves:
                leaf.grad = None
            weighted(values).backward()  # type: ignore[no-untyped-call]
            found += [torch.zeros_like(v) if v.grad is None else v.grad for v in leaves]
        return found

    plain = gradients(weighted(s.truth(s.x, *s.fields)), s.leaves(s.truth))
    same(run(s.net), [*plain, *plain])


@capability("utils.checkpoint, stateful", RIGHT, REFUSED)
def checkpointed_with_state(s: Subject) -> None:
    net = s.build(stateful=True)
    first, second = s.x[:, :2].detach(), s.x[:, 2:]
    _, *state = s.truth(first)
    wanted = gradients(
        weighted(s.truth(second, *(v.detach() for v in state))[:1]), [s.x, *s.truth.parameters()]
    )
    net(first)
    values = checkpoint(lambda x: net(x)[0], second, use_reentrant=False)
    same(gradients(weighted([values]), [s.x, *net.parameters()]), wanted)


@capability("stateful: inference_mode, then training")
def inference(s: Subject) -> None:
    net = s.build(stateful=True)
    first, second = s.x[:, :2].detach(), s.x[:, 2:]
    with torch.inference_mode():
        net(first)
    _, *state = s.truth(first)
    values, wanted = net(second), s.truth(second, *(v.detach() for v in state))
    same(values, wanted)
    same(gradients(weighted(values), [s.x, *net.parameters()]),
         gradients(weighted(wanted), [s.x, *s.truth.parameters()]))  # fmt: skip


@capability("hooks on modules, tensors and saved tensors")
def hooks(s: Subject) -> None:
    net = copy.deepcopy(s.net)
    seen: list[Tensor] = []

    def look(module: nn.Module, d_in: Any, d_out: Any) -> None:
        seen.append(d_in[0])

    net.register_full_backward_hook(look)
    next(net.parameters()).register_hook(seen.append)  # type: ignore[no-untyped-call]
    with torch.autograd.graph.saved_tensors_hooks(lambda v: v.numpy(), torch.from_numpy):
        values = net(s.x, *s.fields)
    got = gradients(weighted(values), s.leaves(net))
    wanted = gradients(weighted(s.truth(s.x, *s.fields)), s.leaves(s.truth))
    same(got, wanted)
    if len(seen) != 2:
        raise WrongError(f"{len(seen)} hooks of 2 were called")


@capability("threads at once")
def threads(s: Subject) -> None:
    wanted = gradients(weighted(s.truth(s.x, *s.fields)), s.leaves(s.truth))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                same(gradients(weighted(s.net(s.x, *s.fields)), s.leaves(s.net)), wanted)
        except BaseException as error:
            errors.append(error)

    started = [threading.Thread(target=work) for _ in range(4)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    if errors:
        raise errors[0]


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")
import torch
from torch import nn
from sunhwan.layers import Recurrent
torch.set_num_threads(2)
name, backend, size = sys.argv[1], sys.argv[2] or None, 300
if name == "nn.LSTM":
    net = nn.LSTM(size, size, batch_first=True)
else:
    net = Recurrent(name, size, size, backend=backend)
    Recurrent.from_torch(nn.LSTM(20, 20))
child = os.fork()
if not child:
    net(torch.ones(64, 3, size))[0].sum().backward()
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@capability("fork after construction", dear=True)
def forked(s: Subject) -> None:
    import signal

    arguments = [sys.executable, "-c", FORK, s.name, s.backend or ""]
    environment = os.environ | {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    child = subprocess.Popen(
        arguments, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        code = child.wait(20)
    except subprocess.TimeoutExpired:
        raise WrongError("the child hangs") from None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)  # the group of this child alone
            child.wait()
    if code:
        raise WrongError(f"the child ended with {code}")


# What has no right answer.


@capability("PackedSequence", RIGHT, REFUSED)
def packed(s: Subject) -> None:
    x = s.x.detach()
    lengths = [T, T - 1, 2]
    given = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True)
    output, _ = s.net.inner(given)
    output, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True)
    for row, length in enumerate(lengths):
        wanted = s.truth(x[row : row + 1, :length])[0]
        same([output[row : row + 1, :length]], [wanted])


@capability("NumPy input", REFUSED)
def numpy_input(s: Subject) -> None:
    refused(lambda: s.net.inner(s.x.detach().numpy()))


@capability("integer input", REFUSED)
def integers(s: Subject) -> None:
    refused(lambda: s.net(torch.ones(N, T, D, dtype=torch.long)))


@capability("input of another size", REFUSED)
def other_size(s: Subject) -> None:
    for shape in ((N, T, D + 1), (D,), (1, N, T, D)):
        try:
            refused(lambda shape=shape: s.net(torch.ones(shape).double()))  # type: ignore[misc]
        except SunhwanError as error:
            told = error
    raise told


@capability("state of another size", REFUSED)
def other_state(s: Subject) -> None:
    refused(lambda: s.net(s.x, *(field[:, :-1] for field in s.fields)))


@capability("weights in two dtypes", REFUSED)
def mixed(s: Subject) -> None:
    for kind in ("b", "W_h_T", "weight_hh_l0", "bias_ih_l0"):
        net = copy.deepcopy(s.net)
        found = [p for n, p in net.named_parameters() if n.rpartition(".")[2] == kind]
        for parameter in found:
            parameter.data = parameter.data.float()
            try:
                refused(lambda net=net: net(s.x, *s.fields))  # type: ignore[misc]
            except SunhwanError as error:
                told = error
    raise told


@capability("weights of another size put in through .data", REFUSED)
def resized(s: Subject) -> None:
    for kind in ("b", "W_h_T", "weight_hh_l0", "bias_ih_l0"):
        net = copy.deepcopy(s.net)
        found = [p for n, p in net.named_parameters() if n.rpartition(".")[2] == kind]
        for parameter in found:
            parameter.data = parameter.data[:-1].clone()
            try:
                refused(lambda net=net: net(s.x, *s.fields))  # type: ignore[misc]
            except SunhwanError as error:
                told = error
    raise told


# The table.


class Entry(NamedTuple):
    """One entry: the outcome, and the first line of what was said."""

    subject: str
    backend: str | None
    capability: str
    outcome: str
    message: str = ""


def classify(s: Subject, name: str) -> Entry:
    """Run one use."""
    use = CAPABILITIES[name].use
    try:
        use(s)
    except NotApplicableError:
        return Entry(s.name, s.backend, name, NONE)
    except WrongError as error:
        return Entry(s.name, s.backend, name, WRONG, str(error))
    except SunhwanError as error:
        lines = str(error).splitlines()
        outcome = REFUSED if len(lines) == 1 else FOREIGN
        return Entry(s.name, s.backend, name, outcome, str(error))
    except Exception as error:
        line = (str(error).splitlines() or [""])[0]
        return Entry(s.name, s.backend, name, FOREIGN, f"{type(error).__name__}: {line}"[:200])
    return Entry(s.name, s.backend, name, RIGHT)


def answer(arguments: Sequence[str]) -> None:
    """In the process apart: a line before each use, and one with its outcome."""
    name, backend, compiler, *names = arguments
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    subject = Subject(name, backend or None, compiler=compiler)
    for capability in names:
        print("@begin", flush=True)
        print("@" + json.dumps(classify(subject, capability)), flush=True)
    os._exit(0)


def outcomes(
    name: str, backend: str | None, names: Sequence[str], *, compiler: str = "inductor",
    seconds: float = 300,
) -> list[Entry]:  # fmt: skip
    """The entries of a subject, by processes apart: a new one after a crash, with what is left."""
    found: list[Entry] = []
    while len(found) < len(names):
        left = names[len(found) :]
        command = [sys.executable, "-m", "benchmarks.capabilities", "--answer"]
        child = subprocess.Popen(
            [*command, name, backend or "", compiler, *left],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        lines: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=_read, args=(child, lines), daemon=True)
        reader.start()
        before, hung = len(found), False
        try:
            while (line := lines.get(timeout=seconds)) is not None:
                if line.startswith("@["):
                    found.append(Entry(*json.loads(line[1:])))
        except queue.Empty:
            hung = True
            child.kill()
        code = child.wait()
        reader.join()
        if child.stdout is not None:
            child.stdout.close()
        if len(found) < len(names) and (code or hung or len(found) == before):
            message = f"no answer in {seconds:.0f} s" if hung else f"exit code {code}"
            found.append(Entry(name, backend, names[len(found)], CRASH, message))
    return found


def _read(child: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
    assert child.stdout is not None
    for line in child.stdout:
        lines.put(line)
    lines.put(None)


def subjects(quick: bool) -> list[tuple[str, str | None]]:
    """nn.LSTM, the three best-known cells by every backend, and the others by default."""
    found: list[tuple[str, str | None]] = [(PEER, None), *((name, None) for name in MAIN)]
    if quick:
        return found
    forced = [(n, b) for n in MAIN for b in BACKENDS if supports(b, get_cell(n))]
    return [*found, *forced, *((name, None) for name in CELLS if name not in MAIN)]


def worst(entries: Sequence[Entry]) -> str:
    """The least good outcome, with the number of cells that have it where it is not all."""
    if not entries:
        return ""
    outcome = max((entry.outcome for entry in entries), key=BY_MERIT.index)
    told = [entry for entry in entries if entry.outcome != NONE]
    count = sum(entry.outcome == outcome for entry in told)
    return outcome if count == len(told) else f"{outcome} ({count} of {len(told)})"


def pages(entries: Sequence[Entry], names: Sequence[str]) -> str:
    """The two tables."""

    def of(capability: str, subject: str, backend: str | None = None) -> str:
        return worst([e for e in entries if e[:3] == (subject, backend, capability)])

    def of_others(capability: str) -> str:
        others = [e for e in entries if e.subject not in (PEER, *MAIN)]
        return worst([e for e in others if e.capability == capability])

    count = len({e.subject for e in entries} - {PEER, *MAIN})
    last = f"{count} other cells, the worst" if count else "other cells"
    rows = [(name, *(of(name, c) for c in (PEER, *MAIN)), of_others(name)) for name in names]
    text = table(["", PEER, *MAIN, last], rows)
    forced = [b for b in BACKENDS if any(e.backend == b for e in entries)]
    if forced:
        by_backend = [(name, *(of(name, "lstm", b) for b in forced)) for name in names]
        text += "\n`lstm` with a backend forced:\n\n" + table(["", *forced], by_backend)
    return text + (
        "\n*right*: every value is that of plain autograd in float64; *refused*: an error of one "
        "sentence that says what to do; *torch's words*: an error from inside PyTorch; "
        f"*–*: not applicable. {machine()}.\n"
    )


def main() -> None:
    if sys.argv[1:2] == ["--answer"]:
        answer(sys.argv[2:])
    parser = arguments_of(__doc__)
    parser.add_argument("--quick", action="store_true", help="main cells, nothing that compiles")
    arguments = parser.parse_args()
    names = [n for n, c in CAPABILITIES.items() if not (arguments.quick and c.dear)]
    entries: list[Entry] = []
    for name, backend in subjects(arguments.quick):
        print(name, backend or "", file=sys.stderr, flush=True)
        usual = name in (PEER, *MAIN) and backend is None
        compiler = "inductor" if usual else "aot_eager"
        entries += outcomes(name, backend, names, compiler=compiler)
    publish(pages(entries, names), [entry._asdict() for entry in entries], arguments)


if __name__ == "__main__":
    main()
