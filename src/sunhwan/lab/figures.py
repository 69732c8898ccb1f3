"""The picture of a memory measurement: scores by delay, and beside them how far each cell got."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from sunhwan.lab.memory import Horizon, Point, Settings, horizons
from sunhwan.lab.tasks import TASKS
from sunhwan.messages import message
from sunhwan.plots import INK, fonts, png_of
from sunhwan.store import write_bytes

TEXTBOOK = {"simple RNN": 7, "LSTM": 100}
"""The steps that textbooks give: the claim that is put to the test."""

FAMILIES = {"lstm": "Blues", "gru": "Greens", "rnn": "Oranges", "linear": "Purples"}
"""The colours of a family of cells; within a family the shade and the marker differ."""

MARKERS = "osD^vPX<>ph*"

GREY, TITLE_PAD = "#6b7785", 20


class Style(NamedTuple):
    """How a cell is drawn in every panel."""

    color: Any
    marker: str


def family(cell: str) -> str:
    """The family in FAMILIES, by the cell's name."""
    if cell.startswith("min") or "lru" in cell:
        return "linear"
    if "lstm" in cell:
        return "lstm"
    return "gru" if "gru" in cell or cell == "ugrnn" else "rnn"


def styles(cells: Sequence[str]) -> dict[str, Style]:
    """A style for each cell; up to twelve of a family differ in colour and in marker."""
    found = {}
    for name, colours in FAMILIES.items():
        members = [cell for cell in cells if family(cell) == name]
        for place, cell in enumerate(members):
            shade = 0.88 - 0.46 * place / max(len(members) - 1, 1)
            found[cell] = Style(colormaps[colours](shade), MARKERS[place % len(MARKERS)])
    return found


def draw_memory(
    points: Sequence[Point], settings: Settings, path: Path, language: str = "en"
) -> None:
    """Draw a PNG with a row for each task: the scores by delay, and the horizons.

    The bars, with the colour and the marker of their cells, are the legend of both.
    """
    say = partial(message, "lab", language=language)
    tasks = [name for name in TASKS if any(point.task == name for point in points)]
    style = styles(sorted({point.cell for point in points}))
    ranked = {name: _ranked(points, name) for name in tasks}
    rows = [1.8 + 0.2 * max(len(ranked[name]), 8) for name in tasks]
    with rc_context({"font.family": list(fonts()), "font.size": 9}):
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
        figure = Figure(figsize=(11, sum(rows)), layout=layout)
        panels = figure.subplots(
            len(tasks), 2, squeeze=False, width_ratios=[1.1, 1], height_ratios=rows
        )
        for name, (scores, bars) in zip(tasks, panels, strict=True):
            mine = [point for point in points if point.task == name]
            _draw_scores(scores, mine, style, say)
            _draw_horizons(bars, ranked[name], style, sorted({point.delay for point in mine}), say)
        note = say(
            "memory_note", hidden=f"{settings.hidden_size:,}", batch=f"{settings.batch_size:,}",
            steps=f"{settings.steps:,}", seed=settings.seed,
        )  # fmt: skip
        figure.supxlabel(note, x=0.01, ha="left", color=GREY, fontsize=8)
        write_bytes(path, png_of(figure, 130))


def _ranked(points: Sequence[Point], task: str) -> list[Horizon]:
    """The horizons on a task, the longest first."""
    found = horizons([point for point in points if point.task == task])
    return sorted(found, key=lambda one: (-one.delay, one.failed or 0, one.cell))


def _draw_scores(
    axes: Axes, points: Sequence[Point], style: Mapping[str, Style], say: Callable[..., str]
) -> None:
    task = TASKS[points[0].task]
    for level, label in ((task.threshold, say("solved")), (task.chance, say("no_memory"))):
        axes.axhline(level, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            label, (1, level), xycoords=("axes fraction", "data"), xytext=(3, 0),
            textcoords="offset points", va="center", color=GREY, fontsize=8,
        )  # fmt: skip
    for cell, how in style.items():
        found = {p.delay: p for p in points if p.cell == cell}
        shown = [(d, p.score, p.solved) for d, p in sorted(found.items()) if p.score is not None]
        delays, scores = [delay for delay, *_ in shown], [score for _, score, _ in shown]
        axes.plot(delays, scores, color=how.color, linewidth=1.2, alpha=0.8, zorder=2)
        for delay, score, solved in shown:
            axes.plot(
                delay, score, how.marker, color=how.color, markersize=5.5,
                markerfacecolor=how.color if solved else "white", zorder=3,
            )  # fmt: skip
    if task.threshold > task.chance:
        axes.set_ylim(0, 1.05)
        axes.set_ylabel(task.measure)
    else:
        axes.set_yscale("log")
        # Not as powers of ten: their minus sign is in few fonts that hold Hangul.
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.invert_yaxis()
        axes.set_ylabel(say("better_up", measure=task.measure))
    axes.set_title(say("scores", task=task.name), loc="left", color=INK, pad=TITLE_PAD)
    _steps(axes, sorted({point.delay for point in points}), say)


def _draw_horizons(
    axes: Axes,
    ranked: Sequence[Horizon],
    style: Mapping[str, Style],
    delays: Sequence[int],
    say: Callable[..., str],
) -> None:
    start = min(*delays, *TEXTBOOK.values()) / 2
    for row, one in enumerate(ranked):
        how = style[one.cell]
        if one.failed is not None:
            # Where between the two the cell's memory ends was not measured.
            axes.barh(row, one.failed - start, left=start, height=0.55, color=how.color, alpha=0.18)
        axes.barh(row, max(one.delay - start, 0), left=start, height=0.55, color=how.color)
        end = one.delay or start
        axes.plot(end, row, how.marker, color=how.color, markersize=7, markeredgecolor="white",
                  clip_on=False, zorder=4)  # fmt: skip
        text = f"≥ {one.delay:,}" if one.bounded else f"{one.delay:,}" if one.delay else say("none")
        axes.annotate(
            text, (one.failed or end, row), xytext=(8, 0), textcoords="offset points",
            va="center", color=INK, fontsize=8, zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    for name, steps in TEXTBOOK.items():
        axes.axvline(steps, color=INK, linewidth=0.9, linestyle=(0, (2, 2)), zorder=3)
        axes.annotate(
            say("textbook_steps", name=name, steps=steps), (steps, 1), xycoords=("data", "axes fraction"),
            xytext=(0, 3), textcoords="offset points", ha="center", va="bottom", color=INK,
            fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(ranked)), [one.cell for one in ranked])
    axes.set_ylim(max(len(ranked), 4) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.set_title(say("horizons"), loc="left", color=INK, pad=TITLE_PAD)
    axes.set_xlim(start, max(*delays, *TEXTBOOK.values()) * 1.9)
    _steps(axes, delays, say)


def _steps(axes: Axes, delays: Sequence[int], say: Callable[..., str]) -> None:
    """A logarithmic axis of steps with a tick at each delay, or at eight or so of many."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(delays[:: -(-len(delays) // 8)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(say("delay"))
    axes.spines[["top", "right"]].set_visible(False)
