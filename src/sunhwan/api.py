"""Loading: a trained model is its task, `load(run).sample("…")`, `load(run).predict(["…"])`."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sunhwan.errors import StoreError, UsageError
from sunhwan.store import load_model
from sunhwan.tasks import LanguageModelTask, Task


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
