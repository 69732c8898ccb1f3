"""A text unrolled: every number of a language model's steps, forward, and of their gradients, backward."""

import copy
from bisect import bisect
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sunhwan.cells import State
from sunhwan.errors import UsageError, listed
from sunhwan.generation import start_tokens
from sunhwan.inspection.measures.pre_activation import pre_activations
from sunhwan.inspection.measures.truncation import (
    TextBlock,
    accumulate_gradients,
    blocks_of,
    descend,
    losses_of,
)
from sunhwan.inspection.subjects.token_texts import pieces_of
from sunhwan.layers import Look, RecurrentLayer, observing
from sunhwan.layers.shares import (
    LayerSteps,
    Share,
    field_gradients,
    layer_steps,
    parameter_shares,
    shares_of,
)
from sunhwan.models import LanguageModel
from sunhwan.models.mode import evaluating
from sunhwan.tasks import Task
from sunhwan.text import Vocabulary

Values = np.ndarray
"""float64."""

STEPS = 1000
"""Of one text, at most."""

NUMBERS = 50_000_000
"""Of the shares of W_h that are in memory at once, at most."""


class LayerForward(NamedTuple):
    """A layer at one step. x (D): what it reads. from_input, from_state: x W_x + b and h W_h (+ b_h), by
    gate. pre_activation: what the nonlinearity of each gate, or of h, is given. gates: what its
    equation names. state: its fields after the step."""

    x: Values
    from_input: dict[str, Values]
    from_state: dict[str, Values]
    pre_activation: dict[str, Values]
    gates: dict[str, Values]
    state: dict[str, Values]


class LayerBackward(NamedTuple):
    """A layer at one step, on the way back. gradient: ∂L/∂field of the state after the step. norms: their
    lengths. shares: of each of its parameters, what the step adds to the gradient."""

    gradient: dict[str, Values]
    norms: dict[str, float]
    shares: dict[str, Share]


class TextStep(NamedTuple):
    """One step. id, label, piece: of the token that is read. output (H): what the output layer is given; y
    (V): its logits; softmax (V). target: the id of the next token, loss: −log of its probability in nats;
    None where nothing follows. block: of truncated backpropagation, which no gradient leaves."""

    id: int
    label: str
    piece: str
    layers: list[LayerForward]
    output: Values
    y: Values
    softmax: Values
    target: int | None
    loss: float | None
    block: int
    backward: list[LayerBackward]


class Update(NamedTuple):
    """One step of gradient descent, θ ← θ − η ∂L/∂θ for all parameters. weights, output_weights, embedding:
    as those of the text, after it. loss: L of the same text after it."""

    learning_rate: float
    loss: float
    weights: list[dict[str, Values]]
    output_weights: dict[str, Values]
    embedding: Values | None


class UnrolledText(NamedTuple):
    """A text unrolled. labels: of the vocabulary's tokens. cells: one a layer. one_hot: whether tokens
    enter as 0 and 1. loss: L = Σ_t loss_t, which the gradients are of. block_length: None where no gradient
    is cut; blocks: the steps of each. anew: the steps before which the state is the initial one again, each
    a line break that a model of sentences reads. gradients: of each layer's parameters, the sum of all
    shares, and of the output layer's. weights: of each layer, by name, and of the output layer. A learned
    initial state stands beside them, as h_0. embedding (V, D): where one is learned, and its gradient."""

    text: str
    labels: list[str]
    cells: list[str]
    one_hot: bool
    steps: list[TextStep]
    loss: float
    block_length: int | None
    blocks: list[TextBlock]
    anew: list[int]
    gradients: list[dict[str, Values]]
    gradient_norms: list[dict[str, float]]
    output_gradients: dict[str, Values]
    weights: list[dict[str, Values]]
    output_weights: dict[str, Values]
    embedding: Values | None
    embedding_gradient: Values | None
    update: Update

    @property
    def tokens_read(self) -> list[int]:
        """The ids of the steps, each once, in the order of reading."""
        return list(dict.fromkeys(step.id for step in self.steps))

    def initial_fields(self, layer: int) -> list[str]:
        """The names of the initial state's fields that a layer has learned: h_0 …"""
        fields = self.steps[0].layers[layer].state
        return [f"{field}_0" for field in fields if f"{field}_0" in self.weights[layer]]


def unroll_text(
    model: Task,
    text: str,
    *,
    then: str = "",
    block_length: int | None = None,
    bptt_length: int | None = None,
    learning_rate: float = 0.1,
) -> UnrolledText:
    """Read a text from the initial state, in float64, and walk back from its losses.

    Each token is the target of the one before it; then: what follows the text, of which the first
    token is a target alone.
    block_length: T of truncated backpropagation through time: the state passes a border, no gradient does;
    with a longer bptt_length the gradient of a block's losses goes back so many steps from its end.
    learning_rate: η of the update.
    A model that learned each line by itself reads it so: behind a line break, from the initial state, and
    nothing is cut. UsageError where the model is no language model, nothing is read, a letter is unknown
    that the model has no token for, the rate is no number from 0 to 1,000, or there are too many steps.
    """
    language = model.as_language_model()
    if language is None:
        raise UsageError(f"a text is unrolled by a language model: this is a {model.title}")
    if not isinstance(language.model.output, nn.Linear):
        raise UsageError(
            "an adaptive softmax has no one output matrix to draw: unroll another model"
        )
    vocabulary = language.vocabulary
    for part in (text, then):
        _check_known(vocabulary, part)
    if not 0 <= learning_rate <= 1000:
        raise UsageError(
            f"the learning rate must be a number from 0 to 1,000, not {learning_rate:g}"
        )
    ids = [*start_tokens(vocabulary), *vocabulary.encode(text).tolist()]
    following = vocabulary.encode(then).tolist()[:1]
    T = len(ids)
    if not T:
        raise UsageError("there is nothing to read: give a text that the model knows")
    resets = language.resets(torch.tensor([ids]))
    anew = [] if resets is None else [t for t in resets[0].nonzero().flatten().tolist() if t > 0]
    if resets is not None and block_length is not None:
        raise UsageError(
            "the model learned each line as a whole, so no gradient is cut: leave the length of a block out"
        )
    blocks = blocks_of(T, block_length, bptt_length)
    if T > STEPS:
        raise UsageError(f"the text has {T:,} tokens: give at most {STEPS:,}")
    network = copy.deepcopy(language.model).double().cpu()
    biggest = max(p.numel() for layer in network.recurrent.stack for p in layer.parameters())
    if biggest * T > NUMBERS:
        raise UsageError(
            f"{T:,} steps of a layer of {biggest:,} weights are too many numbers: give a shorter text"
        )
    with evaluating(network), torch.enable_grad():
        with observing(network.recurrent, Look.STEPS | Look.GATES) as calls:
            output, _ = network.read(torch.tensor([ids]), None, resets)
        logits = network.output(output[:, 0])  # (T, V)
        targets = [*ids[1:], *following]
        losses = functional.cross_entropy(
            logits[: len(targets)], torch.tensor(targets, dtype=torch.int64), reduction="none"
        )
        traced = calls[0].traced
        runs = _cut(network.recurrent, traced, losses, blocks, anew)
        accumulate_gradients(network, ids, targets, blocks, resets)
    shares = [list(parameter_shares(run)) for run in runs]
    gradients = [
        {name: torch.stack([step[name] for step in steps]).sum(0) for name in steps[0]}
        for steps in shares
    ]
    parts = [
        {name: shares_of([step[name] for step in steps]) for name in steps[0]} for steps in shares
    ]
    d_fields = [list(field_gradients(run)) for run in runs]
    softmax = torch.softmax(logits, 1)
    labels = [vocabulary.display(token) for token in range(len(vocabulary))]
    pieces = pieces_of(vocabulary, ids)
    steps = []
    for t in range(T):
        layers = [_forward(run, traced.layers[i], t) for i, run in enumerate(runs)]
        backward = [_backward(own[t], part, t) for own, part in zip(d_fields, parts, strict=True)]
        known = t < len(targets)
        steps.append(
            TextStep(
                id=ids[t],
                label=labels[ids[t]],
                piece=pieces[t],
                layers=layers,
                output=_array(output[t, 0]),
                y=_array(logits[t]),
                softmax=_array(softmax[t]),
                target=targets[t] if known else None,
                loss=losses[t].item() if known else None,
                block=t // block_length if block_length else bisect(anew, t),
                backward=backward,
            )
        )
    weights, output_weights, embedding = _weights(network)
    for own, layer in zip(gradients, network.recurrent.stack, strict=True):
        own |= {name: _gradient(p) for name, p in _initial(layer).items()}
    learned = _embedding(network)
    descend(network, learning_rate)
    with evaluating(network), torch.no_grad():
        loss = losses_of(network, ids, targets, resets=resets).sum().item()
    return UnrolledText(
        text=text,
        labels=labels,
        cells=[type(run.layer.cell).__name__ for run in runs],
        one_hot=network.embedding is None,
        steps=steps,
        loss=losses.sum().item(),
        block_length=block_length,
        blocks=blocks,
        anew=anew,
        gradients=[{name: _array(g) for name, g in one.items()} for one in gradients],
        gradient_norms=[{name: float(g.norm()) for name, g in one.items()} for one in gradients],
        output_gradients={
            "W": _array(_gradient(network.output.weight).T),
            "b": _array(_gradient(network.output.bias)),
        },
        weights=weights,
        output_weights=output_weights,
        embedding=embedding,
        embedding_gradient=None if learned is None else _array(_gradient(learned)),
        update=Update(learning_rate, loss, *_weights(network)),
    )


def _check_known(vocabulary: Vocabulary, text: str) -> None:
    """UsageError for letters that a vocabulary of letters would leave out."""
    if vocabulary.unk_id is not None or vocabulary.kind not in ("characters", "jamo"):
        return
    letters = dict.fromkeys(text)
    unknown = [repr(letter) for letter in letters if not len(vocabulary.encode(letter))]
    if unknown:
        raise UsageError(f"the model does not know {listed(unknown)}: give letters that it learned")


def _weights(
    network: LanguageModel,
) -> tuple[list[dict[str, Values]], dict[str, Values], Values | None]:
    """Of each layer, of the output layer, and of the embedding, as they are now."""
    stack = network.recurrent.stack
    layers = [_arrays(layer.parameters_of_cell | _initial(layer)) for layer in stack]
    output = {"W": _array(network.output.weight.T), "b": _array(network.output.bias)}
    learned = _embedding(network)
    return layers, output, None if learned is None else _array(learned)


def _initial(layer: RecurrentLayer) -> dict[str, Tensor]:
    """The fields of the initial state that are learned: h_0 (H), c_0 …"""
    names = [f"{field}_0" for field in layer.cell.state_type._fields]
    return {name: value for name, value in layer.named_parameters() if name in names}


def _embedding(network: LanguageModel) -> Tensor | None:
    """The table of the tokens' vectors, where it is learned."""
    table = None if network.embedding is None else network.embedding.weight
    return table if table is not None and table.requires_grad else None


def _gradient(parameter: Tensor) -> Tensor:
    """∂L/∂θ; zeros where nothing came back to it."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.to_dense()


def _cut(
    recurrent: Any,
    traced: Any,
    losses: Tensor,
    blocks: Sequence[TextBlock],
    anew: Sequence[int],
) -> list[LayerSteps]:
    """The gradient of every step: of the losses of each block that goes back to it, added up."""
    found: list[LayerSteps] = []
    for first, new, end in blocks:
        # Within a block a path goes forward only: what is before it is left out.
        runs = layer_steps(recurrent, traced, losses[new:end].sum(), anew)
        if not found:
            found = [
                run._replace(d_states=[type(d)(*map(torch.zeros_like, d)) for d in run.d_states])
                for run in runs
            ]
        for kept, run in zip(found, runs, strict=True):
            for t in range(first, end):
                added = (a + b for a, b in zip(kept.d_states[t], run.d_states[t], strict=True))
                kept.d_states[t] = type(run.d_states[t])(*added)
    return found


def _forward(run: LayerSteps, values: dict[str, Tensor], t: int) -> LayerForward:
    layer, cell = run.layer, run.layer.cell
    fields = cell.state_type._fields
    with torch.no_grad():
        given = cell.effective(layer.parameters_of_cell)
        from_input = _by_gate(cell.sums(run.x[t], run.before[t], given), cell.gates)
        from_state = {}
        if "W_h" in given:
            u = run.before[t][0] @ given["W_h"]
            u = u + given["b_h"] if "b_h" in given else u
            from_state = _by_gate(u, cell.gates_of_W_h)
        sums = pre_activations(cell, run.x[t], run.before[t], layer.parameters_of_cell)
    return LayerForward(
        x=_array(run.x[t, 0]),
        from_input=from_input,
        from_state=from_state,
        pre_activation=_arrays({n: v[0] for n, v in sums.items()}),
        gates={n: _array(v[0, t]) for n, v in values.items() if n not in fields},
        state=_arrays({n: v[0] for n, v in zip(fields, run.after[t], strict=True)}),
    )


def _backward(d_state: State, parts: dict[str, list[Share]], t: int) -> LayerBackward:
    gradient = {name: d[0] for name, d in zip(type(d_state)._fields, d_state, strict=True)}  # type: ignore[attr-defined]
    return LayerBackward(
        gradient=_arrays(gradient),
        norms={name: float(value.norm()) for name, value in gradient.items()},
        shares={name: own[t] for name, own in parts.items()},
    )


def _by_gate(row: Tensor, gates: tuple[str, ...]) -> dict[str, Values]:
    return {name: _array(v[0]) for name, v in zip(gates, row.chunk(len(gates), 1), strict=True)}


def _array(value: Tensor) -> Values:
    return value.detach().cpu().double().numpy().copy()  # parameters change in place


def _arrays(values: dict[str, Tensor]) -> dict[str, Values]:
    return {name: _array(value) for name, value in values.items()}
