"""Pictures of gradient flow and of gradient clipping."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sunhwan.inspection.measures.clipping import Clipping
from sunhwan.inspection.measures.gradient_flow import FORGOTTEN, Flow, FlowCurve
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures.style import PALETTE, name_decades, styled
from sunhwan.plots import ACCENT, INK, SOFT

FLOOR = 1e-6
"""Below this share of where it began a gradient is not drawn."""


@styled
def draw_flow(flows: Mapping[str, Flow], words: Phrases) -> Figure:
    """Draw the gradient's norm by lag, relative to lag 0, of one run or of several side by side.

    flows: by the name of the run, a column each, a row for each of its stacks. A curve a layer,
    direction and field of the state, its band the middle half of the windows; a tick on the line of
    1 % at the horizon.
    """
    stacks = {name: _by_stack(flow) for name, flow in flows.items()}
    rows = max(1, *map(len, stacks.values()))
    figure = Figure(figsize=(max(7.0, 3.6 * len(flows)), 0.4 + 3.2 * rows), layout="constrained")
    panels = figure.subplots(rows, len(flows), squeeze=False, sharex=True, sharey=True)
    for column, (name, found) in zip(panels.T, stacks.items(), strict=True):
        for axes in column[len(found) :]:
            axes.set_axis_off()
        for axes, (stack, curves) in zip(column, found.items(), strict=False):
            _draw_panel(axes, curves, words)
            title = [name if len(flows) > 1 else "", words.stack(stack)]
            axes.set_title(", ".join(part for part in title if part))
            axes.set_xlabel(words("flow.x"))
    for axes in panels[:, 0]:
        axes.set_ylabel(words("flow.y"))
    return figure


def _by_stack(flow: Flow) -> dict[str, list[FlowCurve]]:
    stacks: dict[str, list[FlowCurve]] = {}
    for curve in flow.curves:
        if curve.start:
            stacks.setdefault(curve.stack, []).append(curve)
    return stacks


def _draw_panel(axes: Axes, curves: Sequence[FlowCurve], words: Phrases) -> None:
    for colour, curve in zip(_colours(len(curves)), curves, strict=True):
        _draw_curve(axes, curve, colour, words)
    axes.axhline(FORGOTTEN, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.set_yscale("log")
    axes.set_ylim(bottom=max(FLOOR, axes.get_ylim()[0]))
    name_decades(axes)
    axes.legend(loc="lower left" if len(curves) < 5 else "best")


def _draw_curve(axes: Axes, curve: FlowCurve, colour: str, words: Phrases) -> None:
    lags = np.arange(known(curve))
    style = "--" if curve.direction == "backward" else "-"
    low, high = curve.low[: len(lags)] / curve.start, curve.high[: len(lags)] / curve.start
    axes.fill_between(lags, low, high, color=colour, alpha=0.15, linewidth=0)
    label = f"{words.place(curve, stack=False)}: {words.horizon(curve.horizon, len(lags) - 1)}"
    axes.plot(lags, relative(curve), style, color=colour, label=label)
    if curve.horizon is not None:
        axes.plot(curve.horizon, FORGOTTEN, "|", color=colour, markersize=12, markeredgewidth=2)


def known(curve: FlowCurve) -> int:
    """How many lags from 0 on are drawn: as far as a quarter of the windows or the horizon goes."""
    windows = (~np.isnan(curve.norms)).sum(0)
    enough = int((windows >= max(windows.max(initial=0) / 4, 1)).sum())
    return max(enough, 0 if curve.horizon is None else curve.horizon + 1)


def relative(curve: FlowCurve) -> npt.NDArray[np.float64]:
    """A curve's median as a share of its start, at the lags that are known; NaN before the start."""
    median = curve.median[: known(curve)]
    return np.where(np.cumsum(median) > 0, median, np.nan) / curve.start


def _colours(count: int) -> list[str]:
    return [PALETTE[number % len(PALETTE)] for number in range(count)]


@styled
def draw_clipping(clipping: Clipping, words: Phrases) -> Figure:
    """Draw the gradient's norm over training, the limit, and the share of steps that were clipped."""
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    norms, shares = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    norms.fill_between(
        clipping.ends, clipping.low, clipping.high, color=PALETTE[0], alpha=0.2, linewidth=0
    )
    norms.plot(clipping.ends, clipping.median, color=PALETTE[0])
    if clipping.limit is not None:
        norms.axhline(clipping.limit, color=ACCENT, linewidth=1)
        norms.annotate(
            words("clipping.limit", limit=f"{clipping.limit:g}"), (1, clipping.limit),
            xycoords=("axes fraction", "data"), xytext=(0, 3), textcoords="offset points",
            ha="right", color=ACCENT, fontsize=8,
        )  # fmt: skip
    norms.set_yscale("log")
    name_decades(norms)
    norms.set_ylabel(words("clipping.norm"))
    starts = np.concatenate([[0], clipping.ends[:-1]])
    shares.bar(
        starts,
        100 * clipping.share,
        width=clipping.ends - starts,
        align="edge",
        color=INK,
        alpha=0.6,
    )
    shares.set_ylim(0, 100)
    shares.set_yticks([0, 50, 100])
    shares.set_ylabel(words("clipping.share"))
    shares.set_xlabel(words("training.step"))
    return figure
