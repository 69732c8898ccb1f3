"""Picture of lags: the slope of a forecast's median by each value of the past."""

import numpy as np
from matplotlib.figure import Figure

from sunhwan.inspection.measures.lag_influence import LagInfluence
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures.style import PALETTE, styled
from sunhwan.plots import SOFT


@styled
def draw_lags(lags: LagInfluence, words: Phrases) -> Figure:
    """Draw a panel for each step ahead: the mean slope as bars, the mean of its size as a line."""
    figure = Figure(figsize=(7, 0.6 + 1.5 * len(lags.ahead)), layout="constrained")
    panels = figure.subplots(len(lags.ahead), 1, sharex=True, squeeze=False)[:, 0]
    places = np.array(lags.lags)
    for number, (axes, ahead) in enumerate(zip(panels, lags.ahead, strict=True)):
        if lags.season > 1:
            for season in range(lags.season, places[-1] + 1, lags.season):
                axes.axvline(season, color=SOFT, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
        axes.axhline(0, color=SOFT, linewidth=0.6, zorder=0)
        axes.bar(
            places, lags.slopes[number], width=0.8, color=PALETTE[0], label=words("lags.slope")
        )
        axes.plot(
            places, lags.sizes[number], color=PALETTE[1], linewidth=1, label=words("lags.size")
        )
        axes.set_title(words("lags.ahead", ahead=words.count(ahead)))
    panels[0].legend(loc="upper center", ncols=2)
    panels[-1].set_xlim(places[-1] + 1, 0)
    panels[-1].set_xlabel(words("lags.x"))
    return figure
