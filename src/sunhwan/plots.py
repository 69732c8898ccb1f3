"""Plots of losses, forecasts and attention, with matplotlib and a font for Hangul where there is one."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps, font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import NullFormatter

from sunhwan.errors import UsageError
from sunhwan.store import Run, write_bytes
from sunhwan.store.run import has_numbers
from sunhwan.tasks import Review

INK, SOFT, ACCENT = "#1f2933", "#9aa5b1", "#c2410c"


@cache
def fonts() -> tuple[str, ...]:
    """Font families to try in turn: the first with Hangul that is installed, then matplotlib's own."""
    wanted = (
        "Noto Sans CJK KR",
        "Noto Sans KR",
        "NanumGothic",
        "Malgun Gothic",
        "Apple SD Gothic Neo",
    )
    found = [name for name in wanted if name in _installed()]
    if not found:
        # matplotlib keeps a list of its own, which does not know what was installed after it.
        known = {font.fname for font in font_manager.fontManager.ttflist}
        for path in sorted(set(font_manager.findSystemFonts()) - known):
            with contextlib.suppress(OSError, RuntimeError):
                font_manager.fontManager.addfont(path)
        found = [name for name in wanted if name in _installed()]
    return (*found, "DejaVu Sans")


def _installed() -> set[str]:
    return {font.name for font in font_manager.fontManager.ttflist}


def draw_losses(run: Run) -> Path:
    """Draw loss.png of a run folder: training and validation loss, and the gradient's norm, by step."""
    events = list(run.events())
    steps = [event for event in events if event["event"] == "step"]
    figure = Figure(figsize=(8, 6), layout="constrained")
    losses, norms = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _line(losses, steps, "loss", color=SOFT, linewidth=0.8, label="training")
    validations = [
        event
        for event in events
        if event["event"] == "validation" and has_numbers(event, "step", "loss")
    ]
    _line(losses, validations, "loss", color=ACCENT, marker="o", markersize=3, label="validation")
    if validations:
        best = min(validations, key=lambda event: float(event["loss"]))
        losses.annotate(
            f"{best['loss']:.3f}",
            (best["step"], best["loss"]),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            color=ACCENT,
        )
    losses.set_ylabel("loss")
    title = run.folder.resolve().name.encode("utf-8", "replace").decode()
    losses.set_title(title, color=INK, parse_math=False)
    if steps or validations:
        losses.legend(frameon=False)
    _line(norms, steps, "grad_norm", color=INK, linewidth=0.6)
    norms.set_ylabel("gradient norm")
    norms.set_yscale("log")
    # Not as powers of ten: their minus sign is in few fonts that hold Hangul.
    norms.yaxis.set_major_formatter("{x:g}")
    norms.yaxis.set_minor_formatter(NullFormatter())
    norms.set_xlabel("step")
    path = run.folder / "loss.png"
    write_bytes(path, png_of(figure))
    return path


def draw_review(review: Review, path: Path) -> None:
    """Draw what a review has to show; UsageError when that is figures alone."""
    values = review.values
    if "confusion" in values:
        draw_confusion(values["labels"], values["confusion"], path, values.get("reliability", ()))
    elif "panels" in values:
        draw_forecasts(values["panels"], path)
    else:
        raise UsageError("--picture: there is no picture of these figures")


def draw_confusion(
    labels: Sequence[str],
    table: Sequence[Sequence[int]],
    path: Path,
    reliability: Sequence[Mapping[str, float]] = (),
) -> None:
    """Draw how often each label (row) was said to be each (column), shaded by its share of the row.

    reliability: bins of confidence, drawn beside it as the share of right answers in each.
    """
    size = min(4 + 0.45 * len(labels), 20)
    figure = Figure(figsize=(size + 4 * bool(reliability), size), layout="constrained")
    axes = figure.add_subplot(1, 2 if reliability else 1, 1)
    if reliability:
        _draw_reliability(figure.add_subplot(1, 2, 2), reliability)
    shares = [[count / max(sum(row), 1) for count in row] for row in table]
    axes.imshow(shares, cmap="Oranges", vmin=0, vmax=1)
    names = [label if len(label) <= 20 else label[:19] + "…" for label in labels]
    turn = 0 if max(map(len, names)) * len(names) < 40 else 60
    axes.set_xticks(range(len(names)), names, rotation=turn, parse_math=False)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    if len(names) <= 30:
        for i, row in enumerate(table):
            for j, count in enumerate(row):
                ink = "white" if shares[i][j] > 0.6 else INK
                axes.text(j, i, f"{count:,}", ha="center", va="center", color=ink)
    axes.set_xlabel("said")
    axes.set_ylabel("is")
    write_bytes(path, png_of(figure))


def _draw_reliability(axes: Axes, bins: Sequence[Mapping[str, float]]) -> None:
    """The share of right answers by confidence; on the dashed line the two agree."""
    axes.plot([0, 1], [0, 1], "--", color=SOFT)
    most = max(found["examples"] for found in bins)
    confidence, right = ([found[key] for found in bins] for key in ("confidence", "accuracy"))
    axes.plot(confidence, right, color=ACCENT)
    sizes = [20 + 180 * found["examples"] / most for found in bins]
    axes.scatter(confidence, right, sizes, color=ACCENT, alpha=0.6)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="right", aspect="equal")


def draw_map(names: Sequence[str], places: npt.NDArray[np.floating[Any]], path: Path) -> None:
    """Draw tokens where they lie in the plane, places (n, 2)."""
    figure = Figure(figsize=(11, 9), layout="constrained")
    axes = figure.subplots()
    axes.scatter(places[:, 0], places[:, 1], s=6, color=SOFT)
    for name, (x, y) in zip(names, places, strict=True):
        axes.text(
            x, y, name, color=INK, fontsize=8, ha="center", va="bottom", parse_math=False
        ).set_in_layout(False)
    axes.set_axis_off()
    write_bytes(path, png_of(figure))


def draw_forecasts(panels: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw each series one above the other, with the median and the band of its forecasts.

    panels: as `sunhwan.tasks.Forecast.panels` gives them.
    """
    figure = Figure(figsize=(10, 1 + 2.6 * len(panels)), layout="constrained")
    if panels and panels[0].get("of", 0) > len(panels):
        figure.suptitle(f"{len(panels)} of {panels[0]['of']:,} series", color=INK)
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        axes.plot(panel["actual"], color=INK, linewidth=1, label="actual")
        for number, forecast in enumerate(panel["forecasts"]):
            labels = ("", "") if number else ("median", "80 %")
            steps = range(forecast["start"], forecast["start"] + len(forecast["median"]))
            style = {"color": ACCENT, "linewidth": 1.2, "label": labels[0]}
            axes.plot(steps, forecast["median"], marker="." if len(steps) == 1 else "", **style)
            axes.fill_between(
                steps, forecast["lower"], forecast["upper"], color=ACCENT, alpha=0.2,
                linewidth=1, label=labels[1],
            )  # fmt: skip
        times = panel["times"]
        ticks = range(0, len(times), -(-len(times) // 8))
        axes.set_xticks(ticks, [times[tick] for tick in ticks], parse_math=False)
        axes.set_title(panel["series"], loc="left", color=INK, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
    write_bytes(path, png_of(figure))


def draw_comparison(
    variants: Sequence[Mapping[str, Any]], path: Path, simple: Mapping[str, float] | None = None
) -> None:
    """Draw the validation loss of each run over its seconds, and the loss of each on the same rows.

    variants: name, curves (a list of (seconds, loss) a seed) and losses (one a seed) of each, the best
    first. simple: by name the loss of simple methods on those rows.
    """
    methods = simple or {}
    rows = len(variants) + len(methods)
    figure = Figure(figsize=(11, 2.5 + 0.28 * max(rows, 8)), layout="constrained")
    over, last = figure.subplots(1, 2)
    colors = colormaps["viridis"](np.linspace(0, 0.9, len(variants)))
    for place, (variant, color) in enumerate(zip(variants, colors, strict=True)):
        for curve in variant["curves"]:
            if curve:
                over.plot(*zip(*curve, strict=True), ".-", color=color, linewidth=1)
        losses = variant["losses"]
        last.plot(losses, [place] * len(losses), "o", color=color, alpha=0.6, markersize=5)
        last.plot([sum(losses) / len(losses)], [place], "|", color=INK, markersize=14)
    over.set_xlabel("seconds")
    over.set_ylabel("validation loss")
    for place, loss in enumerate(methods.values(), len(variants)):
        last.plot([loss], [place], "D", color=SOFT, markersize=5)
    names = [*(variant["name"] for variant in variants), *methods]
    last.set_yticks(range(rows), names, parse_math=False)
    last.invert_yaxis()
    last.set_xlabel("loss of each seed; line: mean")
    for axes in (over, last):
        axes.spines[["top", "right"]].set_visible(False)
    write_bytes(path, png_of(figure))


def draw_trials(trials: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the criterion of the trials of a study in their order, and over each setting.

    trials: number, rank (None: never validated), state and settings of each.
    """
    seen = [trial for trial in trials if trial["rank"] is not None]
    names = sorted({name for trial in seen for name in trial["settings"]})
    columns = min(1 + len(names), 3)
    rows = -(-(1 + len(names)) // columns)
    figure = Figure(figsize=(4 * columns, 3.4 * rows), layout="constrained")
    order, *others = figure.subplots(rows, columns, squeeze=False).ravel()
    for trial in seen:
        whole = trial["state"] == "complete"
        style = {"color": INK if whole else SOFT, "marker": "o" if whole else "x", "markersize": 4}
        order.plot([trial["number"]], [trial["rank"]], **style)
        for name, axes in zip(names, others, strict=False):
            if name in trial["settings"]:
                value = trial["settings"][name]
                axes.plot([value if _is_number(value) else str(value)], [trial["rank"]], **style)
    complete = [trial for trial in seen if trial["state"] == "complete"]
    if complete:
        best = np.minimum.accumulate([trial["rank"] for trial in complete])
        order.step([t["number"] for t in complete], best, color=ACCENT, where="post", linewidth=1)
        # Pruned trials can be far off: what is close to the best is what one looks for.
        ranks = sorted(trial["rank"] for trial in complete)
        low, high = ranks[0], ranks[int(0.9 * (len(ranks) - 1))]
        space = 0.1 * (high - low) or 0.1
        for axes in (order, *others[: len(names)]):
            axes.set_ylim(low - space, high + 3 * space)
    order.set_xlabel("trial")
    order.set_ylabel("criterion of validation")
    for name, axes in zip(names, others, strict=False):
        axes.set_xlabel(name)
        values = [t["settings"][name] for t in seen if name in t["settings"]]
        if all(map(_is_number, values)) and 0 < 10 * min(values) <= max(values):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
    for axes in others[len(names) :]:
        axes.set_axis_off()
    for axes in (order, *others[: len(names)]):
        axes.spines[["top", "right"]].set_visible(False)
    write_bytes(path, png_of(figure))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def draw_attention(
    source: Sequence[str],
    target: Sequence[str],
    weights: npt.NDArray[np.floating[Any]],
    path: Path,
) -> None:
    """Draw how much each token of an answer (row) looked at each of the question (column).

    weights: (target, source), each row of sum 1. UsageError for an answer without tokens.
    """
    if not target or not source:
        raise UsageError(
            "--picture: the first question or its answer is empty, so nothing was seen"
        )
    figure = Figure(
        figsize=(min(2 + 0.35 * len(source), 30), min(1.5 + 0.35 * len(target), 30)),
        layout="constrained",
    )
    axes = figure.subplots()
    axes.imshow(weights, cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    # Of hundreds of steps, as sound has, only some can be named.
    every = -(-len(source) // 80)
    columns = range(0, len(source), every)
    turn = 0 if max(map(len, source)) < 3 else 60
    axes.set_xticks(
        columns, source[::every], rotation=turn, ha="left" if turn else "center",
        rotation_mode="anchor", parse_math=False,
    )  # fmt: skip
    axes.set_yticks(range(len(target)), target, parse_math=False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_color(SOFT)
    write_bytes(path, png_of(figure))


def _line(axes: Axes, events: Iterable[dict[str, Any]], key: str, **style: Any) -> None:
    points = [(event["step"], event[key]) for event in events if has_numbers(event, "step", key)]
    if points:
        axes.plot(*zip(*points, strict=True), **style)
    axes.spines[["top", "right"]].set_visible(False)


def png_of(figure: Figure, dpi: int = 120) -> bytes:
    """A figure as a PNG, in the fonts that are here."""
    for text in figure.findobj(Text):
        text.set_fontfamily(fonts())
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A name in letters for which no font is installed is drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
