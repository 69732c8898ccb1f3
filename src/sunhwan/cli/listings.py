"""Listings on the terminal: tables for people, and how a model does beside baselines."""

from typing import TYPE_CHECKING

from sunhwan.cli.language import language, named_figure, noted, say

if TYPE_CHECKING:
    from sunhwan.tasks import Baselines, Listing, Task


def show_listing(listing: "Listing") -> None:
    """Print a table with its title."""
    from rich.table import Table
    from rich.text import Text

    from sunhwan.cli.terminal import console, visible
    from sunhwan.messages.mistakes import place_of

    table = Table(title=noted(named_figure(listing.title)), title_justify="left", box=None)
    for name in listing.columns:
        table.add_column(Text(visible(named_figure(name))), overflow="fold")
    places = listing.columns[0] == "where"
    for row in listing.rows:
        first = place_of(row[0], language()) if places else named_figure(row[0])
        table.add_row(*(Text(visible(first)), *(Text(visible(c)) for c in row[1:])))
    console().print("")
    console().print(table)


def show_baselines(found: "Baselines", task: "Task | type[Task]") -> None:
    """Print the figures of simple methods beside the model's; where one is ahead, what to try."""
    from sunhwan.cli.terminal import console

    show_listing(found.listing())
    for note in found.notes:
        console().print(noted(note))
    if found.better:
        advice = task.advice[("en", "ko").index(language())]
        console().print(say("baseline_better", name=named_figure(found.better[0]), advice=advice))
