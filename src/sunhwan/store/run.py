"""Run folder: the files of a training run, and the lock that keeps it to one trainer.

config.toml  model/  checkpoints/  log.jsonl  samples.txt  loss.png  inspect/  pretraining/
"""

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import tomli_w
from filelock import FileLock, Timeout
from torch import Tensor

from sunhwan.atomic import reported, write_text
from sunhwan.config import Config, read_toml
from sunhwan.errors import ConfigError, StoreError, UsageError
from sunhwan.files import parse_json, read_plain
from sunhwan.store.migrations import CHECKPOINT, RUN, migrated, stamp, writer
from sunhwan.store.tensors import read_tensors, write_tensors

GENERATIONS = 2


class Run:
    """A folder with one training run in it. Use it as a context manager while training: it locks."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._lock = FileLock(self.folder / ".lock")

    @classmethod
    def create(cls, folder: Path, config: Config) -> Self:
        """Make a new run folder; UsageError when one is there already."""
        run = cls(folder)
        if run.config_file.exists():
            raise UsageError(
                f"{folder} already holds a run: continue it with `sunhwan resume {folder}` or choose "
                "another --out"
            )
        try:
            str(folder).encode("utf-8")
        except UnicodeEncodeError:
            raise UsageError(f"{str(folder)!r} is not UTF-8: choose another --out") from None
        if folder.exists() and not (
            folder.is_dir() and all(map(_left_by_a_crash, folder.iterdir()))
        ):
            raise UsageError(f"{folder} exists and is not an empty folder: choose another --out")
        try:
            run.checkpoint_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make {folder}: {error.strerror or error}") from None
        write_text(run.config_file, f"{tomli_w.dumps(stamp(RUN))}\n{config.to_toml()}")
        return run

    @classmethod
    def open(cls, folder: Path) -> Self:
        """An existing run folder; StoreError when there is none."""
        run = cls(folder)
        if not run.config_file.is_file():
            raise StoreError(f"{folder} is no run folder: it has no config.toml")
        return run

    @property
    def config_file(self) -> Path:
        return self.folder / "config.toml"

    @property
    def model_folder(self) -> Path:
        return self.folder / "model"

    @property
    def checkpoint_folder(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def log_file(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def samples_file(self) -> Path:
        return self.folder / "samples.txt"

    @property
    def report_folder(self) -> Path:
        """Where what was found inside the model is kept."""
        return self.folder / "inspect"

    @property
    def pretraining_folder(self) -> Path:
        """Where a language model is trained before the task, with a log and checkpoints of its own."""
        return self.folder / "pretraining"

    def inside(self, path: Path) -> Path:
        """The same path; FileNotFoundError where links lead it out of the run folder."""
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise FileNotFoundError(errno.ENOENT, "it lies outside the run folder", str(path))
        return path

    def config(self) -> Config:
        """The resolved configuration of the run, also of one that an older version made."""
        stamped, values = read_toml(self.config_file)
        values = migrated(RUN, stamped, values, self.config_file)
        try:
            return Config.from_dict(values, str(self.config_file), saved=True)
        except ConfigError as error:
            raise ConfigError(f"{error}{writer(stamped)}") from None

    def __enter__(self) -> Self:
        try:
            # A check of whether it is in training holds the lock for an instant.
            self._lock.acquire(timeout=0.5)
        except Timeout:
            raise StoreError(
                f"{self.folder} is in use by another trainer: wait for it or stop it"
            ) from None
        except OSError as error:
            raise StoreError(f"cannot lock {self.folder}: {error.strerror or error}") from None
        self._clean_up()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @property
    def in_training(self) -> bool:
        """Whether a trainer holds the run at this moment."""
        if not (self.folder / ".lock").exists():
            return False
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False

    # Logs

    def log(self, event: str, **values: Any) -> None:
        """Append one line to log.jsonl."""
        self._append(self.log_file, json.dumps({"event": event, **values}) + "\n")

    def add_sample(self, title: str, text: str) -> None:
        """Append one sample to samples.txt."""
        self._append(self.samples_file, f"── {title} ──\n{text}\n\n")

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of log.jsonl, up to one that is no event: the last may be cut off by a crash."""
        try:
            data = read_plain(self.log_file)
        except OSError:
            return
        for line in data.splitlines():
            event = event_of(line)
            if event is None:
                return
            yield event

    # Checkpoints

    def checkpoints(self) -> list[Path]:
        """The checkpoint files, newest first."""
        found = self.checkpoint_folder.glob("step-*.safetensors")
        steps = {path: re.fullmatch(r"step-(\d+)", path.stem) for path in found}
        return sorted((p for p, match in steps.items() if match), reverse=True)

    def _clean_up(self) -> None:
        """Remove what processes that were killed had begun to write; only under the lock."""
        for folder in (self.folder, self.checkpoint_folder):
            with contextlib.suppress(OSError):
                for path in folder.iterdir():
                    if re.fullmatch(r"\..+\.[0-9]+", path.name) and path.is_file():
                        path.unlink()

    def save_checkpoint(
        self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
    ) -> None:
        """Write one generation and drop those beyond the newest two.

        The logs' lengths are part of it: resuming cuts them back to where the checkpoint was.
        """
        lengths = {path.name: self._synced_length(path) for path in self._logs}
        path = self.checkpoint_folder / f"step-{step:012d}.safetensors"
        stamped = stamp(CHECKPOINT) | {**state, "step": step, "lengths": lengths}
        write_tensors(path, tensors, stamped)
        with reported(self.checkpoint_folder):
            for old in self.checkpoints()[GENERATIONS:]:
                old.unlink(missing_ok=True)

    def load_checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any], list[str]]:
        """The newest sound checkpoint: tensors, state, and a sentence for each damaged one skipped.

        StoreError where none is sound, or the newest is of a later version.
        """
        skipped = []
        for path in self.checkpoints():
            try:
                tensors, state = read_tensors(path)
            except StoreError as error:
                skipped.append(str(error))
                continue
            content = {"tensors": tensors, "state": state}
            content = migrated(CHECKPOINT, state, content, path)
            return content["tensors"], content["state"], skipped
        if skipped:
            raise StoreError(f"no checkpoint in {self.folder} can be read: {skipped[0]}")
        return {}, {}, []

    def rewind_logs(self, lengths: Mapping[str, int]) -> None:
        """Cut the logs back to the lengths they had at a checkpoint (0 where it knows none)."""
        with reported(self.folder):
            for path in self._logs:
                if path.exists():
                    os.truncate(path, min(lengths.get(path.name, 0), path.stat().st_size))
            for path in self.checkpoint_folder.glob(".*"):
                path.unlink()

    @property
    def _logs(self) -> tuple[Path, Path]:
        return self.log_file, self.samples_file

    @staticmethod
    def _append(path: Path, text: str) -> None:
        try:
            with path.open("ab") as file:
                file.write(text.encode("utf-8", "replace"))
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from None

    @staticmethod
    def _synced_length(path: Path) -> int:
        if not path.exists():
            return 0
        with reported(path), path.open("rb") as file:
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_size


def event_of(line: bytes) -> dict[str, Any] | None:
    """A line of log.jsonl; None where it is no object with the name of an event."""
    try:
        event = parse_json(line)
    except ValueError:
        return None
    named = isinstance(event, dict) and isinstance(event.get("event"), str)
    return event if named else None


def has_numbers(event: Mapping[str, Any], *names: str) -> bool:
    """Whether an event holds numbers of these names: a log may be cut, or made by others."""
    return all(type(event.get(name)) in (int, float) for name in names)


def _left_by_a_crash(path: Path) -> bool:
    """Whether this is what a run that died before its config.toml was written leaves behind."""
    return path.name.startswith((".lock", ".config.toml.")) or (
        path.name == "checkpoints" and path.is_dir() and not any(path.iterdir())
    )
