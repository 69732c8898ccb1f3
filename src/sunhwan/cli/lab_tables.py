"""Tables of the laboratory, in the language of the command line."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sunhwan.cli.language import language, named_figure
from sunhwan.messages import message

if TYPE_CHECKING:
    from rich.table import Table

    from sunhwan.lab.gradients import GradientAnatomy
    from sunhwan.lab.memory import Horizon, Point


def lab_say(key: str, **values: object) -> str:
    """The message of a key of the catalogue's part "lab"."""
    return message("lab", key, language(), **values)


def gradient_tables(found: "Sequence[GradientAnatomy]", lags: int) -> "tuple[Table, Table]":
    """Variants down: what is left of the gradient at some lags, and what limiting its norm does."""
    from rich.table import Table

    from sunhwan.lab.gradients import shares_of_start

    curves, limits = (
        Table(title=lab_say(name), title_justify="left", box=None, padding=(0, 1, 0, 0))
        for name in ("curve_table", "clip_table")
    )
    shown = [lag for lag in (1, 5, 10, 20, 50, 100) if lag <= lags]
    for table in (curves, limits):
        table.add_column(lab_say("network"))
    for name in ("W_h", *map(str, shown), "< 1 %"):
        curves.add_column(name, justify="right", no_wrap=True)
    for name in ("norm", "clipped", "cosine", "sum_off"):
        limits.add_column(lab_say(name), justify="right")
    for one in found:
        share = shares_of_start(one.field, one.curve)
        curves.add_row(
            one.label,
            "" if one.radius is None else f"{one.radius:.2f}",
            *(_short(share[lag]) for lag in shown),
            f"> {lags}" if one.horizon is None else f"{one.horizon}",
        )
        limits.add_row(
            one.label,
            f"{one.clipped.norm:.3g}",
            f"{one.clipped.limited:.3g}",
            f"{one.clipped.cosine:.6f}",
            f"{one.sum_error:.0e}",
        )
    return curves, limits


def _short(share: float) -> str:
    """In five characters, so that a row of six lags has room in 80 columns."""
    text = f"{share:.2g}"
    return text if len(text) <= 5 else f"{share:.0e}"


def gradient_findings(found: "Sequence[GradientAnatomy]", lags: int) -> list[str]:
    """Whose gradient vanishes soonest and whose grows most, where any does."""
    from sunhwan.lab.gradients import shares_of_start

    said = []
    if gone := [one for one in found if one.horizon is not None]:
        first = min(gone, key=_fall)
        said.append(lab_say("vanishes", network=first.label, lag=first.horizon))
    ratios = [(shares_of_start(one.field, one.curve)[lags], one) for one in found]
    ratio, most = max(ratios, key=lambda pair: pair[0])
    if ratio > 1:
        said.append(lab_say("grows", network=most.label, ratio=f"{ratio:.2g}", lags=lags))
    return said


def _fall(one: "GradientAnatomy") -> tuple[int, float]:
    """The lag from which on a gradient stays under 1 %, and what is left of it there."""
    from sunhwan.lab.gradients import shares_of_start

    lag = one.horizon or 0
    return lag, shares_of_start(one.field, one.curve)[lag]


def line_of(point: "Point") -> str:
    end = "solved" if point.solved else "diverged" if point.diverged else "not_solved"
    return lab_say(
        "point", task=point.task, cell=f"{point.cell:<12}", delay=f"{point.delay:>4,}",
        score=f"{_score(point):>7}", end=lab_say(end), steps=f"{point.steps:,}",
        rate=f"{point.learning_rate:g}", seconds=f"{point.seconds:.1f}",
    )  # fmt: skip


def _score(point: "Point") -> str:
    return "none" if point.score is None else f"{point.score:.4f}"


def memory_table(task: str, points: "Sequence[Point]") -> "Table":
    """Cells down, delays across; the scores, * where solved, and the horizon."""
    from rich.table import Table

    from sunhwan.lab.memory import horizons
    from sunhwan.lab.tasks import TASKS

    table = Table(
        title=lab_say("memory_table", task=task, measure=named_figure(TASKS[task].measure)),
        title_justify="left",
        box=None,
    )
    delays = sorted({point.delay for point in points})
    scores = {(point.cell, point.delay): point for point in points}
    table.add_column(lab_say("cell"))
    for delay in delays:
        table.add_column(f"{delay:,} ", justify="right")
    table.add_column(lab_say("horizon"), justify="right")
    for one in horizons(points):
        row = []
        for delay in delays:
            point = scores.get((one.cell, delay))
            row.append("" if point is None else _score(point) + ("*" if point.solved else " "))
        table.add_row(one.cell, *row, _longest(one))
    return table


def finding(task: str, points: "Sequence[Point]", start: str) -> str:
    """How far each cell remembers, in a sentence. start: of W_h; "": as the cell's literature says."""
    from sunhwan.lab.memory import horizons

    found = ", ".join(f"{one.cell} {_longest(one)}" for one in horizons(points))
    return lab_say("finding", task=task, start=start or lab_say("cell_s_start"), found=found)


def _longest(horizon: "Horizon") -> str:
    longest = f"{horizon.delay:,}" if horizon.delay else lab_say("none")
    return f"≥ {longest}" if horizon.bounded else longest
