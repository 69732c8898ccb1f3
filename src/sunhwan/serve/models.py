"""The models that are served: each a run folder, in which a newer one may appear."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch

from sunhwan.cells import CELLS
from sunhwan.errors import StoreError, SunhwanError, UsageError
from sunhwan.generation import stepper_for
from sunhwan.layers import Recurrent
from sunhwan.serve.batching import Batcher
from sunhwan.serve.limits import Limits
from sunhwan.serve.refusals import RefusedError
from sunhwan.serve.sessions import Sessions
from sunhwan.store import load_model
from sunhwan.tasks import Task
from sunhwan.text import Vocabulary

LOOK_EVERY = 2.0
"""Seconds between two looks whether there is a newer model."""

Value = TypeVar("Value")


class Loaded:
    """A model as it was when it was read; a request that began with it ends with it.

    `apart` is for all that goes through PyTorch, one thing after another: looking inside changes
    the model for the moment. Texts are written beside it.
    """

    def __init__(self, task: Task, precision: str, limits: Limits) -> None:
        self.task, self.created = task, int(time.time())
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, "model")
        self.batcher: Batcher | None = None
        self.sessions = Sessions(limits.sessions)
        self.language = task.as_language_model()
        if self.language:
            self.batcher = Batcher(
                stepper_for(
                    self.language.model, precision, self._lock, line_break=self.language.line_break
                )
            )

    async def apart(self, work: Callable[[], Value]) -> Value:
        """Do this in the model's own thread; given up where it has not begun when the client leaves."""

        def locked() -> Value:
            with self._lock:
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._executor, locked)

    def writing(self) -> tuple[Batcher, Vocabulary]:
        """What a language model writes with; refused for another."""
        if self.batcher is None or self.language is None:
            raise RefusedError(
                422,
                f"this is a {self.task.title}: ask it through /api/predict",
                param="model",
            )
        return self.batcher, self.language.vocabulary

    def answering(self) -> Task:
        """What answers questions; refused for a language model."""
        if self.language:
            raise RefusedError(
                422,
                f"this is a {self.task.title}: let it write through /v1/completions",
                param="model",
            )
        return self.task

    @cached_property
    def stacks(self) -> list[dict[str, Any]]:
        """The recurrent stacks that can be looked into, with their layers."""
        from sunhwan.inspection.subjects import text_subject_of

        try:
            stacks = text_subject_of(self.task).recurrents
        except UsageError:
            return []
        return [{"name": name, "layers": _layers(stack)} for name, stack in stacks.items()]


@torch.no_grad()
def _layers(stack: Recurrent) -> list[dict[str, Any]]:
    """What can be asked of each layer and direction, by reading one step of zeros."""
    x = torch.zeros(1, 1, stack.input_size).to(stack.stack[0].W_x)
    return [
        {
            "index": place,
            "cell": next((n for n, cell in CELLS.items() if cell == layer.cell), "own"),
            "hidden_size": layer.hidden_size,
            "direction": ("forward", "backward")[place % stack.directions],
            "values": list(values),
        }
        for place, (layer, values) in enumerate(
            zip(stack.stack, stack.trace(x).layers, strict=True)
        )
    ]


class Served:
    """A run folder, or a model folder; perhaps one that is still in training.

    The newest model is read when it is asked for, at most every `LOOK_EVERY` seconds. While it
    is read, all others get the one before it.
    UsageError where the model that is there cannot be had in the precision.
    """

    def __init__(self, name: str, folder: Path, precision: str, limits: Limits) -> None:
        self.name, self.folder = name, folder
        self._precision, self._limits = precision, limits
        self._lock = threading.Lock()  # never held while files are read
        self._looking = threading.Lock()  # by the one who reads them
        self._looked, self._seen = -LOOK_EVERY, None
        self._loaded: Loaded | None = None
        self._reason = "the model was not read yet"

    @property
    def is_run(self) -> bool:
        """Whether the folder is a run, with a log."""
        return (self.folder / "config.toml").exists()

    def look(self) -> tuple[Loaded | None, str]:
        """The newest model that could be read, or why there is none. Reads files: not for the loop."""
        if self._is_due():
            try:
                seen = self._stamp()
                if seen is None or seen != self._seen:
                    self._read()
                    self._seen = seen
            finally:
                self._looking.release()
        with self._lock:
            return self._loaded, self._reason

    def loaded(self) -> Loaded:
        """The same; StoreError where there is no model."""
        found, reason = self.look()
        if found is None:
            raise StoreError(reason)
        return found

    def close(self) -> None:
        """Wait until the thread that writes has ended."""
        if self._loaded is not None and self._loaded.batcher is not None:
            self._loaded.batcher.close()

    def _read(self) -> None:
        try:
            task = load_model(self.folder).task
        except SunhwanError as error:
            with self._lock:
                self._reason = str(error)
            return
        loaded = Loaded(task, self._precision, self._limits)
        with self._lock:
            self._loaded, self._reason = loaded, ""

    def _is_due(self) -> bool:
        """Whether it is for this caller to look for a newer model: one does, the others go on."""
        if not self._looking.acquire(blocking=False):
            return False
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY:
            self._looking.release()
            return False
        self._looked = now
        return True

    def _stamp(self) -> Any:
        """What changes when another model is put in the folder's place."""
        folder = self.folder / "model" if self.is_run else self.folder
        try:
            told = (folder / "model.safetensors").stat()
        except OSError:
            return None
        return told.st_mtime_ns, told.st_size, told.st_ino


def served(
    folders: Iterable[Path], precision: str = "fp32", limits: Limits | None = None
) -> dict[str, Served]:
    """The models of these folders by name: the folder's, with -2 … where two have the same.

    StoreError for a folder that is neither a run nor a model.
    """
    limits = limits or Limits()
    found: dict[str, Served] = {}
    for folder in folders:
        if not folder.is_dir():
            raise StoreError(f"{folder} is no run or model folder: `sunhwan train` makes one")
        own = folder.resolve().name or "model"
        names = [own, *(f"{own}-{number}" for number in range(2, len(found) + 3))]
        name = next(name for name in names if name not in found)
        one = Served(name, folder, precision, limits)
        loaded, reason = one.look()
        if loaded is None and not one.is_run:
            raise StoreError(reason)
        found[name] = one
    return found
