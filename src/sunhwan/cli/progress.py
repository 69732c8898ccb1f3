"""Progress of training: a live line in a terminal, plain lines elsewhere."""

import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from sunhwan import progress
from sunhwan.cli.language import named_figure, noted, say, summary_of
from sunhwan.cli.live_line import LinePart, LiveLine, ReadingPace, RunProgress, clock
from sunhwan.cli.terminal import visible
from sunhwan.metrics import perplexity_text
from sunhwan.tasks import TASKS, Scores
from sunhwan.training.reporter import Reporter, StepReport

SMOOTHING = 0.98


class _Smoothed:
    """A running mean of the loss, right from the first step."""

    def __init__(self) -> None:
        self._sum = self._weight = 0.0

    def update(self, value: float) -> float:
        self._sum = SMOOTHING * self._sum + value
        self._weight = SMOOTHING * self._weight + 1
        return self._sum / self._weight


def _figures(report: StepReport, loss: float, left: float | None, writes: bool) -> list[LinePart]:
    """What is told of a step, the most important first."""
    parts = [] if left is None else [LinePart(say("left", time=clock(left)), "progress.remaining")]
    parts.append(LinePart(say("loss", value=f"{loss:.3f}")))
    if writes:
        parts.append(LinePart(say("perplexity", value=perplexity_text(loss))))
    # On a budget of time the number of steps is a plan, which changes.
    total = f"/{report.total:,}" if report.total and not report.budget_seconds else ""
    parts.append(LinePart(say("step", step=f"{report.step:,}{total}")))
    parts.append(LinePart(say("speed", speed=f"{report.tokens_per_second:,.0f}")))
    key = "clipped" if report.clipped else "gradient"
    norm = say(key, norm=f"{report.grad_norm:.2f}")
    parts.append(LinePart(norm, "yellow" if report.clipped else ""))
    return parts


BESIDE = ("task", "corpus", "parameters", "device", "step")


def _data(facts: dict[str, Any]) -> str:
    """What a task tells of its data: "1,000 examples, vocabulary of 60 characters"."""
    told = {k: v for k, v in facts.items() if k not in BESIDE}
    return ", ".join(
        say("count", number=f"{v:,}", name=named_figure(k))
        if isinstance(v, int)
        else say("fact", name=named_figure(k), value=noted(str(v)))
        for k, v in told.items()
    )


class _Watching(Reporter):
    def __init__(self, console: Console) -> None:
        self.console = console
        self._loss = _Smoothed()
        self._progress = RunProgress()
        self._writes = False
        self._reading = ReadingPace()

    def begin(self, facts: dict[str, Any]) -> None:
        self._loss, self._progress = _Smoothed(), RunProgress()
        self._writes = TASKS[facts["task"]].loss_of_tokens
        line = say(
            "begin", corpus=facts["corpus"], data=_data(facts),
            parameters=f"{facts['parameters']:,}", device=facts["device"],
        )  # fmt: skip
        resumed = say("resumed", step=f"{facts['step']:,}") if facts["step"] else ""
        self.console.print(line + resumed)

    def validated(self, step: int, scores: Scores, improved: bool) -> None:
        figures = summary_of(scores.summary())
        line = Text(visible(say("validated", step=f"{step:,}", figures=figures)))
        self.console.print(line.append(f"  {say('best')}", "green") if improved else line)

    def say(self, message: str) -> None:
        self.console.print(noted(message))

    def _told(self, report: StepReport) -> list[LinePart]:
        self._progress.update(report)
        loss = self._loss.update(report.loss)
        return _figures(report, loss, self._progress.left, self._writes)


class LiveReporter(_Watching):
    """A bar that moves, with validations and samples scrolling above it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._line = LiveLine()
        self._live = Live(self._line, console=console, refresh_per_second=4)

    def reading(self, progress: progress.Progress) -> None:
        self._live.start()
        self._line.parts, self._line.share = self._reading.parts(progress), progress.share

    def begin(self, facts: dict[str, Any]) -> None:
        super().begin(facts)
        self._line.parts, self._line.share = (), 0.0
        self._live.start()

    def step(self, report: StepReport) -> None:
        self._line.parts = self._told(report)
        self._line.share = self._progress.share

    def sample(self, text: str) -> None:
        self.console.print(
            Panel(Text(visible(text)), title=say("sample"), title_align="left"), soft_wrap=False
        )

    def end(self) -> None:
        self._live.stop()


class PlainReporter(_Watching):
    """A line now and then, for logs and pipes."""

    def __init__(self, console: Console, seconds: float = 5.0) -> None:
        super().__init__(console)
        self._every, self._next = seconds, 0.0
        self._next_reading = time.monotonic() + seconds

    def reading(self, progress: progress.Progress) -> None:
        parts = self._reading.parts(progress)
        if time.monotonic() >= self._next_reading:
            self._next_reading = time.monotonic() + self._every
            told = "  ".join(part.text for part in parts)
            self.console.print(f"{int(100 * progress.share):3d}%  {told}")

    def step(self, report: StepReport) -> None:
        parts = self._told(report)
        now = time.monotonic()
        if now >= self._next or report.step == report.total:
            figures = "  ".join(part.text for part in parts)
            self.console.print(f"{int(100 * self._progress.share):3d}%  {figures}")
            self._next = now + self._every

    def sample(self, text: str) -> None:
        for line in text.splitlines():
            self.console.print(f"  │ {line}")
