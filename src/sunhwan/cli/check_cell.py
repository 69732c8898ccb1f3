"""`sunhwan check-cell`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sunhwan.cli.output import echo, echo_json
from sunhwan.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from sunhwan.cells import Cell
    from sunhwan.laws import Verdict

MARKS = {True: "✓", False: "✗", None: "–"}


def check_cell(
    cell: Annotated[
        str | None, typer.Argument(help="A cell by its name, or FILE.py:CLASS.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All the cells of sunhwan.")] = False,
    program: Annotated[
        bool, typer.Option("--program", help="Print the step as equations, and check nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check a cell against the laws of recurrence: gradients, batches, resets, padding and more.

    The exit code is 1 when a law is broken.
    """
    if program:
        _print_programs(_cells(cell, every), as_json)
        return
    from sunhwan.cli.terminal import console
    from sunhwan.laws import check

    found: dict[str, list[Verdict]] = {}
    for name, one in _cells(cell, every).items():
        found[name] = check(one, name)
        if every and not as_json:
            console(stderr=True).print(f"{name}: {_summary(found[name])}")
    passed = not any(v.passed is False for verdicts in found.values() for v in verdicts)
    if as_json:
        cells = [
            {"cell": name, "passed": all(v.passed is not False for v in verdicts)}
            | {"laws": [v._asdict() for v in verdicts]}
            for name, verdicts in found.items()
        ]
        echo_json({"passed": passed, "cells": cells})
    else:
        out = console()
        out.print(_overview(found) if every else _table(*found.values()))
        for name, verdicts in found.items():
            for line in _failures(name, verdicts) if every else _broken(verdicts):
                out.print(line)
            if not every:
                out.print(f"{name}: {_summary(verdicts)}")
    if not passed:
        raise typer.Exit(1)


def _cells(name: str | None, every: bool) -> Mapping[str, "Cell"]:
    """The cells that were asked for, by name."""
    from sunhwan.cells import CELLS, get_cell, own_cell

    if every == (name is not None):
        raise UsageError("name one cell to check, or --all and none: sunhwan check-cell gru")
    if name is None:
        return CELLS
    name = own_cell(name) if ".py" in name else name
    return {name: get_cell(name)}


def _print_programs(cells: Mapping[str, "Cell"], as_json: bool) -> None:
    """The programs of cells as equations; what cannot be traced is refused."""
    from sunhwan.program import step_equations

    found = {name: step_equations(cell) for name, cell in cells.items()}
    if as_json:
        echo_json(found)
        return
    for number, (name, lines) in enumerate(found.items()):
        head = [*[""] * (number > 0), f"{name}:"] if len(found) > 1 else []
        echo("\n".join([*head, *lines]))


def _summary(verdicts: Sequence["Verdict"]) -> str:
    counts = {mark: sum(v.passed is mark for v in verdicts) for mark in MARKS}
    words = [f"{counts[True]} laws hold"]
    words += [f"{counts[False]} broken"] if counts[False] else []
    words += [f"{counts[None]} not applicable"] if counts[None] else []
    return ", ".join(words)


def _table(verdicts: Sequence["Verdict"]) -> "Table":
    """Law by law, with the numbers."""
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(overflow="fold")
    for verdict in verdicts:
        table.add_row(verdict.law, MARKS[verdict.passed], verdict.detail)
    return table


def _overview(found: Mapping[str, Sequence["Verdict"]]) -> "Table":
    """Laws down, cells across, their names written downwards."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("law", no_wrap=True, vertical="bottom")
    for name in found:
        table.add_column("\n".join(name), vertical="bottom")
    for line in zip(*found.values(), strict=True):
        table.add_row(line[0].law, *(MARKS[verdict.passed] for verdict in line))
    return table


def _broken(verdicts: Sequence["Verdict"]) -> list[str]:
    """What the broken laws say."""
    from sunhwan.laws import LAWS

    broken = {verdict.law for verdict in verdicts if verdict.passed is False}
    return [f"✗ {law.name}: {law.statement}" for law in LAWS if law.name in broken]


def _failures(name: str, verdicts: Sequence["Verdict"]) -> list[str]:
    """A line for every law that a cell breaks."""
    return [f"✗ {name}, {v.law}: {v.detail}" for v in verdicts if v.passed is False]
