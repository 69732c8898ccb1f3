"""Transfer: weights for a new model from a trained one that reads text, or from a file of word vectors."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from sunhwan.config import Config
from sunhwan.errors import ConfigError, UsageError
from sunhwan.layers import Recurrent
from sunhwan.store import load_model
from sunhwan.tasks import Learner, Task

ARCHITECTURE = (
    "cell", "lag", "hidden_size", "num_layers", "embedding_size", "connection", "layer_norm", "bias",
    "learned_initial_state",
)  # fmt: skip
OF_LANGUAGE_MODELS = ("input", "tied")


def load_source(path: str) -> Task:
    """The model to start from; UsageError for one that has no embedding of tokens."""
    task = load_model(Path(path)).task
    if not task.pretrained_parts():
        if task.as_language_model() is None:
            raise UsageError(
                f"{path} holds a {task.title} that reads no text: start from a model that does"
            )
        raise UsageError(
            f"{path} reads tokens as {task.config.model.input}, without an embedding to start from: train "
            "it with model.input 'embedding'"
        )
    return task


def adopt(config: Config, source: Task) -> Config:
    """The configuration with the source's architecture and kind of token, where it has not its own.

    ConfigError where it asks for another hidden size, cell, depth or embedding.
    """
    theirs, ours, fresh = source.config.model, config.model, type(config.model)()
    (part,) = source.pretrained_parts()
    names = (*ARCHITECTURE, *(OF_LANGUAGE_MODELS if source.as_language_model() else ()))
    names += ("letter_size",) if part.within else ()
    for name in names:
        given, wanted = getattr(ours, name), getattr(theirs, name)
        if given not in (wanted, getattr(fresh, name)):
            raise ConfigError(
                f"model.{name} is {given!r}, but the model to start from has {wanted!r}: leave it out"
            )
    model = dataclasses.replace(ours, **{name: getattr(theirs, name) for name in names})
    writes = config.reads_running_text
    # Of another direction the layers above the first have other shapes.
    if not model.direction and not writes and (theirs.bidirectional or theirs.num_layers > 1):
        direction = "both" if theirs.bidirectional else "forward"
        model = dataclasses.replace(model, direction=direction)
    kind = config.text.vocabulary or part.vocabulary.kind
    text = dataclasses.replace(config.text, vocabulary=kind)
    task = config.task
    if part.within and not writes and not task.kind:
        task = dataclasses.replace(task, kind="words")
    return dataclasses.replace(config, task=task, model=model, text=text)


class Taken(NamedTuple):
    """How much was taken over: tokens of the new vocabulary, and tensors of the recurrence."""

    tokens: int
    of_tokens: int
    tensors: int
    of_tensors: int
    source: str

    def summary(self) -> str:
        """In a sentence."""
        share = self.tokens / max(self.of_tokens, 1)
        return (
            f"{self.tokens:,} of {self.of_tokens:,} tokens ({share:.0%}) and {self.tensors} of "
            f"{self.of_tensors} tensors of the recurrence are those of the {self.source}"
        )


@torch.no_grad()
def take_over(source: Learner, task: Task) -> Taken:
    """Copy what fits: the rows of tokens that both know, and the recurrence.

    Of both directions where both models have them, else of the forward one. A token that is new begins as
    the mean of the known ones, with their spread around it. UsageError when the task reads no text, or in
    tokens of which the source knows none.
    """
    (theirs,) = source.pretrained_parts()
    parts = task.pretrained_parts()
    if not parts:
        raise UsageError(
            f"the model to {task.name} reads no text: a {source.title} gives it nothing"
        )
    found = Taken(0, 0, 0, 0, source.title)
    pairs = [(ours, theirs) for ours in parts]
    pairs += [pair for ours in parts for pair in zip(ours.within, theirs.within, strict=False)]
    for ours, theirs in pairs:
        shared = _shared(ours.vocabulary.tokens, theirs.vocabulary.tokens)
        if not set(shared.ours) - {ours.vocabulary.unk_id, ours.vocabulary.eos_id}:
            raise UsageError(
                f"the {source.title} to start from reads {theirs.vocabulary.kind} and knows none of these "
                f"{len(ours.vocabulary):,} {ours.vocabulary.kind}: leave text.vocabulary out, or --from"
            )
        for new, old in zip(ours.by_token, theirs.by_token, strict=False):
            if new.shape[1:] == old.shape[1:]:
                spread = old.std(0, correction=int(len(old) > 1))
                new.copy_(old.mean(0) + spread * torch.randn_like(new))
                new[shared.ours] = old[shared.theirs]
        copied, count = _copy_recurrence(ours.recurrent, theirs.recurrent)
        found = Taken(
            found.tokens + (len(shared.ours) if ours.by_token else 0),
            found.of_tokens + (len(ours.vocabulary) if ours.by_token else 0),
            found.tensors + copied, found.of_tensors + count, source.title,
        )  # fmt: skip
    return found


@torch.no_grad()
def take_vectors(path: str, task: Task) -> str:
    """Give words their pretrained vectors; a sentence of how many were found.

    UsageError when the task has no vocabulary of words, ConfigError when the sizes differ.
    """
    from sunhwan.text.vectors import read_vectors

    parts = [part for part in task.pretrained_parts() if part.vocabulary.kind == "words"]
    if not parts:
        raise UsageError(
            "--vectors gives vectors to words, and the model reads other tokens: set "
            "text.vocabulary to 'words'"
        )
    found = total = 0
    for part in parts:
        words = part.vocabulary.tokens
        vectors = read_vectors(Path(path), set(words))
        table = part.by_token[0]
        if vectors.values.shape[1] != table.shape[1]:
            raise ConfigError(
                f"the vectors of {path} have {vectors.values.shape[1]} numbers, but "
                f"model.embedding_size is {table.shape[1]}: set it to {vectors.values.shape[1]}"
            )
        shared = _shared(words, vectors.words)
        values = torch.from_numpy(vectors.values).to(table)
        # At the scale of fresh embeddings, which the layers above are made for.
        values = values * (table.std() / values.std().clamp(min=1e-12))
        table[shared.ours] = values[shared.theirs]
        found, total = found + len(shared.ours), total + len(words)
    return f"{found:,} of {total:,} words ({found / max(total, 1):.0%}) have vectors in {Path(path).name}"


class _Shared(NamedTuple):
    """The places of the tokens that two lists share, in each of them."""

    ours: list[int]
    theirs: list[int]


def _shared(ours: Sequence[str], theirs: Sequence[str]) -> _Shared:
    known = {token: i for i, token in enumerate(theirs)}
    here = [i for i, token in enumerate(ours) if token in known]
    return _Shared(here, [known[ours[i]] for i in here])


def _copy_recurrence(ours: Recurrent, theirs: Recurrent) -> tuple[int, int]:
    copied = count = 0
    both = ours.bidirectional and theirs.bidirectional
    known = theirs.stack if both else theirs.stack[:: theirs.directions]
    for place, layer in enumerate(ours.stack if both else ours.stack[:: ours.directions]):
        tensors = dict(layer.named_parameters())
        count += len(tensors)
        if place >= len(known) or type(layer.cell) is not type(known[place].cell):
            continue
        for name, tensor in known[place].named_parameters():
            if name in tensors and tensors[name].shape == tensor.shape:
                tensors[name].copy_(tensor)
                copied += 1
    return copied, count
