"""What one sees while a model learns: a live line in a terminal, plain lines elsewhere."""

import math
import time
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from sunhwan.cli.terminal import visible
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


def _share(report: StepReport) -> float:
    if report.total:
        return report.step / report.total
    return min(report.seconds / report.budget_seconds, 1.0) if report.budget_seconds else 0.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _figures(report: StepReport, loss: float, left: float | None, writes: bool) -> str:
    total = f"/{report.total}" if report.total else ""
    clipped = " clipped" if report.clipped else ""
    eta = "" if left is None else f"  {_clock(left)} left"
    perplexity = f"perplexity {math.exp(min(loss, 99)):.2f}  " if writes else ""
    return (
        f"step {report.step}{total}  loss {loss:.3f}  {perplexity}"
        f"gradient {report.grad_norm:.2f}{clipped}  {report.tokens_per_second:,.0f} tokens/s{eta}"
    )


BESIDE = ("task", "corpus", "parameters", "device", "step")


def _data(facts: dict[str, Any]) -> str:
    """What a task tells of its data: "1,000 examples, vocabulary of 60 characters"."""
    told = {k: v for k, v in facts.items() if k not in BESIDE}
    return ", ".join(f"{v:,} {k}" if isinstance(v, int) else f"{k} of {v}" for k, v in told.items())


class _Watching(Reporter):
    def __init__(self, console: Console) -> None:
        self.console = console
        self._loss = _Smoothed()
        self._begun: tuple[float, int] | None = None
        self._writes = False

    def begin(self, facts: dict[str, Any]) -> None:
        self._writes = TASKS[facts["task"]].loss_of_tokens
        resumed = f", from step {facts['step']:,}" if facts["step"] else ""
        self.console.print(
            f"{facts['corpus']}: {_data(facts)}; {facts['parameters']:,} parameters on "
            f"{facts['device']}{resumed}"
        )

    def validated(self, step: int, scores: Scores, improved: bool) -> None:
        self.console.print(
            f"step {step}: validation {scores.summary()}" + ("  (best, kept)" if improved else "")
        )

    def say(self, message: str) -> None:
        self.console.print(message)

    def _left(self, report: StepReport) -> float | None:
        """Seconds to the end at the pace since this process began."""
        if self._begun is None:
            self._begun = (report.seconds, report.step)
        seconds, step = self._begun
        if not report.total or report.step == step:
            return report.budget_seconds and max(report.budget_seconds - report.seconds, 0.0)
        return (report.seconds - seconds) / (report.step - step) * (report.total - report.step)


class LiveReporter(_Watching):
    """A bar that moves, with validations and samples scrolling above it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
            refresh_per_second=4,
        )
        self._task: TaskID | None = None

    def begin(self, facts: dict[str, Any]) -> None:
        super().begin(facts)
        self._progress.start()
        self._task = self._progress.add_task("training", total=1.0, figures="")

    def step(self, report: StepReport) -> None:
        assert self._task is not None
        figures = _figures(report, self._loss.update(report.loss), self._left(report), self._writes)
        self._progress.update(self._task, completed=_share(report), figures=figures)

    def sample(self, text: str) -> None:
        self.console.print(
            Panel(Text(visible(text)), title="a sample", title_align="left"), soft_wrap=False
        )

    def end(self) -> None:
        self._progress.stop()


class PlainReporter(_Watching):
    """A line now and then, for logs and pipes."""

    def __init__(self, console: Console, seconds: float = 5.0) -> None:
        super().__init__(console)
        self._every, self._next = seconds, 0.0

    def step(self, report: StepReport) -> None:
        loss = self._loss.update(report.loss)
        left = self._left(report)
        now = time.monotonic()
        if now >= self._next or report.step == report.total:
            figures = _figures(report, loss, left, self._writes)
            self.console.print(f"{100 * _share(report):3.0f}%  {figures}")
            self._next = now + self._every

    def sample(self, text: str) -> None:
        for line in text.splitlines():
            self.console.print(f"  │ {line}")
