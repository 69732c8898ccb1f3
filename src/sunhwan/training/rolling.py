"""Rolling-origin cross-validation of forecasts: train before each origin, forecast what came after."""

import dataclasses
from pathlib import Path
from typing import Any

from sunhwan.config import Config
from sunhwan.errors import ConfigError
from sunhwan.store import load_model
from sunhwan.training.reporter import Reporter
from sunhwan.training.start import train


def rolling_origins(
    config: Config, out: Path | str, *, folds: int = 3, reporter: Reporter | None = None
) -> list[Any]:
    """Train `folds` forecasters, each on the steps before its origin, and compare.

    The origins lie a horizon apart, the last one a horizon before the end of each series. Nothing
    from an origin on is looked at in training, neither to validate nor to calibrate.

    Args:
        config: of the task forecast, with `task.horizon`; its sources are what is forecast.
        out: a folder for the runs, `origin-1`, `origin-2`, …
        reporter: what shows the progress of each.

    Returns:
        The figures of each origin, the oldest first.

    Raises:
        ConfigError: the task is another one, or its horizon is not set.
    """
    horizon = getattr(config.task, "horizon", 0)
    if not hasattr(config.task, "leave_out") or not horizon or folds < 1:
        raise ConfigError(
            "rolling origins are those of forecasts: set task.name to forecast and task.horizon to "
            "the steps ahead, and ask for one fold or more"
        )
    scores = []
    for fold in range(folds, 0, -1):
        task = dataclasses.replace(config.task, leave_out=fold * horizon)  # type: ignore[call-arg]
        own, folder = dataclasses.replace(config, task=task), f"origin-{folds - fold + 1}"
        run = train(own, Path(out) / folder, reporter=reporter).run
        forecaster: Any = load_model(Path(run)).task
        windows = [w for source in config.data.source for w in forecaster.read(Path(source))]
        ends = [w for w in windows if w.origin == len(w.track.values) - fold * horizon]
        scores.append(forecaster.evaluate_data(ends))
    return scores
