"""Comparison of two runs: their results by name, equal to the bit or within a bound."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.laws.case import generator, mapped, named_fields, seeded
from sunhwan.layers import Recurrent


class LawBroken(AssertionError):  # noqa: N818
    """A cell breaks a law; the message carries the numbers."""


Run = Callable[[Tensor, list[State] | None], tuple[Tensor, list[State]]]


def require(held: object, message: str) -> None:
    """LawBroken with the message unless it holds."""
    if not held:
        raise LawBroken(message)


def assert_equal(
    got: Mapping[str, Tensor], wanted: Mapping[str, Tensor], bound: float, *, where: str = ""
) -> float:
    """Every named tensor within `bound`, absolute for small values and relative for large ones.

    Returns the largest deviation, measured so; LawBroken names the tensor and its worst entry.
    """
    require(list(got) == list(wanted), f"{where} {list(got)} instead of {list(wanted)}".strip())
    largest = 0.0
    for name, value in got.items():
        label = f"{name} ({where})" if where else name
        reference = wanted[name].detach().to(torch.float64)
        value = value.detach().to(torch.float64)
        sizes = tuple(value.shape), tuple(reference.shape)
        require(sizes[0] == sizes[1], f"{label} has shape {sizes[0]}, not {sizes[1]}")
        if not value.numel():
            continue
        require(bool(value.isfinite().all()), f"{label} is not finite")
        off = (value - reference).abs()
        deviation = float(off.max()) / (1 + float(reference.abs().max()))
        if not deviation <= bound:
            at = tuple(int(i) for i in torch.unravel_index(off.argmax(), off.shape))
            raise LawBroken(
                f"{label} is off by {float(off.max()):.3g}, {bound:g} allowed: "
                f"{float(value[at]):.9g} at {list(at)}, not {float(reference[at]):.9g}"
            )
        largest = max(largest, deviation)
    return largest


def assert_identical(
    got: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, where: str = ""
) -> float:
    """Every named tensor the same to the bit."""
    require(list(got) == list(wanted), f"{where} {list(got)} instead of {list(wanted)}".strip())
    for name, value in got.items():
        if not torch.equal(value, wanted[name]):
            assert_equal({name: value}, {name: wanted[name]}, 0.0, where=where)
    return 0.0


def objective(output: Tensor, last: Sequence[State]) -> Tensor:
    """A number in which every output and every field of the last state has its own weight."""
    draw = generator(3)
    total = output.new_zeros(())
    for value in [output, *(field for state in last for field in state)]:
        weights = torch.randn(value.shape, generator=draw, dtype=torch.float64).to(value.dtype)
        total = total + (weights * value).sum()
    return total


def results(
    layer: Recurrent, x: Tensor, state: Sequence[State] | None, run: Run | None = None
) -> dict[str, Tensor]:
    """Everything that a run of the layer gives, by name: outputs, last state, all gradients."""
    named, x, state = leaves(layer, x, state)
    with seeded():
        output, last = (run or layer)(x, state)
    gradients = torch.autograd.grad(
        objective(output, last), list(named.values()), allow_unused=True, materialize_grads=True
    )
    found = {"output": output.detach()}
    found |= {f"last {name}": value.detach() for name, value in named_fields(last).items()}
    return found | {
        f"gradient of {name}": value for name, value in zip(named, gradients, strict=True)
    }


def leaves(
    layer: Recurrent, x: Tensor, state: Sequence[State] | None
) -> tuple[dict[str, Tensor], Tensor, list[State] | None]:
    """Copies of x and the state that record a gradient, and these with the parameters by name."""
    x = x.clone().requires_grad_()
    named = {"x": x}
    own = None
    if state is not None:
        own = mapped(state, lambda field: field.clone().requires_grad_())
        named |= {f"initial {name}": value for name, value in named_fields(own).items()}
    return named | dict(layer.named_parameters()), x, own
