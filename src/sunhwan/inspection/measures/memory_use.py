"""Memory in use: the loss as a function of how much context is read."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from sunhwan.errors import UsageError
from sunhwan.inspection.measures.context_losses import ContextReader, draw_places
from sunhwan.inspection.progress import Progress, no_progress
from sunhwan.inspection.subjects import Observation, Passage, Subject
from sunhwan.layers import Look
from sunhwan.models.mode import evaluating
from sunhwan.tasks.common.examples import Example

CONTEXTS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

PART = 64
"""Examples that are in memory at once."""
STRETCH = 50
"""At least so many steps are shuffled in one piece, where the context is shorter."""
SHARE, NATS = 0.01, 0.01
"""A context does as well as the longest one from this much of its loss on, whichever is more."""


class MemoryUse(NamedTuple):
    """The loss at the same places, by how many steps before them a model may read.

    unit: of a step. contexts: (C), rising. losses: (C, places); mean and error, the mean's standard
    error: (C). shuffled: (C, places), the longest context read, everything beyond the context in
    another order. used: the shortest context with a mean within 1 % of the longest one's, or of a
    measure in nats within 0.01; None where only the longest itself has it, and more might have helped.
    measure: of the loss.
    """

    unit: str
    contexts: tuple[int, ...]
    losses: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    shuffled: np.ndarray
    used: int | None
    measure: str = "nats"


def memory_use(
    subject: Subject,
    passages: Sequence[Passage],
    *,
    contexts: Sequence[int] = CONTEXTS,
    positions: int = 160,
    seed: int = 1,
    progress: Progress = no_progress,
) -> MemoryUse | None:
    """The loss by context, at places drawn at random, after Khandelwal et al. 2018.

    Of a text: the loss of a token after the last c tokens before it, read from the initial state.
    Of a tagger's step: with c steps before it, and all behind it; of a classifier: with the last c
    steps of the question; of a forecast: with the last c steps of the past, the horizon's mean loss.
    Where the answer needs all of a question there is no such place: None.

    Of a text the steps beyond 50 are shuffled from one context to the next, each stretch within
    itself, so that what one context read serves the others too: the order is lost, and not about how
    long ago something was.

    contexts: those that the passages are too short for are left out; of a text, half the longest
    passage is the limit. Every place costs about twice the sum of the contexts.

    UsageError where the passages are too short for any.
    """
    if positions < 1 or not contexts or min(contexts) < 0:
        raise UsageError("memory in use needs contexts of 0 or more steps and at least 1 position")
    generator = torch.Generator().manual_seed(seed)
    if subject.running_text:
        shortened, whole, shuffled = _of_text(
            subject, passages, contexts, positions, generator, progress
        )
    elif not subject.needs_whole_question:
        shortened, whole, shuffled = _of_examples(
            subject, passages, contexts, positions, generator, progress
        )
    else:
        return None
    losses = np.stack(whole)
    mean = losses.mean(1)
    error = losses.std(1, ddof=1) / math.sqrt(losses.shape[1]) if losses.shape[1] > 1 else 0 * mean
    return MemoryUse(
        subject.unit,
        shortened,
        losses,
        mean,
        error,
        np.stack(shuffled),
        used(shortened, mean, NATS if subject.measure == "nats" else 0.0),
        subject.measure,
    )


def used(contexts: Sequence[int], mean: np.ndarray, least: float = NATS) -> int | None:
    """The shortest context that does as well as the longest; None where that is the longest itself."""
    enough = mean <= mean[-1] + max(SHARE * mean[-1], least)
    first = int(np.flatnonzero(enough)[0])
    return contexts[first] if first < len(contexts) - 1 else None


Losses = list[np.ndarray]
"""By context, one a place."""


def _of_text(
    subject: Subject,
    passages: Sequence[Passage],
    contexts: Sequence[int],
    positions: int,
    generator: Generator,
    progress: Progress,
) -> tuple[tuple[int, ...], Losses, Losses]:
    most = max((len(passage.given) for passage in passages), default=0) // 2
    fitting = tuple(c for c in sorted(set(contexts)) if c <= most)
    if not most or not fitting:
        raise UsageError("the text is too short to see how much of it the model uses: give more")
    longest = fitting[-1]
    beyond = {
        c: next((f for f in fitting if f > c and f >= STRETCH), longest) for c in fitting[:-1]
    }
    work = sum(fitting) + sum(beyond.values())
    before, targets = draw_places([p.given for p in passages], longest, positions, generator)
    with evaluating(subject.task.model), torch.no_grad():
        rows = ContextReader(subject, before, targets, work, progress)
        whole = [rows.losses(rows.read(rows.begun(c), rows.last(c))) for c in fitting]
        shuffled = [whole[-1]]
        far_off = {longest: rows.begun(longest)}
        for near, far in reversed(beyond.items()):
            stretch = rows.last(far)[:, : far - near]
            order = torch.rand(stretch.shape, generator=generator).argsort(1).to(stretch.device)
            far_off[near] = rows.read(far_off[far], stretch.gather(1, order))
            shuffled.insert(0, rows.losses(rows.read(far_off[near], rows.last(near))))
    return fitting, whole, shuffled


def _of_examples(
    subject: Subject,
    passages: Sequence[Passage],
    contexts: Sequence[int],
    positions: int,
    generator: Generator,
    progress: Progress,
) -> tuple[tuple[int, ...], Losses, Losses]:
    places = [place for passage in passages for place in _places(subject, passage.given)]
    drawn = torch.randperm(len(places), generator=generator)[:positions].tolist()
    rows = [places[k] for k in drawn]
    if not rows:
        raise UsageError("there are no examples to see how much of them the model uses: give some")
    ahead = subject.steps_ahead
    most = max(place if place is not None else example.steps - ahead for example, place in rows)
    fitting = tuple(c for c in sorted(set(contexts)) if c < most)
    if len(fitting) < len(set(contexts)):
        fitting = (*fitting, most)
    done = 0

    def losses(context: int, shuffling: Generator | None = None) -> np.ndarray:
        nonlocal done
        known = [c for c in fitting if c >= context]
        found = []
        for start in range(0, len(rows), PART):
            part = [
                _reduced(example, place, known, shuffling, ahead)
                for example, place in rows[start : start + PART]
            ]
            with torch.no_grad():
                given = [Passage("", (), (), "", example) for example, _ in part]
                seen = subject.observe(given, Look.STATES)
            found.append(_chosen(subject, seen, [column for _, column in part]))
        done += 1
        progress(done / (2 * len(fitting)))
        return np.concatenate(found)

    whole = [losses(context) for context in fitting]
    shuffled = [losses(context, generator) for context in fitting[:-1]]
    return fitting, whole, [*shuffled, whole[-1]]


def _chosen(subject: Subject, seen: Observation, columns: Sequence[int]) -> np.ndarray:
    """Of each row the loss of a column; of a forecast the mean of the steps whose value is known."""
    losses, real = seen.losses.cpu().double(), seen.real.cpu()
    if subject.steps_ahead:
        found = losses.sum(1) / real.sum(1).clamp(min=1)
    else:
        found = losses.gather(1, torch.tensor(columns).unsqueeze(1)).squeeze(1)
    values: np.ndarray = found.numpy()
    return values


Place = tuple[Example, int | None]
"""An example and a step that is labelled; None: the label is of the whole."""


def _places(subject: Subject, example: Example) -> list[Place]:
    if not subject.predicts_each_step:
        return [(example, None)]
    assert example.target is not None
    return [(example, place) for place in (example.target >= 0).nonzero().flatten().tolist()]


def _reduced(
    example: Example,
    place: int | None,
    contexts: Sequence[int],
    shuffling: Generator | None,
    ahead: int,
) -> tuple[Example, int]:
    """The example with the steps that may be read, and the column of its loss then.

    ahead: steps at the end that are read in any case.
    """
    if place is None:
        inputs = tuple(
            x[_steps(len(x), len(x) - ahead, contexts, shuffling)] for x in example.inputs
        )
        return example._replace(inputs=inputs), 0
    (x,), target = example.inputs, example.target
    assert target is not None
    kept = _steps(len(x), place, contexts, shuffling)
    column = len(kept) - (len(x) - place)
    return example._replace(inputs=(x[kept],), target=target[kept]), column


def _steps(length: int, place: int, contexts: Sequence[int], shuffling: Generator | None) -> Tensor:
    """The steps to read of so many, in what order, for the first of the rising contexts."""
    start, near = (max(place - context, 0) for context in (contexts[-1], contexts[0]))
    steps = torch.arange(near, length)
    if shuffling is None:
        return steps
    return torch.cat((start + torch.randperm(near - start, generator=shuffling), steps))
