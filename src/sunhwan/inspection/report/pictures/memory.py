"""Picture of memory in use: the loss by the length of the context."""

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from sunhwan.inspection.measures.gradient_flow import Flow
from sunhwan.inspection.measures.memory_use import MemoryUse
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures.flow import known, relative
from sunhwan.inspection.report.pictures.style import PALETTE, styled
from sunhwan.plots import INK, SOFT


@styled
def draw_memory(memory: MemoryUse, flow: Flow | None, words: Phrases) -> Figure:
    """Draw the mean loss by context, whole and shuffled, and below it what the gradient says.

    flow: of the same model; None: it is left out. The band is two standard errors wide each way.
    """
    figure = Figure(figsize=(7, 5 if flow else 3.6), layout="constrained")
    rows = figure.subplots(2 if flow else 1, 1, sharex=True, squeeze=False,
                           height_ratios=[2, 1][: 2 if flow else 1])[:, 0]  # fmt: skip
    losses, contexts = rows[0], np.array(memory.contexts, dtype=np.float64)
    for colour, style, values, label in (
        (PALETTE[0], "-", memory.losses, words("memory.whole")),
        (PALETTE[1], "--", memory.shuffled, words("memory.shuffled")),
    ):
        mean, error = of_places(values)
        losses.fill_between(
            contexts, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.15, linewidth=0
        )
        losses.plot(contexts, mean, style, color=colour, marker="o", markersize=3, label=label)
    if memory.used is not None:
        for axes in rows:
            axes.axvline(memory.used, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        losses.annotate(
            words("memory.used", used=f"{memory.used:,}"), (memory.used, 1),
            xycoords=("data", "axes fraction"), xytext=(4, -9), textcoords="offset points",
            color=INK, fontsize=8,
        )  # fmt: skip
    losses.set_ylabel(words("memory.loss_series" if memory.measure == "pinball" else "memory.loss"))
    losses.legend(loc="lower left")
    if flow:
        for number, curve in enumerate(curve for curve in flow.curves if curve.start):
            rows[1].plot(
                np.arange(known(curve)), relative(curve),
                color=PALETTE[number % len(PALETTE)], label=words.place(curve),
            )  # fmt: skip
        rows[1].set_ylabel(words("memory.gradient"))
        rows[1].legend(loc="upper right")
    rows[-1].set_xscale("symlog", linthresh=1, linscale=0.5)
    rows[-1].set_xticks(contexts, [f"{int(context):,}" for context in contexts])
    rows[-1].minorticks_off()
    rows[-1].set_xlim(0, contexts[-1] * 1.1)
    rows[-1].set_xlabel(words("memory.x", unit=words.unit(memory.unit)))
    return figure


def of_places(losses: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
    """losses (C, places) → the mean (C) and its standard error."""
    places = losses.shape[1]
    error = losses.std(1, ddof=1) / np.sqrt(places) if places > 1 else np.zeros(len(losses))
    return losses.mean(1), error
