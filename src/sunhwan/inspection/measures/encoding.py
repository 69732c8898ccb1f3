"""Encoding: texts → the vectors that a trained model makes of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sunhwan.errors import SunhwanError, UsageError, did_you_mean
from sunhwan.inspection.subjects import text_subject_of
from sunhwan.layers import Look, Pooling
from sunhwan.layers.pooling import POOLINGS
from sunhwan.tasks import Task
from sunhwan.text import Vocabulary, normalize

ROWS = 64
"""Texts at once; those of like lengths together."""

Vectors = NDArray[np.float32]


class EncodedText(NamedTuple):
    """A text. labels: the tokens that were read (T). tokens (T, E): the output at each. vector (K): the
    text's. place: which one of those given, from 0."""

    labels: list[str]
    tokens: Vectors
    vector: Vectors
    place: int


def unknown_pieces(task: Task, texts: Iterable[str]) -> Counter[str]:
    """How often letters, or of a vocabulary of words the words, occur that a model has no token for."""
    parts = task.pretrained_parts()
    vocabulary = (
        (parts[0].within or parts)[0].vocabulary if parts else getattr(task, "vocabulary", None)
    )
    if vocabulary is None:
        return Counter()
    spelled = bool(parts and parts[0].within)
    pieces: Counter[str] = Counter()
    for text in map(normalize, texts):
        words = text.split()
        pieces.update(words if vocabulary.kind == "words" else "".join(words) if spelled else text)
    del pieces["\t"]  # between the parts of a question
    return Counter({piece: n for piece, n in pieces.items() if not _is_known(vocabulary, piece)})


def _is_known(vocabulary: Vocabulary, piece: str) -> bool:
    ids = vocabulary.encode(piece).tolist()
    return bool(ids) and vocabulary.unk_id not in ids


def encode_texts(
    task: Task,
    texts: Sequence[str],
    *,
    pooling: str = "",
    on_problem: Callable[[SunhwanError], None] | None = None,
) -> list[EncodedText]:
    """Read each text by itself, from the initial state, as the first recurrent stack of the model does.

    pooling: how a text's vector is made of the outputs at its tokens, one of `POOLINGS` but attention;
    "": as the model does, with the logits of a linear part behind it, and where it has no pooling, their
    mean.
    on_problem: is told of each text that is too short for the model, which is left out; None: it is raised.
    UsageError where no text is left, or the model reads none.
    """
    if pooling not in ("", *POOLINGS[:-1]):
        raise UsageError(
            f"--pooling must be one of {', '.join(POOLINGS[:-1])}, not {pooling!r}"
            f"{did_you_mean(pooling, POOLINGS[:-1])}: attention is learned"
        )
    subject = text_subject_of(task)
    stack = subject.recurrents[subject.main]
    own: Any = getattr(task.model, "pooling", None)
    pool = own if own is not None and not pooling else None
    pool = pool or Pooling(pooling or "mean", stack.output_size, stack.directions)
    passages = {}
    for place, text in enumerate(texts):
        passage = subject.to_encode(text)
        if len(passage.labels) >= subject.steps_to_predict:
            passages[place] = passage
            continue
        problem = UsageError(
            f"text {place + 1} is too short: it has {len(passage.labels)} tokens of the "
            f"{subject.steps_to_predict} that the model needs"
        )
        if on_problem is None:
            raise problem
        on_problem(problem)
    if not passages:
        raise UsageError(f"none of the {len(texts):,} texts has a vector: give longer ones")
    order = sorted(passages, key=lambda place: -len(passages[place].labels))
    found: dict[int, EncodedText] = {}
    with torch.no_grad():
        for start in range(0, len(order), ROWS):
            places = order[start : start + ROWS]
            seen = subject.observe([passages[k] for k in places], Look.STATES)
            run = seen.runs[subject.main]
            pooled = pool.to(run.traced.output)(run.traced.output, run.lengths)
            others = None if pooling else subject.beside([passages[k] for k in places])
            made = pooled if others is None else torch.cat((pooled, others), 1)
            vectors = made.cpu().numpy()
            output = run.traced.output.cpu().numpy()
            for row, place in enumerate(places):
                T = int(run.lengths[row])
                labels = list(passages[place].labels[:T])
                found[place] = EncodedText(labels, output[row, :T], vectors[row], place)
    return [found[place] for place in passages]
