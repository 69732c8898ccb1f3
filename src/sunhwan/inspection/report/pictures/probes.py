"""Picture of probes: the best unit's correlation with each feature, and the level of chance."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from sunhwan.inspection.measures.probes import ProbeResult
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures.style import PALETTE, styled
from sunhwan.plots import ACCENT, SOFT


@styled
def draw_probes(results: Sequence[ProbeResult], words: Phrases) -> Figure:
    """Draw a bar a feature, its score on held-out text; hollow where it does not pass chance."""
    figure = Figure(figsize=(7, 0.9 + 0.24 * len(results)), layout="constrained")
    axes = figure.subplots()
    for row, one in enumerate(results):
        axes.barh(
            row, max(one.score, 0), height=0.62, edgecolor=PALETTE[0],
            color=PALETTE[0] if one.passed else "none",
        )  # fmt: skip
        axes.plot([one.chance] * 2, [row - 0.42, row + 0.42], color=ACCENT, linewidth=2)
    axes.set_yticks(range(len(results)), [words.feature(one) for one in results])
    axes.set_ylim(len(results) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel(words("probes.x"))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=SOFT, linewidth=0.4, alpha=0.5)
    axes.set_axisbelow(True)
    return figure
