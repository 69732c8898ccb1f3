"""Forecasters as a page: numbers are pasted, the future is drawn."""

from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sunhwan.data import Series
from sunhwan.data.clock import Clock
from sunhwan.data.series_steps import MOST_EMPTY
from sunhwan.data.windows import DRAWN
from sunhwan.errors import ConfigError, listed
from sunhwan.exporting.html.encoder_parts import PageParts
from sunhwan.exporting.html.page_parts import Answering
from sunhwan.exporting.predictor_checks import in_precision_of
from sunhwan.models.forecaster import QUANTILES, Forecaster
from sunhwan.models.inputs import FrameInput
from sunhwan.tasks.forecast.task import Forecast

OUTPUTS = """
q => q.series.flatMap(values => {
  const { scaled, quantiles } = forecast(values.map(v => v ?? NaN), q.first);
  return [...scaled.flat(), ...quantiles.flat()];
})
"""


def forecast_page(task: Forecast) -> Answering:
    """A forecaster; ConfigError for one that reads more than the series and the dates, or of a clock that
    changes."""
    beside = task.layout.inputs + task.layout.future
    if beside:
        raise ConfigError(
            f"a page forecasts from pasted numbers, but the model reads {listed(beside)} beside them: "
            "export to ONNX"
        )
    if task.layout.zone:
        raise ConfigError(
            f"a page knows no changes of a clock, but the model's times are of {task.layout.zone}: export "
            "to ONNX"
        )
    if task.layout.cycles and not _dated(task):
        raise ConfigError(
            f"a page cannot tell where in the {listed(task.layout.cycles)} a step lies, for the calendar "
            "is not kept with the model: train it anew"
        )
    asked = _series(task)
    questions = [
        {
            "series": [[None if v != v else v for v in column] for column in one.values.T.tolist()],
            "first": one.clock.first,
        }
        for one in asked
    ]
    return Answering(
        engine=("forecaster.js",),
        body="forecast.html",
        scripts=("shell.js", "forecast.js"),
        facts=partial(_facts, task),
        questions=questions,
        outputs=OUTPUTS,
        wanted=partial(_wanted, task, asked),
    )


def _dated(task: Forecast) -> bool:
    calendar = task.layout.calendar
    return calendar is not None and calendar.unit in ("months", "time")


def _facts(task: Forecast, parts: PageParts, model: Any) -> dict[str, Any]:
    assert isinstance(model, Forecaster)
    assert isinstance(model.encoder.inputs, FrameInput)
    layout, settings = task.layout, task.settings
    return {
        "season": settings.season,
        "horizon": settings.horizon,
        "context": settings.context,
        "drawn": DRAWN * layout.drawn,
        "columns": list(layout.targets),
        "longer": list(layout.longer),
        "gaps": layout.gaps,
        "words": sum(len(words) for _, words in layout.static),
        "cycles": list(layout.cycles),
        "calendar": asdict(layout.calendar) if _dated(task) and layout.calendar else None,
        "empty": MOST_EMPTY,
        "quantiles": list(QUANTILES),
        "spread": model.spread.tolist() if model.calibrated else None,
        "inputs": parts.linear("frames", model.encoder.inputs.linear),
        "stack": parts.stack(model.encoder.recurrent),
        "output": parts.linear("output", model.output),
    }


def _series(task: Forecast) -> list[Series]:
    """Series of small numbers on the model's calendar, short ones and long ones, with gaps and without."""
    draw, layout, m = np.random.default_rng(1), task.layout, task.season
    names = layout.targets or ("1",)
    found = []
    for T in (m + 1, 2 * m + 3, m + task.settings.context + 3, 4 * m + 2 * task.settings.context):
        steps = np.arange(T)[:, None]
        values = np.sin(2 * np.pi * steps / max(m, 2)) + np.cumsum(
            draw.normal(0, 0.1, (T, len(names))), 0
        )
        values -= values.min() * (T % 2)
        times = tuple(map(str, range(T)))
        series = Series("random numbers", times, names, values, "")
        if _dated(task) and layout.calendar is not None:
            clock = Clock("date", layout.calendar, str, 5, T)
            series = replace(series, clock=clock)
            if 2 * m < T:
                values[m + 1 :: 5] = np.nan
        found.append(series)
    return found


@torch.no_grad()
def _wanted(task: Forecast, asked: list[Series], model: nn.Module) -> NDArray[Any]:
    """Quantiles of the network, scaled, and in the unit of the series."""
    found = []
    for series in asked:
        for window in task.asked(replace(series, values=series.values.copy())):
            inputs = in_precision_of(model, task.collate([window]).inputs)
            scaled = model(inputs).double().numpy()
            _, repeated, scale = window.stretch(task.season)
            placed, _ = task._placed([window], scaled, repeated[None], np.array([scale]))
            found += [scaled.ravel(), placed.ravel()]
    return np.concatenate(found)
