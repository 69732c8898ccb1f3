"""The live line: what is shown first, whole, and never backwards."""

import dataclasses
import io
import itertools
import os
import select
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sunhwan.cli.live_line import LinePart, LiveLine, RunProgress, clock
from sunhwan.cli.progress import LiveReporter, PlainReporter
from sunhwan.training.reporter import StepReport
from tests.conftest import TINY
from tests.tiers import and_deep

REPORT = StepReport(
    step=0, total=None, loss=3.0, grad_norm=1.0, clipped=True, learning_rate=0.01, epoch=0.0,
    seconds=0.0, tokens_per_second=12_345.6, budget_seconds=None,
)  # fmt: skip
PARTS = [
    LinePart("1:05 left"),
    LinePart("loss 1.234"),
    LinePart("perplexity 12.34"),
    LinePart("step 1,234/5,678"),
]


def shown(reports: list[StepReport]) -> list[tuple[float, float | None]]:
    progress, found = RunProgress(), []
    for report in reports:
        progress.update(report)
        found.append((progress.share, progress.left))
    return found


def test_a_budget_of_time_never_runs_backwards() -> None:
    """Whatever becomes of the plan of steps: first far too long, then too short."""
    totals = [None] * 5 + [40] * 20 + [90] * 35
    reports = [
        dataclasses.replace(
            REPORT, step=step, total=total, seconds=float(step), budget_seconds=60.0
        )
        for step, total in enumerate(totals, 1)
    ]
    found = shown(reports)
    assert found[29] == (0.5, 30.0)
    assert all(0 < a[0] < b[0] <= 1 for a, b in itertools.pairwise(found))
    lefts = [left for _, left in found if left is not None]
    assert lefts == sorted(lefts, reverse=True)
    assert lefts[0] < 60


def test_a_budget_of_steps_tells_the_time_when_the_pace_is_known() -> None:
    """A slow first step says nothing, and a pause does not turn the clock back."""
    seconds = [20.0 + step + (30 if step > 60 else 0) for step in range(100)]
    reports = [
        dataclasses.replace(REPORT, step=step + 1, total=100, seconds=seconds[step])
        for step in range(100)
    ]
    found = shown(reports)
    assert found[0] == (0.01, None)
    assert found[10] == (0.11, pytest.approx(89))
    lefts = [left for _, left in found if left is not None]
    assert lefts == sorted(lefts, reverse=True)
    assert found[-1] == (1.0, 0.0)


@pytest.mark.parametrize("width", [8, 20, 40, 60, 80, 120])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_bar_percent_and_time_come_first_and_parts_are_whole(width: int, ascii_only: bool) -> None:
    text = LiveLine(0.5, PARTS).fitted(width, ascii_only=ascii_only).plain
    assert cell_len(text) <= width
    assert text.isascii() == ascii_only
    assert " 50%" in text
    rest = text.split("%", 1)[1]
    told = [part.text for part in PARTS if part.text in rest]
    assert rest.split() == " ".join(told).split()
    assert ("1:05 left" in told) == (width > 20)
    assert ("step 1,234/5,678" in told) == (width >= 80)


def test_the_clock() -> None:
    assert [clock(s) for s in (0, 65, 3600 + 60)] == ["0:00", "1:05", "1:01:00"]


def test_a_pipe_gets_plain_lines() -> None:
    out = io.StringIO()
    reporter = PlainReporter(Console(file=out, width=80, soft_wrap=True), seconds=0.0)
    facts = {"task": "language_model", "corpus": "a", "parameters": 3, "device": "cpu", "step": 0}
    reporter.begin(facts)
    reporter.step(dataclasses.replace(REPORT, step=1, total=4, loss=900.0))
    assert out.getvalue().splitlines()[1] == (
        " 25%  loss 900.000  perplexity 1.0e+304  step 1/4  12,346 tokens/s  gradient 1.00 clipped"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo terminal")
@pytest.mark.parametrize("width", and_deep([60], [80]))
def test_in_a_terminal_no_word_is_broken(text_file: Path, tmp_path: Path, width: int) -> None:
    import fcntl
    import pty
    import termios

    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    arguments = ["train", text_file, "--out", tmp_path / "run", "--steps=40", *TINY]
    # These would be believed before the terminal is.
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "LANG")}
    process = subprocess.Popen(
        [sys.executable, "-m", "sunhwan", *map(str, arguments)],
        stdin=its, stdout=its, stderr=its, env=environment | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(its)
    told = b""
    end = time.monotonic() + 300
    while (time.monotonic() < end and process.poll() is None) or select.select([mine], [], [], 0)[
        0
    ]:
        try:
            told += os.read(mine, 4096) if select.select([mine], [], [], 0.1)[0] else b""
        except OSError:  # of a terminal whose other side is closed
            break
    os.close(mine)
    assert process.wait(30) == 0
    screen = Console(file=io.StringIO(), width=width)
    lines = Text.from_ansi(told.decode().replace("\r", "\n")).plain.split("\n")
    assert [line for line in lines if cell_len(line.rstrip()) > screen.width] == []
    bars = [line for line in lines if "━" in line and "%" in line]
    assert "100%" in bars[-1]
    assert "0:00 left" in bars[-1]
    words = " ".join(" ".join(lines).split())
    assert "40 steps, 1,280 tokens" in words
    assert "perplexity" in words


def test_the_live_line_stops_with_the_training() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True)
    reporter = LiveReporter(console)
    reporter.begin(
        {"task": "tag", "corpus": "a", "parameters": 3, "device": "cpu", "step": 0, "sequences": 2}
    )
    reporter.step(dataclasses.replace(REPORT, step=4, total=4))
    reporter.end()
    told = Text.from_ansi(out.getvalue()).plain
    assert "100%  0:00 left  loss 3.000" in told
    assert "perplexity" not in out.getvalue()
