"""The terminal as rich sees it."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: no markup, no highlighting, no wrapping."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def passing_bar(console: Console, *, quiet: bool = False) -> Progress:
    """A bar with its share and a description, which leaves nothing behind; none in a pipe."""
    return Progress(
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.description}", markup=False),
        console=console,
        refresh_per_second=4,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
