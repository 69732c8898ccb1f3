"""Pictures of traces: heat maps of units, curves, and attention weights."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sunhwan.inspection.measures.traces import Trace
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures.style import DIVERGING, PALETTE, SEQUENTIAL, shown, styled
from sunhwan.plots import ACCENT, SOFT

NAMED = 110
"""At most so many steps are named one by one."""


class Curve(NamedTuple):
    """A unit's value at each step of a passage, (T), and what to call it."""

    label: str
    values: npt.NDArray[np.float64]


@styled
def draw_trace(trace: Trace, words: Phrases) -> Figure:
    """Draw all units by all steps, a panel for each field of the state and each gate.

    Units are in the order of their keeping gate's mean, the most open at the top, and marked at the
    left where it stays open.
    """
    H = max(values.shape[1] for values in trace.values.values())
    order = np.arange(H)
    if trace.keep in trace.values:
        order = np.argsort(-trace.values[trace.keep].mean(0), kind="stable")
    T = len(trace.pieces)
    figure = Figure(figsize=(_width(T), 0.5 + 1.2 * len(trace.values)), layout="constrained")
    panels = figure.subplots(len(trace.values), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(panels, trace.values.items(), strict=True):
        own = values[:, order] if values.shape[1] == H else values
        low, high, colours = _scale(own)
        image = axes.imshow(
            own.T, aspect="auto", cmap=colours, vmin=low, vmax=high, interpolation="nearest"
        )
        bar = figure.colorbar(image, cax=axes.inset_axes((1.012, 0.0, 0.012, 1.0)))
        bar.outline.set_visible(False)
        keeps = f" ({words('traces.keeps')})" if name == trace.keep else ""
        axes.set_ylabel(name + keeps)
        axes.set_yticks([0, own.shape[1] - 1], ["1", f"{own.shape[1]:,}"])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        if values.shape[1] == H and trace.open:
            rows = np.flatnonzero(np.isin(order, trace.open))
            axes.plot(
                np.full(len(rows), -0.75), rows, "_", color=ACCENT, markersize=6, clip_on=False
            )
            axes.set_xlim(-0.75, T - 0.5)
    _name_steps(panels[-1], trace.pieces)
    return figure


@styled
def draw_curves(pieces: Sequence[str], curves: Sequence[Curve], words: Phrases) -> Figure:
    """Draw single units along a text, one above the other."""
    figure = Figure(figsize=(_width(len(pieces)), 0.4 + 0.95 * len(curves)), layout="constrained")
    panels = figure.subplots(len(curves), 1, sharex=True, squeeze=False)[:, 0]
    for number, (axes, curve) in enumerate(zip(panels, curves, strict=True)):
        colour = PALETTE[number % len(PALETTE)]
        steps = np.arange(len(curve.values))
        axes.axhline(0, color=SOFT, linewidth=0.6, zorder=0)
        axes.fill_between(steps, curve.values, step="mid", color=colour, alpha=0.25, linewidth=0)
        axes.step(steps, curve.values, where="mid", color=colour)
        axes.set_title(curve.label)
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.5, len(pieces) - 0.5)
    _name_steps(panels[-1], pieces)
    return figure


@styled
def draw_looks(
    source: Sequence[str], target: Sequence[str], weights: npt.NDArray[np.float64], words: Phrases
) -> Figure:
    """Draw how much each token of an answer (row) looked at each step of the question (column).

    weights: (target, source), each row of sum 1.
    """
    figure = Figure(
        figsize=(min(2.5 + 0.3 * len(source), 14), min(1.5 + 0.25 * len(target), 14)),
        layout="constrained",
    )
    axes = figure.subplots()
    axes.imshow(weights, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto")
    _name_steps(axes, source)
    axes.set_yticks(range(len(target)), [shown(piece) for piece in target])
    axes.set_xlabel(words("looks.source"))
    axes.set_ylabel(words("looks.target"))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def _width(steps: int) -> float:
    return float(np.clip(1.6 + 0.08 * steps, 6, 9.6))


def _scale(values: npt.NDArray[np.float64]) -> tuple[float, float, str]:
    """Gates from 0 to 1; else about 0, as far as all but the most extreme values reach."""
    if values.min(initial=0.0) >= 0 and values.max(initial=0.0) <= 1:
        return 0.0, 1.0, SEQUENTIAL
    reach = max(float(np.quantile(np.abs(values), 0.98)), 1e-6)
    return -reach, reach, DIVERGING


def _name_steps(axes: Axes, pieces: Sequence[str]) -> None:
    names = [shown(piece) for piece in pieces]
    short = all(len(name) <= 2 for name in names)
    every = -(-len(names) // (NAMED if short else NAMED // 2))
    places = range(0, len(names), every)
    axes.set_xticks(
        places, names[::every], rotation=0 if short else 60, ha="center" if short else "right",
        rotation_mode="anchor", fontsize=7 if len(names) > 60 else 8,
    )  # fmt: skip
    axes.tick_params(axis="x", length=0, pad=3)
