"""Style of the pictures: colours, fonts, and a figure as SVG or PNG."""

import io
import re
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter

from sunhwan.plots import ACCENT, INK, SOFT, fonts

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a6ff0", "#8c6d31")
"""Told apart also by those who see fewer colours (Okabe and Ito 2008), on white and on black."""

DIVERGING, SEQUENTIAL = "PuOr_r", "Purples"
"""Of values around 0, and of amounts."""

PAPER = "#ffffff"

THEME = {
    INK: "var(--ink)",
    SOFT: "var(--line)",
    ACCENT: "var(--accent)",
    PAPER: "var(--paper)",
    PALETTE[0]: "var(--blue)",
}
"""The colours that follow the page's own where a picture is part of one."""

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": PAPER,
    "lines.linewidth": 1.4,
    "text.parse_math": False,
}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """A function that draws, made to do so in the report's style."""

    @wraps(draw)
    def drawn(*arguments: P.args, **options: P.kwargs) -> Figure:
        with rc_context({**STYLE, "font.family": list(fonts())}):
            return draw(*arguments, **options)

    return drawn


def png(figure: Figure) -> bytes:
    """A figure as a PNG on white."""
    return _saved(figure, "png", dpi=130)


def svg(figure: Figure, name: str) -> str:
    """A figure as an SVG file whose letters are shapes, so that it looks alike without our fonts.

    name: keeps what the file's parts are called apart from those of others in one page.
    """
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        return _saved(figure, "svg", metadata={"Date": None}).decode("utf-8")


def inline(svg_file: str, title: str) -> str:
    """An SVG file as a part of an HTML page, in the colours of the page.

    title: what it shows, for those who do not see it; it must already be escaped.
    """
    found = re.search(r'<svg [^>]*viewBox="([^"]*)"[^>]*>(.*)</svg>', svg_file, re.DOTALL)
    assert found is not None
    box, inside = found.groups()
    inside = re.sub(r"<metadata>.*?</metadata>", "", inside, flags=re.DOTALL)
    inside = re.sub(r"<!--.*?-->", "", inside, flags=re.DOTALL)  # what each label says, as text
    # Its paper is the page's.
    inside = re.sub(r'<g id="patch_1">.*?</g>', "", inside, count=1, flags=re.DOTALL)
    for colour, variable in THEME.items():
        inside = inside.replace(colour, variable)
    width = round(float(box.split()[2]) * 4 / 3)
    return (
        f'<svg class="picture" viewBox="{box}" style="width:{width}px" role="img" '
        f'aria-label="{title}">{inside}</svg>'
    )


def _saved(figure: Figure, form: str, **options: Any) -> bytes:
    for text in figure.findobj(Text):
        text.set_fontfamily(fonts())
    buffer = io.BytesIO()
    with rc_context(STYLE), warnings.catch_warnings():
        # A character for which no font is installed is drawn as a box.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format=form, **options)
    return buffer.getvalue()


def name_decades(axes: Axes) -> None:
    """Name the numbers of a logarithmic axis, and some between them where it spans few decades."""
    low, high = axes.get_ylim()
    few = high / low < 300
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    # Not as powers of ten: their minus sign is in few fonts that hold Hangul.
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def shown(piece: str) -> str:
    """A step's text as the label of a tick: blanks are made visible, what is long is cut."""
    seen = "".join(BLANKS.get(letter, letter) for letter in piece)
    return seen if len(seen) <= 12 else seen[:11] + "…"


BLANKS = {" ": "·", "\n": "↵", "\t": "→"}
