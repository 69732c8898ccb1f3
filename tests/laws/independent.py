"""What comparisons with the literature share: random weights, networks that carry them, gradients."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from sunhwan.cells import Cell, Parameters, State
from sunhwan.layers import Recurrent

N, T, D, H = 4, 6, 2, 5
"""All different, as is 3, the size to which a projection of H units leads."""


def draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*sizes: int, seed: int = 1) -> Tensor:
    return torch.randn(*sizes, generator=draws(seed), dtype=torch.float64)


def random_parameters(
    cell: Cell, *, bias: bool = True, seed: int = 1, input_size: int = D, hidden_size: int = H
) -> Parameters:
    """Of the sizes that the cell tells, and no number is zero."""
    draw = draws(seed)
    like = cell.initial_parameters(input_size, hidden_size, bias=bias)
    return {
        name: 0.7 * torch.randn(p.shape, generator=draw, dtype=torch.float64)
        for name, p in like.items()
    }


def random_state(cell: Cell, *, rows: int = N, seed: int = 2, hidden_size: int = H) -> State:
    """A normaliser n is a sum of weights, so it is positive."""
    draw = draws(seed)
    sizes = dict(zip(cell.state_type._fields, cell.state_sizes(hidden_size), strict=True))
    fields = {f: torch.randn(rows, n, generator=draw).double() for f, n in sizes.items()}
    if "n" in fields:
        fields["n"] = fields["n"].abs() + 0.1
    return cell.state_type(**fields)


def network(
    cell: Cell, parameters: Parameters, backend: str | None = None, **options: Any
) -> Recurrent:
    """One layer of the cell with these parameters."""
    W_x = parameters["W_x"]
    hidden_size = W_x.shape[1] // len(cell.gates)
    bias = "b" in parameters
    layer = Recurrent(cell, W_x.shape[0], hidden_size, bias=bias, backend=backend, **options)
    layer = layer.to(W_x.dtype)
    own = layer.layers[0].parameters_of_cell
    assert own.keys() == parameters.keys()
    with torch.no_grad():
        for name, value in parameters.items():
            own[name].copy_(value)
    return layer


def weighted(values: Iterable[Tensor]) -> Tensor:
    """A number in which every entry has its own weight."""
    pairs = ((random(*value.shape, seed=i).to(value), value) for i, value in enumerate(values))
    return torch.stack([(weights * value).sum() for weights, value in pairs]).sum()


def everything(
    layer: Recurrent, x: Tensor, state: State | None = None, **options: Any
) -> dict[str, Tensor]:
    """What a run of one layer gives, by name: output, last state, the gradient of everything."""
    x = x.clone().requires_grad_()
    named = {"x": x} | {
        name.removeprefix("layers.0.").removesuffix("_T"): p for name, p in layer.named_parameters()
    }
    if state is not None:
        state = type(state)(*(field.clone().requires_grad_() for field in state))
        named |= state._asdict()
    output, (last,) = layer(x, None if state is None else [state], **options)
    gradients = torch.autograd.grad(
        weighted([output, *last]), list(named.values()), allow_unused=True, materialize_grads=True
    )
    found = {"output": output.detach()}
    found |= {f"last {field}": value.detach() for field, value in last._asdict().items()}
    pairs = zip(named, gradients, strict=True)
    return found | {f"d {n}": g.T if n.startswith("W_") else g for n, g in pairs}


def assert_close(
    got: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    bound: float,
    *,
    but: Iterable[str] = (),
) -> None:
    """The same names, except `but`, and values within `bound`, relative where they are large."""
    but = set(but)
    assert got.keys() - but == wanted.keys() - but
    for name in got.keys() - but:
        assert got[name].shape == wanted[name].shape, f"{name}: {got[name].shape}"
        assert bool(got[name].isfinite().all()), f"{name} is not finite"
        off = float((got[name] - wanted[name]).abs().max()) / (1 + float(wanted[name].abs().max()))
        assert off <= bound, f"{name} is off by {off:.3g}"


def assert_same(got: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """The same names and the same numbers to the bit."""
    assert got.keys() == wanted.keys()
    for name, value in got.items():
        assert torch.equal(value, wanted[name]), f"{name} differs"
