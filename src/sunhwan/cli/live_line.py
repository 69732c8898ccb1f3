"""Live line of a training: bar, percent and time left first, then whatever else fits as a whole."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from sunhwan.cli.language import say
from sunhwan.progress import Progress
from sunhwan.training.reporter import StepReport

WIDEST_BAR, NARROWEST_BAR = 24, 8
SETTLED = 0.02, 3.0
"""The share of the steps, or the seconds, after which the pace tells the time left."""


class LinePart(NamedTuple):
    """One figure of the line and its style."""

    text: str
    style: str = ""


@dataclass
class RunProgress:
    """How far a run is, in shares and seconds, which as shown never run backwards.

    Of a budget on the clock the clock tells both, whatever becomes of the plan of steps.
    """

    share: float = 0.0
    left: float | None = None
    _begun: tuple[float, int] | None = None

    def update(self, report: StepReport) -> None:
        """Take note of a step."""
        seconds, step = self._begun = self._begun or (report.seconds, report.step)
        left = None
        if report.budget_seconds:
            share = min(report.seconds / report.budget_seconds, 1.0)
            left = max(report.budget_seconds - report.seconds, 0.0)
        else:
            share = report.step / report.total if report.total else 0.0
            done, took = report.step - step, report.seconds - seconds
            if report.total and done and (took > SETTLED[1] or done > SETTLED[0] * report.total):
                left = took / done * (report.total - report.step)
        if report.step == report.total:
            share, left = 1.0, 0.0
        self.share = max(self.share, share)
        if left is not None:
            self.left = left if self.left is None else min(self.left, left)


class ReadingPace:
    """The time left of long work outside a training, by its pace since it began."""

    def __init__(self) -> None:
        self._what, self._begun, self._share = "", 0.0, 0.0

    def left(self, what: str, share: float) -> float | None:
        """Seconds; None while the pace is unknown."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._begun, self._share = what, now, share
        done = share - self._share
        if done < SETTLED[0]:
            return None
        return (now - self._begun) / done * (1 - share)

    def parts(self, report: Progress) -> list[LinePart]:
        """The time left, where it is known, and what is being done."""
        left = self.left(report.what, report.share)
        time = (
            [] if left is None else [LinePart(say("left", time=clock(left)), "progress.remaining")]
        )
        return [*time, LinePart(say(f"reading.{report.what}"))]


@dataclass
class LiveLine:
    """The line that is redrawn during a training; each part is shown whole or not at all."""

    share: float = 0.0
    parts: Sequence[LinePart] = field(default_factory=tuple)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.fitted(options.max_width, ascii_only=options.ascii_only)

    def fitted(self, width: int, *, ascii_only: bool = False) -> Text:
        """The line in at most so many columns."""
        percent = f"{int(100 * self.share):3d}%"
        bar = min(WIDEST_BAR, max(NARROWEST_BAR, width // 6))
        line = self._bar(min(bar, max(width - len(percent) - 1, 0)), ascii_only)
        line.append(f" {percent}")
        for text, style in self.parts:
            part = Text(f"  {text}", style)
            if line.cell_len + part.cell_len < width:
                line.append_text(part)
        line.truncate(width)
        return line

    def _bar(self, width: int, ascii_only: bool) -> Text:
        done = int(width * self.share)
        full, rest = ("#", "-") if ascii_only else ("━", "─")
        style = "bar.finished" if self.share >= 1 else "bar.complete"
        return Text().append(full * done, style).append(rest * (width - done), "bar.back")


def clock(seconds: float) -> str:
    """Seconds as 1:05 or 2:00:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
