"""Measures of trained runs on the same rows: figures, their spread over seeds, paired intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunhwan.config import Config
from sunhwan.errors import DataError, StoreError, UsageError
from sunhwan.store import Run, load_model
from sunhwan.store.run import has_numbers
from sunhwan.tasks import TASKS, Prepared, Task

LEAST_PIECES = 10
"""Of the rows measured, for an interval to say anything."""
RESAMPLES = 2_000


class Measured(NamedTuple):
    """A variant: the figures of its runs, and how far its loss lies behind the best one's.

    figures: name → one a seed. curves: (seconds, loss of validation) of each seed. losses: nats and
    tokens (or examples) of each piece of the rows, (pieces, 2), the mean over the seeds. difference: of
    the loss to that of the first, with the bounds of the paired bootstrap's 95 % interval; None: not
    known.
    """

    name: str
    runs: Sequence[Path]
    parameters: int
    figures: Mapping[str, Sequence[float]]
    rank: float
    steps: float
    seconds: float
    tokens_per_second: float
    curves: Sequence[Sequence[tuple[float, float]]]
    losses: NDArray[np.float64]
    rows: str
    difference: tuple[float, float, float] | None = None

    def mean(self, figure: str) -> float:
        """The mean of a figure over the seeds."""
        return fmean(self.figures[figure])

    def spread(self, figure: str) -> float | None:
        """The standard deviation of a figure over the seeds; None of one seed."""
        values = self.figures[figure]
        return stdev(values) if len(values) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        """The variant as plain values, ready for JSON."""
        return {
            "name": self.name,
            "runs": [str(run) for run in self.runs],
            "parameters": self.parameters,
            "figures": {name: list(values) for name, values in self.figures.items()},
            "mean": {name: self.mean(name) for name in self.figures},
            "standard_deviation": {name: self.spread(name) for name in self.figures},
            "steps": self.steps,
            "seconds": self.seconds,
            "tokens_per_second": self.tokens_per_second,
            "difference": None
            if self.difference is None
            else dict(zip(("loss", "low", "high"), self.difference, strict=True)),
        }


def compare_runs(runs: Mapping[str, Sequence[Path]], test: str = "") -> list[Measured]:
    """Measure runs, by the name of their variant, and rank the variants, the best first.

    test: a file with right answers (a text, of language models), the same for all; "": what each run
    validates on, on which its kept model was chosen too, or where that is nothing, what it learned.

    Raises UsageError for runs of different tasks.
    """
    held_out: dict[Any, Any] = {}
    return ranked([_measured(name, folders, test, held_out) for name, folders in runs.items()])


def ranked(found: Sequence[Measured]) -> list[Measured]:
    """The variants, the best first, each with its difference to that one where rows are the same."""
    first, *others = sorted(found, key=lambda measured: measured.rank)
    return [first, *(_beside(first, other) for other in others)]


def _measured(name: str, folders: Sequence[Path], test: str, held_out: dict[Any, Any]) -> Measured:
    scores, losses, digests = [], [], []
    for folder in folders:
        task = load_model(folder).task
        kind = held_out.setdefault("task", task.name)
        if task.name != kind:
            raise UsageError(f"{folder} is of the task {task.name}, others are of {kind}")
        data = _rows(folder, task, test, held_out)
        found = task.evaluate_data(data)
        scores.append(found)
        losses.append(task.piece_losses(data))
        digests.append(f"{task.preprocessing()}{task.digest(data)}")
    figures = [
        {key: value for key, value in found.to_dict().items() if isinstance(value, float)}
        for found in scores
    ]
    shared = [key for key in figures[0] if all(key in one for one in figures)]
    events = [list(Run(folder).events()) for folder in folders]
    steps = [e for run in events for e in run if has_numbers(e, "tokens_per_second")]
    return Measured(
        name=name,
        runs=tuple(folders),
        parameters=sum(p.numel() for p in task.model.parameters()),
        figures={key: [one[key] for one in figures] for key in shared},
        rank=fmean(found.rank for found in scores),
        steps=fmean(_last(run, "step") for run in events),
        seconds=fmean(_last(run, "seconds") for run in events),
        tokens_per_second=median([float(e["tokens_per_second"]) for e in steps] or [0.0]),
        curves=[_curve(run) for run in events],
        losses=np.mean(losses, 0),
        rows=digests[0] if len(set(digests)) == 1 else "",
    )


def _rows(folder: Path, task: Task, test: str, held_out: dict[Any, Any]) -> Any:
    """The rows on which a run is measured; read once where runs read the same."""
    if test:
        key: Any = repr(task.fingerprint())
        if key not in held_out:
            held_out[key] = task.read(Path(test))
        return held_out[key]
    config = Run.open(folder).config()
    key = (config.task, config.text, config.data)
    if key not in held_out:
        try:
            prepared = TASKS[config.task.name].prepare(_fresh(config))
        except DataError as error:
            raise DataError(
                f"{folder} cannot be measured on its validation rows: {error}"
            ) from None
        held_out[key] = measured_part(prepared), prepared.task.fingerprint()
    data, fingerprint = held_out[key]
    if fingerprint != task.fingerprint():
        raise StoreError(
            f"{', '.join(config.sources)} is not what {folder} was trained on: bring it back as it was, "
            "or give --test FILE"
        )
    return data


def measured_part(prepared: Prepared) -> Any:
    """The validation rows; the training text where it is memorised and has no held-out part."""
    return prepared.train if prepared.validation is None else prepared.validation


def _fresh(config: Config) -> Config:
    return config.override({"training.start_from": "", "text.vectors": ""})


def _last(events: Sequence[Mapping[str, Any]], key: str) -> float:
    return max((float(event[key]) for event in events if has_numbers(event, key)), default=0.0)


def _curve(events: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    return [
        (float(event["seconds"]), float(event["loss"]))
        for event in events
        if event["event"] == "validation" and has_numbers(event, "seconds", "loss")
    ]


def _beside(first: Measured, other: Measured) -> Measured:
    same = first.rows and first.rows == other.rows and len(first.losses) >= LEAST_PIECES
    if not same:
        return other
    return other._replace(difference=paired_difference(first.losses, other.losses))


def paired_difference(
    first: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[float, float, float]:
    """The second loss less the first, and the bounds of its 95 % interval by the paired bootstrap.

    first, other: nats and counts of the same pieces, (pieces, 2). Pieces are drawn with replacement,
    the same for both (percentile interval; Efron 1979).
    """
    nats, counts = other[:, 0] - first[:, 0], first[:, 1]
    pieces = len(nats)
    drawn = np.random.default_rng(1).multinomial(pieces, [1 / pieces] * pieces, RESAMPLES)
    low, high = np.quantile((drawn @ nats) / (drawn @ counts), (0.025, 0.975))
    return float(nats.sum() / counts.sum()), float(low), float(high)
