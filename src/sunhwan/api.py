"""Load a trained model, which is its task: `load(run).sample("…")`, `load(run).predict(["…"])`."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sunhwan.data.corpus_files import corpus_files, size_of
from sunhwan.errors import StoreError, SunhwanError, UsageError
from sunhwan.store import Run, hub, load_model
from sunhwan.store.model import card, located_model
from sunhwan.tasks import Baselines, LanguageModelTask, Prepared, Review, Task


def load(run: str | Path, device: str = "cpu") -> Task:
    """Load the model of a run folder, or of a model folder, as its task.

    Every task has `predict`, `evaluate` and `review` (see `sunhwan.tasks.Task`), the language model
    `sample`, `stream` and `score` too. StoreError when the folder is missing or damaged.
    """
    return load_model(Path(run), device).task


def load_language(run: str | Path, device: str = "cpu") -> LanguageModelTask:
    """The same where only a language model will do: StoreError for one of another task."""
    task = load(run, device)
    language = task.as_language_model()
    if language is None:
        raise StoreError(
            f"{run} holds a {task.title}, not a language model: use `sunhwan {task.command}`"
        )
    return language


def push(run: str | Path, name: str, *, private: bool = False) -> str:
    """Send the model of a run folder or a model folder to USER/NAME on the Hugging Face Hub; its address.

    The model is loaded first, so that what is sent can be. UsageError or StoreError in one sentence.
    """
    task = load(run)
    tags = ["sunhwan", task.name.replace("_", "-"), *dict.fromkeys(task.config.model.cells)]
    folder = located_model(Path(run))
    return hub.push(folder, name, card(task, dict(task.training)), tags=tags, private=private)


def baselines(run: str | Path, task: Task, review: Review) -> Baselines | None:
    """Baselines: what simple methods, fitted to a run's training data, reach on the rows of a review.

    task, review: the run's model, and what its `review` gave. None where the task knows no such method.
    UsageError: the training data is not at hand, was changed since, or is large.
    """
    return task.baselines(learned_from(run, task).train, review.data, review.scores)


def learned_from(run: str | Path, task: Task) -> Prepared:
    """What a run was trained on, read again for baselines; UsageError where that cannot be."""
    if not (Path(run) / "config.toml").is_file():
        raise UsageError("no baselines: only a run folder tells what its model was trained on")
    learned = Run(Path(run))
    config = learned.config()
    try:
        size = size_of(corpus_files(config.sources, config.text.column))
    except SunhwanError:  # a built-in name of another task, or what is gone, as the reading says
        size = 0
    if size > LARGE:
        raise UsageError(
            f"no baselines: they would read the {size >> 20:,} MB of the training data again"
        )
    try:
        with torch.random.fork_rng(devices=[]):
            prepared = type(task).prepare(config)
    except SunhwanError as error:
        raise UsageError(f"no baselines: the training data cannot be read again: {error}") from None
    _, state, _ = learned.load_checkpoint()
    if state.get("data") != prepared.task.data_digest(prepared.train, prepared.validation):
        raise UsageError(
            "no baselines: the training data is not what it was when the model learned"
        )
    return prepared


LARGE = 2**26
"""Bytes of training data that an evaluation reads again."""


def embedding(run: str | Path) -> tuple[list[str], npt.NDArray[np.float32]]:
    """The printable tokens of a model that reads text, and the vector of each, (V, D).

    UsageError when the model reads no tokens through an embedding.
    """
    parts = load(run).pretrained_parts()
    if not parts:
        raise UsageError(f"{run} reads no tokens through an embedding: there is nothing to compare")
    vocabulary, table = parts[0].vocabulary, parts[0].by_token[0]
    return vocabulary.token_texts(range(len(vocabulary))), table.detach().float().cpu().numpy()


FORMER = {"Language": LanguageModelTask, "Predictor": Task}
"""What `load` returned before it returned the task itself."""


def __getattr__(name: str) -> Any:
    if name not in FORMER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    kind = FORMER[name]
    warnings.warn(
        f"sunhwan.{name} is deprecated: load(run) returns the task itself, a "
        f"sunhwan.tasks.{kind.__name__}",
        DeprecationWarning,
        stacklevel=2,
    )
    return kind
