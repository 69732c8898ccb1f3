"""Picture of what a block keeps for its backward pass, by its length."""

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from sunhwan.inspection.measures.unrolling import MemoryByLength
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures.style import PALETTE, styled


@styled
def draw_kept(memory: MemoryByLength, mode: str, words: Phrases) -> Figure:
    """Draw the bytes by T of both modes; mode: that of the run, which is marked."""
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    for name, colour, style in (("full", PALETTE[0], "-"), ("sqrt", PALETTE[2], "--")):
        kept = getattr(memory, name)
        axes.plot(memory.lengths, kept, style, color=colour, label=words(f"kept.{name}"))
        if name == mode:
            axes.plot(memory.lengths[memory.own], kept[memory.own], "o", color=colour)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(memory.lengths[::2], [f"{T:,}" for T in memory.lengths[::2]])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda count, _: words.bytes(count))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(words("kept.x"))
    axes.set_ylabel(words("kept.y"))
    axes.legend(loc="upper left")
    return figure
