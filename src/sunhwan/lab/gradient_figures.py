"""Figure of decomposed gradients: the curve over the lag, the shares, the derivatives."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from sunhwan.lab.figures import GREY, TITLE_PAD
from sunhwan.lab.gradients import (
    BINS,
    FORGOTTEN,
    GradientAnatomy,
    GradientSettings,
    shares_of_start,
)
from sunhwan.messages import message
from sunhwan.plots import INK, fonts, png_of
from sunhwan.store import write_bytes

SHOWN = 20
"""Lags whose shares have bars."""

TOGETHER = 8
"""Curves in one panel, at most, unless they are of one cell."""


def draw_gradients(
    found: Sequence[GradientAnatomy],
    settings: GradientSettings,
    path: Path,
    language: str = "en",
) -> None:
    """Draw a PNG: the curves with W_h's powers dotted beside them, then a row for each variant.

    Many curves have a panel for each cell or activation, with colours of its own.
    """
    say = partial(message, "lab", language=language)
    panels = _panels(found)
    colors = [color for panel in panels for color in _colors(len(panel))]
    found = [one for panel in panels for one in panel]
    style: dict[Any, Any] = {
        "font.family": list(fonts()),
        "font.size": 9,
        "axes.unicode_minus": False,
    }
    rows = [*[4.2 if len(panels) == 1 else 3.2] * len(panels), *[1.7] * len(found)]
    with rc_context({**style, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(
            figsize=(11, sum(rows)), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
        )
        grid = figure.add_gridspec(len(rows), 2, height_ratios=rows, width_ratios=[2, 1])
        for row, panel in enumerate(panels):
            curves, legend = (figure.add_subplot(grid[row, column]) for column in (0, 1))
            _draw_curves(curves, legend, panel, say("clip_legend"))
            if row == 0:
                curves.set_title(say("curves"), loc="left", color=INK, pad=TITLE_PAD)
        curves.set_xlabel(say("lag"))
        for row, (one, color) in enumerate(zip(found, colors, strict=True), len(panels)):
            bars = figure.add_subplot(grid[row, 0])
            shares = [share.share for share in one.shares[:SHOWN]]
            bars.bar(range(len(shares)), shares, color=color)
            bars.xaxis.set_major_locator(MaxNLocator(integer=True))
            rest = sum(share.share for share in one.shares[SHOWN:])
            title = say("shares", label=one.label, parameter=one.parameter, rest=f"{rest:.2g}")
            bars.set_title(title, loc="left", color=INK)
            derivatives = figure.add_subplot(grid[row, 1])
            if one.derivatives:
                edges = [(k + 0.5) / BINS for k in range(BINS)]
                derivatives.bar(edges, one.derivatives, width=0.9 / BINS, color=color)
            derivatives.set_xlim(0, 1)
            named = "derivative" if "elman" in one.label else "keeps"
            derivatives.set_title(
                say(named if one.derivatives else "no_gate"), loc="left", color=INK
            )
        bars.set_xlabel(say("lag"))
        note = say(
            "gradients_note", source=settings.source, seed=settings.seed,
            hidden=f"{settings.hidden_size:,}", rows=f"{settings.rows:,}", steps=f"{settings.steps:,}",
        )  # fmt: skip
        figure.supxlabel(note, x=0.01, ha="left", color=GREY, fontsize=8)
        write_bytes(path, png_of(figure, 110))


def _panels(found: Sequence[GradientAnatomy]) -> list[list[GradientAnatomy]]:
    """All in one, or by cell and activation where they are too many for one."""
    if len(found) <= TOGETHER:
        return [list(found)]
    by_name: dict[str, list[GradientAnatomy]] = {}
    for one in found:
        name = one.label.partition(f" {one.start}" if one.start else " ×")[0]
        by_name.setdefault(name, []).append(one)
    return list(by_name.values())


def _colors(count: int) -> list[Any]:
    return [colormaps["turbo"](0.08 + 0.84 * k / max(count - 1, 1)) for k in range(count)]


def _draw_curves(
    curves: Axes, legend: Axes, found: Sequence[GradientAnatomy], heading: str
) -> None:
    """Curves as far up as they go, down to 1e-6; the legend tells what clipping makes of each gradient."""
    highest = 1.0
    curves.axhline(FORGOTTEN, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    for one, color in zip(found, _colors(len(found)), strict=True):
        share = [value or np.nan for value in shares_of_start(one.field, one.curve)]
        label = f"{one.label}: {one.clipped.norm:.3g} → {one.clipped.limited:.3g}"
        curves.plot(share, color=color, label=label)
        powers = [value or np.nan for value in one.powers]
        highest = max(highest, *(value for value in (*share, *powers) if np.isfinite(value)))
        curves.plot(powers, color=color, linewidth=0.8, linestyle=(0, (1, 2)))
    curves.set_xlim(0, max(len(one.curve) for one in found) - 1)
    curves.set_yscale("log")
    curves.set_ylim(1e-6, 10 * highest)
    curves.yaxis.set_major_formatter("{x:g}")
    legend.legend(
        *curves.get_legend_handles_labels(), frameon=False, fontsize=8, loc="upper left",
        title=heading, title_fontsize=8, alignment="left",
    )  # fmt: skip
    legend.set_axis_off()
