"""Memory of a cell, measured: networks trained from scratch at ever longer delays.

A point is one cell on one task at one delay. Every point is trained in the same way, and depends on
its settings and nothing else, neither on the order in which points are measured nor on those before.

What is measured is what a cell *learns* to remember within a budget of training steps. With a larger
budget, more hidden units or luckier seeds a horizon can only move out: it is a lower bound.
"""

import hashlib
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock, Timeout
from torch import Generator, Tensor, nn

from sunhwan.cells import get_cell
from sunhwan.cells.initial import STARTS
from sunhwan.errors import ConfigError, StoreError, UsageError, did_you_mean
from sunhwan.files import read_json
from sunhwan.lab.tasks import MemoryTask, get_task
from sunhwan.layers import Recurrent
from sunhwan.store import write_text

DELAYS = (5, 10, 20, 50, 100, 200, 500)

LEARNING_RATES = (3e-3, 1e-3)
"""Tried in turn until one solves the task: no single rate serves every cell."""

CLIP_NORM = 1.0

CHECK_EVERY = 25
"""Training steps between two looks at fresh sequences."""

ROWS = 256
"""Sequences of one look. A score is the mean of `LOOKS` of them, also drawn afresh: so a first look
that was good by luck does not count (an accuracy of 0.95 has then a standard error of 0.007)."""

LOOKS = 4

PATIENCE = 2
"""A cell stops at so many failures in a row: one alone may be an unlucky start."""


@dataclass(frozen=True)
class Settings:
    """How every network is trained: points under other settings cannot be compared.

    hidden_size: H. steps: budget of training steps at each learning rate; a network that has solved
    its task stops before. batch_size: N. seed: of weights and of all sequences. start: how W_h begins
    (`sunhwan.cells.initial.STARTS`); "": as the cell's literature says.
    """

    hidden_size: int = 32
    steps: int = 1000
    batch_size: int = 32
    seed: int = 1
    start: str = ""

    def __post_init__(self) -> None:
        for name, high in (("hidden_size", 65_536), ("steps", 10**9), ("batch_size", 65_536)):
            if not 1 <= getattr(self, name) <= high:
                raise ConfigError(
                    f"the {name.replace('_', ' ')} must be between 1 and {high:,}, "
                    f"not {getattr(self, name)}"
                )
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"the seed must be between 0 and 2^63 - 1, not {self.seed}")
        if self.start not in ("", *STARTS):
            raise ConfigError(
                f"there is no start {self.start!r}{did_you_mean(self.start, STARTS)}: choose from "
                f"{', '.join(STARTS)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """All that a point depends on, the constants of this module too, ready for JSON."""
        own = asdict(self)
        if not self.start:
            del own["start"]
        return own | {
            "optimizer": "adam",
            "learning_rates": list(LEARNING_RATES),
            "clip_norm": CLIP_NORM,
            "check_every": CHECK_EVERY,
        }


@dataclass(frozen=True)
class Point:
    """One cell on one task at one delay.

    score: the task's own measure on fresh sequences; of the learning rates tried, the best one's.
    None where the outputs were not finite. steps, learning_rate: of the network that has this
    score. diverged: its gradient became infinite or NaN, which ends a training. seconds: of all.
    """

    task: str
    cell: str
    delay: int
    score: float | None
    solved: bool
    steps: int
    learning_rate: float
    diverged: bool
    seconds: float

    @property
    def key(self) -> tuple[str, str, int]:
        """Identity of the point: task, cell and delay."""
        return self.task, self.cell, self.delay

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Horizon:
    """The longest delay that a cell solved on a task; 0 where it solved none.

    failed: the shortest of the longer delays that were tried; None where no longer one was, so that
    the list of delays and not the cell set the bound.
    """

    task: str
    cell: str
    delay: int
    failed: int | None

    @property
    def bounded(self) -> bool:
        """Whether the list of delays ended before the cell's memory did."""
        return self.failed is None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self) | {"bounded": self.bounded}


class Watcher:
    """Who watches a measurement. This one says nothing; a display overrides what it shows."""

    def stepped(
        self, cell: str, task: MemoryTask, learning_rate: float, step: int, score: float | None
    ) -> None:
        """A training step was made; score: of the last look at fresh sequences."""

    def measured(self, point: Point, fresh: bool) -> None:
        """A point is there; fresh: it was trained now, not read from the results."""


class MemoryNetwork(nn.Module):
    """A cell over time and a linear read-out: (N, T, D) → (N, A, O) at the last A steps."""

    def __init__(self, cell: str, task: MemoryTask, hidden_size: int, start: str = "") -> None:
        super().__init__()
        self.answers = task.answers
        self.recurrent = Recurrent(cell, task.input_size, hidden_size, start=start)
        self.readout = nn.Linear(self.recurrent.output_size, task.output_size)

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.recurrent(x)
        outputs: Tensor = self.readout(output[:, -self.answers :])
        return outputs


def train(cell: str, task: MemoryTask, settings: Settings, watcher: Watcher | None = None) -> Point:
    """Train a network from scratch at each learning rate until one solves the task → its point.

    Adam (Kingma and Ba 2015) on cross-entropy or squared error, the gradient's norm limited
    (Pascanu et al. 2013), the whole sequence backward. The sequences are the same for all cells.
    """
    started = time.perf_counter()
    best: _Attempt | None = None
    for learning_rate in LEARNING_RATES:
        attempt = _attempt(cell, task, settings, learning_rate, watcher or Watcher())
        if best is None or _better(task, attempt.score, best.score):
            best = attempt
        if task.solved(best.score):
            break
    assert best is not None
    return Point(
        task.name,
        cell,
        task.delay,
        best.score if math.isfinite(best.score) else None,
        task.solved(best.score),
        best.steps,
        best.learning_rate,
        best.diverged,
        round(time.perf_counter() - started, 3),
    )


def climb(
    cell: str,
    task: str,
    delays: Iterable[int],
    settings: Settings,
    known: Iterable[Point] = (),
    watcher: Watcher | None = None,
) -> Iterator[Point]:
    """The points of a cell at rising delays, until `PATIENCE` of them in a row are not solved.

    What is among the known points is not trained again.
    """
    watcher = watcher or Watcher()
    found = {point.key: point for point in known}
    failures = 0
    for delay in sorted(set(delays)):
        old = found.get((task, cell, delay))
        point = old or train(cell, get_task(task, delay), settings, watcher)
        watcher.measured(point, fresh=old is None)
        yield point
        failures = 0 if point.solved else failures + 1
        if failures == PATIENCE:
            return


def horizon(points: Sequence[Point]) -> Horizon:
    """The horizon in the points of one cell on one task, of which there is at least one."""
    solved = max((point.delay for point in points if point.solved), default=0)
    failed = min((point.delay for point in points if point.delay > solved), default=None)
    return Horizon(points[0].task, points[0].cell, solved, failed)


def horizons(points: Iterable[Point]) -> list[Horizon]:
    """One horizon for each cell and task, in the order in which they first appear."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.task, point.cell), []).append(point)
    return [horizon(group) for group in groups.values()]


def measure(
    cells: Sequence[str],
    tasks: Sequence[str],
    delays: Sequence[int],
    settings: Settings,
    folder: Path,
    watcher: Watcher | None = None,
) -> list[Point]:
    """Climb with every cell on every task; results.json in the folder has each point at once.

    A measurement that was stopped continues with the next call, and more cells, tasks and delays
    can join. ConfigError for names and delays that are not usable, UsageError for a folder with
    points of other settings, both before anything is trained; StoreError when it cannot be written
    or another process is measuring into it.
    """
    for cell in cells:
        has_W_h = bool(get_cell(cell).gates_of_W_h)
        if settings.start and not has_W_h:
            raise ConfigError(f"the start says how W_h begins, and {cell} has none: leave it out")
    for task in tasks:
        for delay in delays:
            get_task(task, delay)
    with _locked(folder):
        points = {point.key: point for point in read_points(folder, settings)}
        for task in tasks:
            for cell in cells:
                for point in climb(cell, task, delays, settings, points.values(), watcher):
                    if point.key not in points:
                        points[point.key] = point
                        _write(folder, settings, points.values())
    return sorted(points.values(), key=lambda p: (p.task, p.cell, p.delay))


def read_points(folder: Path, settings: Settings) -> list[Point]:
    """The points of an earlier measurement; none where there was none.

    UsageError when they were measured under other settings.
    """
    path = folder / "results.json"
    try:
        values = read_json(path)
        before = dict(values["settings"])
        points = [Point(**point) for point in values["points"]]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError):
        raise StoreError(f"{path} is no file of results: move it or choose another --out") from None
    now = settings.to_dict()
    other = [key for key in now | before if now.get(key) != before.get(key)]
    if other:
        said = ", ".join(f"{key} {before.get(key)} and not {now.get(key)}" for key in other)
        raise UsageError(f"{path} was measured with other settings ({said}): choose another --out")
    return points


class _Attempt(NamedTuple):
    """A network at one learning rate; score may be infinite or NaN."""

    learning_rate: float
    score: float
    steps: int
    diverged: bool


def _attempt(
    cell: str, task: MemoryTask, settings: Settings, learning_rate: float, watcher: Watcher
) -> _Attempt:
    training = _generator("training", task, settings)
    testing = _generator("testing", task, settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = MemoryNetwork(cell, task, settings.hidden_size, settings.start)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    score = None
    for step in range(1, settings.steps + 1):
        batch = task.draw(settings.batch_size, training)
        optimizer.zero_grad()
        loss = task.loss(network(batch.inputs), batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
        if not math.isfinite(norm):
            return _Attempt(learning_rate, _score(network, task, testing), step, True)
        optimizer.step()
        if step % CHECK_EVERY == 0:
            score = _look(network, task, testing)
            if task.solved(score) and task.solved(score := _score(network, task, testing)):
                return _Attempt(learning_rate, score, step, False)
        watcher.stepped(cell, task, learning_rate, step, score)
    return _Attempt(learning_rate, _score(network, task, testing), settings.steps, False)


@torch.no_grad()
def _look(network: MemoryNetwork, task: MemoryTask, testing: Generator) -> float:
    batch = task.draw(ROWS, testing)
    return task.score(network(batch.inputs), batch.targets)


def _score(network: MemoryNetwork, task: MemoryTask, testing: Generator) -> float:
    return sum(_look(network, task, testing) for _ in range(LOOKS)) / LOOKS


def _better(task: MemoryTask, score: float, than: float) -> bool:
    """Whether a score is the nearer one to solving the task; any is nearer than NaN."""
    if math.isnan(score) or math.isnan(than):
        return math.isnan(than)
    return score > than if task.threshold > task.chance else score < than


def _generator(purpose: str, task: MemoryTask, settings: Settings) -> Generator:
    """A stream of random numbers of its own for each purpose, task and delay."""
    name = f"{settings.seed} {purpose} {task.name} {task.delay}"
    digest = hashlib.sha256(name.encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


def _write(folder: Path, settings: Settings, points: Iterable[Point]) -> None:
    points = list(points)
    values = {
        "settings": settings.to_dict(),
        "horizons": [one.to_dict() for one in horizons(points)],
        "points": [point.to_dict() for point in points],
    }
    write_text(folder / "results.json", json.dumps(values, indent=1) + "\n")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep a folder of results to one process; made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise StoreError(
            f"another process is measuring into {folder}: wait for it or choose another --out"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot make {folder}: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()
