"""Stateful mode: the state is carried from call to call, its gradient is not."""

import torch

from sunhwan.cells import State
from sunhwan.laws.case import Case, T, by_field, named_fields
from sunhwan.laws.compare import assert_identical, objective, require, results

BLOCKS = 3


def stateful_is_explicit(case: Case) -> float:
    """Block by block: the same bits as handing over the detached state oneself, gradients too."""
    keeping, explicit = case.build(stateful=True), case.build()
    x, state = case.inputs(steps=BLOCKS * T)
    first: list[State] | None
    for first in (None, state):
        keeping.set_state(first)
        now = first
        for block in (x[:, t : t + T] for t in range(0, BLOCKS * T, T)):
            got = results(keeping, block, None, lambda x, s: keeping(x))
            wanted = results(explicit, block, now)
            # d state is named in the second alone; without one given, it is the initial state.
            same = {name: wanted[name] for name in got}
            assert_identical(got, same, where="stateful")
            kept = keeping.state or []
            now = [
                case.cell.state_type(*(wanted[f"last {f} of layer {depth}"] for f in by_field(s)))
                for depth, s in enumerate(kept)
            ]
            require(len(now) == case.layers, f"{len(now)} states are kept for {case.layers} layers")
            assert_identical(named_fields(kept), named_fields(now), where="kept")
    return 0.0


def no_gradient_crosses_calls(case: Case) -> None:
    """The state is detached: the second block's loss has no gradient for the first's input."""
    layer = case.build(stateful=True)
    x, _ = case.inputs(steps=2 * T)
    first, second = (part.clone().requires_grad_() for part in (x[:, :T], x[:, T:]))
    layer(first)
    attached = [field for s in layer.state or () for field in s if field.requires_grad]
    require(not attached, "the kept state is not detached")
    output, _ = layer(second)
    d_first, d_second = torch.autograd.grad(
        objective(output, ()), (first, second), allow_unused=True
    )
    require(d_first is None, "a gradient crosses from one call to the one before")
    require(d_second.any(), "the second call has no gradient")


def set_and_reset(case: Case) -> None:
    """`set_state`, `reset_state`, an explicit state: each is what the next call starts from."""
    layer = case.build(stateful=True)
    x, state = case.inputs()
    require(layer.state is None, "a new layer has a state already")
    fresh, _ = layer(x)
    carried, _ = layer(x)
    require(not torch.equal(fresh, carried), "nothing is carried from call to call")
    layer.reset_state()
    require(layer.state is None, "reset_state leaves a state")
    assert_identical({"output": layer(x)[0]}, {"output": fresh}, where="after reset_state")
    layer.set_state(state)
    wanted = layer(x, state)[0]
    layer.set_state(state)
    assert_identical({"output": layer(x)[0]}, {"output": wanted}, where="after set_state")
    # An explicit state wins over the carried one, and is carried on.
    _, last = layer(x, state)
    assert_identical(named_fields(layer.state or ()), named_fields(last), where="carried on")


def stateless_carries_nothing(case: Case) -> None:
    """Without stateful mode every call begins anew."""
    layer = case.build()
    x, _ = case.inputs()
    first, _ = layer(x)
    assert_identical({"output": layer(x)[0]}, {"output": first}, where="a second call")
    require(layer.state is None, "a layer that is not stateful keeps a state")
