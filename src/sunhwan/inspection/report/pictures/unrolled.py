"""Picture of the network as a loop and unrolled, with its blocks of truncated backpropagation."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from sunhwan.inspection.measures.unrolling import UnrolledLayer, Unrolling
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures.style import PALETTE, styled
from sunhwan.plots import ACCENT, INK, SOFT

DOTS = "…"


class DrawnStep(NamedTuple):
    """A step in the unrolled view: its name, or dots for those left out. block: which it is in."""

    name: str
    block: int


@styled
def draw_unrolled(unrolling: Unrolling, words: Phrases, *, pooled: bool = False) -> Figure:
    """Draw the loop at the left, with real sizes, and the unrolled network with its blocks.

    Solid arrows are what is computed, dashed ones the gradient on its way back, which ends at the
    border of a block. A decoder stands behind its encoder, whose last state it begins with.
    pooled: all outputs together make one prediction.
    """
    stacks = list(dict.fromkeys(layer.stack for layer in unrolling.layers))
    depth = max(_depth(unrolling, name) for name in stacks)
    top = max(depth, _depth(unrolling, stacks[-1]) + 1)
    columns = {name: _columns(unrolling, name) for name in stacks}
    wide = sum(len(found) for found in columns.values()) + 0.8 * len(stacks)
    # Two stacks side by side are to be no wider than a page.
    loops, line_width = (2.9, 0.78 * wide) if len(stacks) == 1 else (4.4, 0.58 * wide)
    figure = Figure(figsize=(loops + line_width, 1.4 + 0.95 * top), layout="constrained")
    loop, line = figure.subplots(1, 2, width_ratios=[loops, line_width])
    for place, name in enumerate(stacks):
        last = place == len(stacks) - 1
        _draw_loop(loop, 2.9 * place, unrolling, name, words, outputs=last)
    loop.set_xlim(-1.3, 2.9 * len(stacks) - 1.1)
    loop.set_title(words("unrolled.loop"))
    start = 0.0
    for place, name in enumerate(stacks):
        layers = [layer for layer in unrolling.layers if layer.stack == name]
        last = place == len(stacks) - 1
        crosses = (unrolling.bptt_length or 0) > (unrolling.block_length or 0)
        end = _draw_line(
            line, start, layers, columns[name], outputs=last, pooled=pooled, crosses=crosses
        )
        if last and pooled:
            middle, width = start + (len(columns[name]) - 1) / 2, len(columns[name]) - 0.5
            _box(line, middle, top - 0.05, width, words("unrolled.pooled"), SOFT, height=0.4)
        if not last:
            for level in range(1, 1 + min(len(layers), _depth(unrolling, stacks[place + 1]))):
                _arrow(line, (end - 0.7, level), (end + 0.5, level))
        middle = start + (len(columns[name]) - 1) / 2
        line.text(middle, -0.55, words.stack(name), fontsize=8, ha="center")
        start = end + 0.9
    line.set_xlim(-0.7, start - 1.1)
    line.set_title(words("unrolled.line"))
    if unrolling.block_length:
        _draw_blocks(
            line, columns[stacks[-1]], depth, unrolling.block_length, unrolling.batch_size, words,
            crosses=crosses,
        )  # fmt: skip
    for axes in (loop, line):
        axes.set_ylim(-0.75, top + (0.6 if unrolling.block_length else 0.4))
        axes.set_axis_off()
    return figure


def _columns(unrolling: Unrolling, stack: str) -> list[DrawnStep]:
    T = unrolling.block_length
    if T is None:
        letter = "S" if stack == "encoder" and _depth(unrolling, "decoder") else "T"
        return [DrawnStep("1", 0), DrawnStep("2", 0), DrawnStep(DOTS, 0), DrawnStep(letter, 0)]
    found = []
    for block in range(2):
        first, last = block * T + 1, (block + 1) * T
        # A block of few steps is drawn as it is.
        names = [str(step) for step in range(first, last + 1)]
        if T > 3:
            names = [names[0], names[1], DOTS, names[-1]]
        found += [DrawnStep(name, block) for name in names]
    return found


def _depth(unrolling: Unrolling, stack: str) -> int:
    return sum(layer.stack == stack for layer in unrolling.layers)


def _draw_loop(
    axes: Axes, x: float, unrolling: Unrolling, stack: str, words: Phrases, *, outputs: bool
) -> None:
    layers = [layer for layer in unrolling.layers if layer.stack == stack]
    read = unrolling.tokens if stack == unrolling.layers[0].stack else 0
    sizes = f"{read:,} × {layers[0].input_size:,}" if read else f"{layers[0].input_size:,}"
    _box(axes, x, 0, 1.5, f"{words('unrolled.input')}\n{sizes}", SOFT)
    for level, layer in enumerate(layers, 1):
        count = sum(layer.parameters.values())
        turned = f" {words('backward')}" if layer.direction == "backward" else ""
        sizes = f"{layer.input_size:,} → {layer.hidden_size:,}"
        text = f"{layer.cell}{turned}\n{sizes}\n{words('unrolled.count', count=words.count(count))}"
        _box(axes, x, level, 1.5, text, PALETTE[(level - 1) % len(PALETTE)], height=0.66)
        _draw_reading(axes, x, layers, level, half=0.35, side=0.75)
        # From the right side out and back to it: the state that the next step begins with.
        path = Path(
            [(x + 0.76, level + 0.18), (x + 1.3, level + 0.3), (x + 1.3, level - 0.3),
             (x + 0.78, level - 0.18)],
            [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4],
        )  # fmt: skip
        axes.add_patch(
            FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=9, color=INK, lw=1.1)
        )
        states = ", ".join(f"{name} {size:,}" for name, size in layer.states.items())
        axes.text(x + 0.8, level - 0.36, states, fontsize=7, ha="left", va="top")
    if outputs:
        top = len(layers) + 1
        _draw_reading(axes, x, layers, top, half=0.35, side=0.75)
        _box(axes, x, top, 1.5, f"{words('unrolled.output')}\n{unrolling.output_size:,}", SOFT)
    axes.text(x, -0.55, words.stack(stack), fontsize=8, ha="center")


def _draw_line(
    axes: Axes,
    start: float,
    layers: Sequence[UnrolledLayer],
    columns: Sequence[DrawnStep],
    *,
    outputs: bool,
    pooled: bool,
    crosses: bool,
) -> float:
    """Draw a stack's steps from `start` on, and tell where the next may begin.

    crosses: the gradient passes the border of a block.
    """
    for place, column in enumerate(columns):
        x = start + place
        axes.text(
            x, 0, column.name if column.name == DOTS else f"x {column.name}", fontsize=7.5,
            ha="center", va="center", parse_math=False,
        )  # fmt: skip
        previous = columns[place - 1] if place else None
        for level, layer in enumerate(layers, 1):
            turned = layer.direction == "backward"
            if column.name == DOTS:
                axes.text(x, level, DOTS, ha="center", va="center")
            else:
                _box(axes, x, level, 0.44, "", PALETTE[(level - 1) % len(PALETTE)], height=0.5)
                _draw_reading(axes, x, layers, level, half=0.27, side=0.22)
            if previous is None:
                continue
            ends = ((x - 0.74, level + 0.1), (x - 0.26, level + 0.1))
            _arrow(axes, *(reversed(ends) if turned else ends))
            low, high = (x - 0.74, level - 0.12), (x - 0.26, level - 0.12)
            if crosses or previous.block == column.block:
                _arrow(axes, *((low, high) if turned else (high, low)), gradient=True)
            else:
                # It starts on its way back and gets as far as the border.
                _arrow(axes, high, (x - 0.46, level - 0.12), gradient=True)
        if outputs and column.name != DOTS:
            top = len(layers) + 1
            _draw_reading(axes, x, layers, top, half=0.27, side=0.22)
            name = "" if pooled else f"ŷ {column.name}"
            axes.text(x, top - 0.13, name, fontsize=7.5, ha="center", va="center")
    return start + len(columns)


def _draw_reading(
    axes: Axes, x: float, layers: Sequence[UnrolledLayer], row: int, *, half: float, side: float
) -> None:
    """Arrows to a row, the outputs' where it is beyond the layers, from what it reads.

    Both directions of a layer read the same: an arrow past a row goes around it. half, side: of a box.
    """
    levels = [layer.layer for layer in layers]
    below = (levels[row - 1] if row <= len(levels) else levels[-1] + 1) - 1
    sources = [place for place, level in enumerate(levels, 1) if level == below] or [0]
    for source in sources:
        if row - source == 1:
            end = row - (half if row <= len(levels) else 0.25)
            _arrow(axes, (x, source + (half if source else 0.25)), (x, end))
        else:
            _arrow(axes, (x - side, source + 0.12), (x - side, row - 0.12), bend=-0.25)


def _draw_blocks(
    axes: Axes, columns: Sequence[DrawnStep], depth: int, length: int, rows: int, words: Phrases,
    *, crosses: bool,
) -> None:  # fmt: skip
    """The border between the two blocks, and what each of them is."""
    label = words("unrolled.block", steps=f"{length:,}", rows=f"{rows:,}")
    per_block = sum(column.block == 0 for column in columns)
    border = per_block - 0.5
    axes.plot([border] * 2, [0.3, depth + 0.75], color=ACCENT, linewidth=2)
    border_word = words("unrolled.updates" if crosses else "unrolled.stops")
    axes.text(border, depth + 1.35, border_word, color=ACCENT, ha="center", fontsize=8)
    axes.text(border, depth + 1.12, words("unrolled.state"), color=INK, ha="center", fontsize=8)
    for block in range(2):
        left, right = block * per_block - 0.4, (block + 1) * per_block - 0.6
        axes.plot([left, left, right, right], [-0.25, -0.32, -0.32, -0.25], color=SOFT, linewidth=1)
        axes.text(
            (left + right) / 2, -0.55, label, ha="center",
            fontsize=8,
        )  # fmt: skip


def _box(
    axes: Axes, x: float, y: float, width: float, text: str, colour: str, height: float = 0.5
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=colour,
            edgecolor=colour,
            alpha=0.25,
            linewidth=1,
        )
    )
    axes.text(x, y, text, ha="center", va="center", fontsize=7.5, linespacing=1.25)


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    gradient: bool = False,
    bend: float = 0.0,
) -> None:
    axes.annotate(
        "", end, start,
        arrowprops={
            "arrowstyle": "-|>", "color": ACCENT if gradient else INK, "lw": 0.9,
            "linestyle": (0, (2, 1.5)) if gradient else "-", "mutation_scale": 7,
            "shrinkA": 0, "shrinkB": 0, "connectionstyle": f"arc3,rad={bend}",
        },
    )  # fmt: skip
