"""Picture of the grid of rows and blocks: what is read when, where state and gradient go."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from sunhwan.lab.grid import Cell, Grid
from sunhwan.messages import message
from sunhwan.plots import ACCENT, INK, SOFT, fonts, png_of
from sunhwan.store import write_bytes

STATE = "#0072b2"


def draw_grid(grid: Grid, path: Path, language: str = "en") -> None:
    """Draw a PNG with a line for each row that is shown and a box for each block."""
    say = partial(message, "lab", language=language)
    blocks = sorted({cell.block for cell in grid.cells})
    rows = sorted({cell.row for cell in grid.cells})
    width, height = 2.0 + 2.1 * len(blocks), 1.7 + 0.95 * len(rows)
    with rc_context({"font.family": list(fonts()), "font.size": 9, "axes.unicode_minus": False}):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        for cell in grid.cells:
            x, y = 2.1 * blocks.index(cell.block), -0.95 * rows.index(cell.row)
            _draw_cell(axes, x, y, cell, say, gap=cell.block > 0 and cell.block - 1 not in blocks)
        for place, row in enumerate(rows):
            axes.text(
                -0.2,
                -0.95 * place,
                say("row", n=f"{row + 1:,}"),
                ha="right",
                va="center",
                color=INK,
            )
        for place, block in enumerate(blocks):
            axes.text(
                2.1 * place + 0.8, 0.62, say("block", n=f"{block + 1:,}"), ha="center", color=INK
            )
        below = -0.95 * len(rows) + 0.2
        if grid.bptt_length > grid.block_length:
            border = say("border_back", back=f"{grid.bptt_length:,}")
        else:
            border = say("border_stops")
        for place in range(1, len(blocks)):
            x = 2.1 * place - 0.25
            axes.plot([x, x], [0.5, below + 0.15], color=ACCENT, lw=1.2, ls=(0, (4, 3)))
        axes.text(-0.9, below - 0.05, f"- -  {border}", color=ACCENT, va="top", fontsize=8)
        axes.text(-0.9, below - 0.28, f"→  {say('state')}", color=STATE, va="top", fontsize=8)
        axes.set_title(summary(grid, language), loc="left", color=INK, fontsize=10)
        axes.set_xlim(-1.0, 2.1 * len(blocks) - 0.2)
        axes.set_ylim(below - 0.55, 0.85)
        axes.set_axis_off()
        write_bytes(path, png_of(figure, 130))


def summary(grid: Grid, language: str = "en") -> str:
    """The grid in a sentence."""
    say = partial(message, "lab", language=language)
    rest = say("unread", unread=f"{grid.unread:,}") if grid.unread else ""
    numbers = {
        "length": grid.length, "rows": grid.rows, "each": grid.part,
        "block": grid.block_length, "blocks": grid.blocks,
    }  # fmt: skip
    return say("grid", **{name: f"{number:,}" for name, number in numbers.items()}) + rest


def named(cell: Cell, say: Callable[..., str]) -> str:
    """The steps of a cell by their first and last, with the row into which they flow."""
    steps = f"x{cell.first}" if cell.first == cell.last else f"x{cell.first} … x{cell.last}"
    return steps if cell.next_row is None else f"{steps} ({say('row', n=cell.next_row + 1)})"


def _draw_cell(
    axes: Axes, x: float, y: float, cell: Cell, say: Callable[..., str], *, gap: bool
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x, y - 0.25), 1.6, 0.5, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=SOFT, edgecolor=SOFT, alpha=0.25,
        )
    )  # fmt: skip
    axes.text(x + 0.8, y, named(cell, say), ha="center", va="center", color=INK, parse_math=False)
    if cell.block:
        where = x - (0.5 if not gap else 0.3)
        axes.annotate(
            "", (x, y + 0.08), (where, y + 0.08), arrowprops={"arrowstyle": "-|>", "color": STATE}
        )
    if gap:
        axes.text(x - 0.42, y + 0.08, "…", ha="center", va="center", color=INK)
    if cell.back < cell.first:
        axes.text(
            x + 0.8,
            y - 0.37,
            say("gradient_to", first=cell.back),
            ha="center",
            color=ACCENT,
            fontsize=7,
        )
