"""The terminal as rich sees it."""

from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: no markup, no highlighting, no wrapping."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
