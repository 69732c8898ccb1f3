"""Which steps mattered for a prediction: by its gradient, and by leaving each of them out."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sunhwan.errors import UsageError
from sunhwan.generation import PromptContext, next_token_logits
from sunhwan.inspection.subjects import (
    ExampleSubject,
    Passage,
    Seen,
    Stack,
    Subject,
    TextSubject,
    WritingSubject,
)
from sunhwan.layers import Look
from sunhwan.models.inputs import TokenInput
from sunhwan.models.mode import evaluating

Values = npt.NDArray[np.float64]

TOGETHER = 64
"""Copies of a passage, each without one step, that are read side by side."""


class Attribution(NamedTuple):
    """What each of T steps did for one prediction of a passage.

    pieces, labels: of the steps. predicted: what it was a prediction of, probability: how likely that
    was. gradient_x_input, occlusion: (T), in nats; positive where the step made it likelier; 0 where
    the step comes after the prediction.
    """

    pieces: tuple[str, ...]
    labels: tuple[str, ...]
    predicted: str
    probability: float
    gradient_x_input: Values
    occlusion: Values


def what_mattered(subject: Subject, passage: Passage, *, prediction: int = -1) -> Attribution:
    r"""The part of each step's input x_t in log p of one of the passage's predictions.

    .. math:: \text{gradient × input}_t = \sum_D x_t \odot \partial \log p / \partial x_t, \qquad
              \text{occlusion}_t = \log p - \log p \,|_{x_t = \bar x}

    The first says how log p would change as x_t grew, in one pass for all steps (Denil, Demiraj and
    de Freitas 2014; Li, Chen, Hovy and Jurafsky 2016); where p is sure of itself it is nearly 0. The
    second reads the passage once for each step, with its input replaced by x̄: the mean of the
    embedding's rows or, where steps are no tokens, of the passage.

    prediction: its place among `subject.predicted(passage)`. UsageError where there is none such.
    """
    names = subject.predicted(passage)
    if not -len(names) <= prediction < len(names):
        raise UsageError(
            f"there is no prediction {prediction}: the model makes {len(names)} of this passage"
        )
    place = prediction % len(names)
    steps, name = len(passage.labels), names[place]
    pieces, labels = passage.pieces, passage.labels
    if isinstance(subject, TextSubject):
        # What comes after the prediction has no part in it.
        passage, place = subject.cut(passage, 0, place + 2), -1
    width = _own_width(subject)
    seen, x, gradient = _by_gradient(subject, passage, place, width)
    if not bool(seen.real[0, place]):
        raise UsageError(f"the model does not know {name!r}, and so cannot predict it")
    log_p = -float(seen.losses[0, place].detach())
    stack = seen.stacks[subject.main]
    both = subject.stacks[subject.main].bidirectional
    reach = len(passage.labels) if both else int(stack.places[0, place]) + 1
    mean = _mean_input(subject, x)
    shown, hidden = np.zeros((2, steps))
    shown[:reach] = gradient[:reach]
    for start in range(0, reach, TOGETHER):
        some = range(start, min(start + TOGETHER, reach))
        if isinstance(subject, TextSubject):
            found = _text_without(subject, passage, some, mean, stack)
        else:
            found = _without(subject, passage, some, mean, place)
        hidden[some.start : some.stop] = log_p - found
    return Attribution(pieces, labels, name, math.exp(log_p), shown, hidden)


def continued(subject: Subject, text: str) -> Passage:
    """What somebody typed and, of a language model, its likeliest next token: what to ask about.

    Never UNK, nor a letter that would change the last syllable, as when it writes. Other models answer
    a question themselves, see `Subject.passages`. UsageError where there is nothing to read.
    """
    (passage,) = subject.passages(text)
    if not isinstance(subject, TextSubject):
        return passage
    ids, model = passage.given, subject.task.model
    if not len(ids):
        raise UsageError("there is nothing to read: give a text")
    beginning = PromptContext.of(subject.task.vocabulary, text)
    with evaluating(model):
        logits, _ = next_token_logits(model, ids.tolist())
    following = logits.cpu().masked_fill(beginning.never | beginning.first, -torch.inf).argmax()
    grown = subject.passage(torch.cat((ids, following.unsqueeze(0))), passage.where)
    # What is read before the text is no part of it.
    pieces = (*passage.pieces[:1], *grown.pieces[1:])
    return grown._replace(text="".join(pieces), pieces=pieces)


def _by_gradient(
    subject: Subject, passage: Passage, place: int, width: int | None
) -> tuple[Seen, Tensor, Values]:
    """What was seen, the first columns of what each step read (T, width), and their gradient × input."""
    reads: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        reads.append(x)
        return x

    with torch.enable_grad():
        seen = subject.see([passage], Look.STATES, edit=note, last=place == -1)
        slopes = torch.autograd.grad(
            -seen.losses[0, place], reads, allow_unused=True, materialize_grads=True
        )
    # An encoder reads a second text in a call of its own: that is behind the passage's steps.
    T = len(passage.labels)
    x = torch.cat([x.detach()[0, :, :width] for x in reads])[:T]
    slope = torch.cat([slope[0, :, :width] for slope in slopes])[:T]
    return seen, x, (x * slope).sum(-1).double().cpu().numpy()


def _without(
    subject: Subject, passage: Passage, steps: Sequence[int], mean: Tensor, place: int
) -> Values:
    """log p of a prediction, once for each of some steps with its input replaced: (steps)."""
    begun = 0

    def edit(x: Tensor) -> Tensor:
        # A decoder may read one step a call.
        nonlocal begun
        x = x.clone()
        for row, step in enumerate(steps):
            if begun <= step < begun + x.shape[1]:
                x[row, step - begun, : len(mean)] = mean
        begun += x.shape[1]
        return x

    with torch.no_grad():
        copies = [passage] * len(steps)
        seen = subject.see(copies, Look.STATES, edit=edit)
    found: Values = -seen.losses[:, place].double().cpu().numpy()
    return found


@torch.no_grad()
def _text_without(
    subject: TextSubject, passage: Passage, steps: range, mean: Tensor, read: Stack
) -> Values:
    """The same of a text's last token, read on from the state before the first of the steps."""
    model, n, start = subject.task.model, len(steps), steps.start
    x = read.x[:, start:-1].repeat(n, 1, 1)
    x[range(n), range(n)] = mean
    state = model.initial_state(n)
    if start:
        kinds = [layer.cell.state_type for layer in model.recurrent.stack]
        state = [
            kind(*(values[name][:, start - 1].expand(n, -1) for name in kind._fields))
            for kind, values in zip(kinds, read.traced.layers, strict=True)
        ]
    with evaluating(model):
        y, _ = model.recurrent(x, state)
    log_p = torch.log_softmax(model.output(y[:, -1]), -1)
    found: Values = log_p[:, passage.given[-1]].double().cpu().numpy()
    return found


def _own_width(subject: Subject) -> int | None:
    """How many of the columns a step reads are its own; a decoder reads other things beside them."""
    if isinstance(subject, WritingSubject) and subject.main == "decoder":
        return subject.task.model.decoder.inputs.output_size
    return None


def _mean_input(subject: Subject, x: Tensor) -> Tensor:
    """The mean (D) of all tokens' vectors or, where a step is no token, of the steps x (T, D)."""
    if isinstance(subject, TextSubject):
        embedding = subject.task.model.embedding
        if embedding is None:
            return torch.full_like(x[0], 1 / x.shape[1])
        return embedding.weight.detach().mean(0)
    assert isinstance(subject, ExampleSubject)
    model: Any = subject.task.model
    if isinstance(subject, WritingSubject) and subject.main == "decoder":
        inputs = model.decoder.inputs
    else:
        inputs = getattr(model, "reader", model).encoder.inputs
    if isinstance(inputs, TokenInput):
        return inputs.embedding.weight.detach().mean(0)
    return x.mean(0)
