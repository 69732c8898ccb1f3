"""The terminal as rich sees it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from sunhwan.errors import printable

PIPE_WIDTH = 1000
"""Columns of a table that no terminal shows: as many as it needs."""


def visible(text: str) -> str:
    """The text with escapes for what cannot be seen, but for the ends of lines and tabs.

    What files and models say must not move the cursor or colour the terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" else printable(c) for c in text)


def shown(text: str) -> str:
    """What to print on standard output: `visible` in a terminal, and elsewhere, as data, as it is."""
    return visible(text) if sys.stdout.isatty() else text


class _Console(Console):
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def on_broken_pipe(self) -> None:
        """Print nothing more where the reader has left (`| head`): a training goes on all the same."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: no markup, no highlighting; in a terminal lines are broken
    between words, in a pipe not at all."""
    made = _Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    made.soft_wrap = not made.is_terminal
    if made.soft_wrap:
        made.width = PIPE_WIDTH
    return made


def passing_bar(console: Console, *, quiet: bool = False) -> Bar:
    """A bar with its share and a description, which leaves nothing behind; none in a pipe."""
    return Bar(
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.description}", markup=False),
        console=console,
        refresh_per_second=4,
        transient=True,
        disable=quiet or not console.is_terminal,
    )


@contextmanager
def watched() -> Iterator[None]:
    """Show on stderr how far the work inside is, and how long it takes yet; nothing is left of it."""
    from sunhwan.cli.live_line import ReadingPace
    from sunhwan.progress import Progress, listening

    pace = ReadingPace()
    with passing_bar(console(stderr=True)) as bar:
        task = bar.add_task("", total=1.0, visible=False)

        def told(progress: Progress) -> None:
            what = "  ".join(part.text for part in pace.parts(progress))
            bar.update(task, completed=progress.share, description=what, visible=True)

        with listening(told):
            yield
