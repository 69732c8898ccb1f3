"""Shares of a gradient: what each step of a recurrence adds to the gradient of its parameters.

By the chain rule ∂L/∂θ = Σ_t ∂L/∂state_t · ∂⁺state_t/∂θ, where ∂⁺ is the derivative of one step with the
state before it held fixed (Werbos 1990).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import Parameters, State
from sunhwan.layers.layer import RecurrentLayer
from sunhwan.layers.observer import Traced
from sunhwan.layers.recurrent import Recurrent


class LayerSteps(NamedTuple):
    """A layer's run in the order of reading: x (T, N, D), the states before and after each step, and
    what arrives at each state through everything that came after its step, field by field.

    What a step makes of one field for another one, as h = o ⊙ tanh(c) of c, is not in the latter's:
    `field_gradients` adds it.
    """

    layer: RecurrentLayer
    x: Tensor
    before: list[State]
    after: list[State]
    d_states: list[State]


def layer_steps(
    recurrent: Recurrent, traced: Traced, loss: Tensor, anew: Sequence[int] = ()
) -> list[LayerSteps]:
    """Of each layer and direction. traced: with `Look.STEPS`; loss: a scalar. The graph is kept.

    anew: of a stack that reads forward, the steps before which its state was reset.
    """
    fields = [field for steps in traced.steps for state in steps for field in state]
    gradients = iter(
        torch.autograd.grad(
            loss, fields, retain_graph=True, allow_unused=True, materialize_grads=True
        )
    )
    found = []
    for i, (layer, steps) in enumerate(zip(recurrent.stack, traced.steps, strict=True)):
        x = traced.inputs[i].detach().transpose(0, 1)
        kind = layer.cell.state_type
        after = [kind(*(field.detach() for field in state)) for state in steps]
        initial = kind(*(field.detach() for field in traced.initial[i]))
        before = [initial if t in anew else state for t, state in enumerate((initial, *after[:-1]))]
        d_states = [kind(*(next(gradients) for _ in state)) for state in steps]
        x = x.flip(0) if i % recurrent.directions else x
        found.append(LayerSteps(layer, x, before, after, d_states))
    return found


def parameter_shares(run: LayerSteps) -> Iterator[Parameters]:
    """For each step in the order of reading, its share of the gradient of each of the cell's parameters.

    The shares of a parameter add up to its gradient.
    """
    given = run.layer.parameters_of_cell
    learned = {name: value.detach().requires_grad_() for name, value in given.items()}
    for x, before, d_state in zip(run.x, run.before, run.d_states, strict=True):
        with torch.enable_grad():
            made = run.layer.cell.step(x, before, learned)
        pairs = [(m, d) for m, d in zip(made, d_state, strict=True) if m.requires_grad]
        values, incoming = zip(*pairs, strict=True)
        gradients = torch.autograd.grad(
            values, list(learned.values()), incoming, allow_unused=True, materialize_grads=True
        )
        yield dict(zip(learned, gradients, strict=True))


def field_gradients(run: LayerSteps) -> Iterator[State]:
    """∂L/∂field_t of each step: through everything that came after it, and through the other fields that
    the step made of it."""
    parameters = {name: p.detach() for name, p in run.layer.parameters_of_cell.items()}
    for x, before, d_state in zip(run.x, run.before, run.d_states, strict=True):
        if len(d_state) == 1:
            yield d_state
            continue
        with torch.enable_grad():
            made = run.layer.cell.step(x.detach().requires_grad_(), before, parameters)
        totals = []
        for place, (field, total) in enumerate(zip(made, d_state, strict=True)):
            # What the step only passes on, as a longer memory, is made of none of its fields.
            pairs = [
                (other, d)
                for n, (other, d) in enumerate(zip(made, d_state, strict=True))
                if n != place and other.requires_grad
            ]
            if field.requires_grad and pairs:
                values, incoming = zip(*pairs, strict=True)
                (beside,) = torch.autograd.grad(
                    values, field, incoming,
                    retain_graph=True, materialize_grads=True, allow_unused=True,
                )  # fmt: skip
                total = total + beside
            totals.append(total)
        yield type(d_state)(*totals)


class Share(NamedTuple):
    """A step's part of a gradient g: norm ‖g_t‖, and share ⟨g_t, g⟩/‖g‖², which add up to 1 over time."""

    norm: float
    share: float


def shares_of(gradients: Sequence[Tensor]) -> list[Share]:
    """Of the gradients g_t of all steps; of a gradient that is 0 the shares are 0."""
    if not gradients:
        return []
    stacked = torch.stack(list(gradients)).double().flatten(1)
    total = stacked.sum(0)
    square = float(total @ total)
    along = stacked @ total / square if square else torch.zeros(len(stacked))
    return [Share(float(g.norm()), float(s)) for g, s in zip(stacked, along, strict=True)]
