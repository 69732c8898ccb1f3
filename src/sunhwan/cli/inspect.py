"""`sunhwan inspect`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunhwan.cli.language import language as chosen_language
from sunhwan.cli.output import echo, echo_json
from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from sunhwan.inspection.report.contents import Report

BEST = 5
"""So many probes are told of at the end."""


def inspect(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    text: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files for the model to read; left out: what the run kept for validation."
        ),
    ] = None,
    with_: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Another run, whose gradient flow is drawn beside it."),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            help="FILE.py:FUNCTION, text → a number a character, to be looked for in the units too: "
            "the file is run."
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(help="Of the report: en or ko; left out: that of this computer."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder for the report instead of RUN/inspect.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Tokens to look for features in (400,000).")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Read less of everything, for a first look.")
    ] = False,
    cell: Cells = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The figures as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Nothing on the way, and the path alone at the end."),
    ] = False,
) -> None:
    """Look inside a model: gradients, memory, spectrum, units, attention, as a page with pictures."""
    from sunhwan.atomic import check_folder_writable
    from sunhwan.cli.terminal import console
    from sunhwan.inspection.features import load_feature
    from sunhwan.inspection.report.build import inspect as look_inside
    from sunhwan.inspection.report.contents import QUICK, InspectionLimits
    from sunhwan.inspection.report.phrases import Phrases
    from sunhwan.inspection.report.write import check_folder, write_report
    from sunhwan.store import Run

    words = Phrases(language or chosen_language())
    if limit is not None and limit < 1:
        raise UsageError(f"--limit must be at least 1, not {limit}")
    limits = QUICK if quick else InspectionLimits()
    if limit is not None:
        limits = limits._replace(tokens=limit)
    folder = out or Run(run).report_folder
    if out is None and run.is_dir() and not (run / "config.toml").exists():
        raise UsageError(f"{run} is no run folder: say with --out where the report is to go")
    check_folder(folder)
    check_folder_writable(folder)
    name_cells(cell)
    features = [load_feature(spec) for spec in feature or ()]
    target = console(stderr=True)
    with _progress(target, words.language, quiet or as_json) as told:
        report = look_inside(
            run, text or (), others=with_ or (), features=features, limits=limits, progress=told
        )
        page = write_report(report, folder, words.language)
    if as_json:
        echo_json({**figures(report), "report": str(page)})
    elif quiet:
        echo(page)
    else:
        for line in _found(report, words.language):
            console().print(line)
        console().print(words("about.path", path=page))


def figures(report: "Report") -> dict[str, Any]:
    """The figures of a report: what one compares with those of another model."""
    from sunhwan.inspection.json_values import json_values

    about, flow, probes = report.about, report.flow, report.probes
    memory, spectrum, clipping = report.memory, report.spectrum, report.clipping
    return {
        "name": about.name,
        "task": about.task,
        "parameters": about.parameters,
        "horizons": [
            {name: getattr(curve, name) for name in (*PLACE, "field", "horizon")}
            for curve in (flow.curves if flow else ())
        ],
        "clipped_share": json_values(clipping.clipped / clipping.steps) if clipping else None,
        "used_context": memory.used if memory else None,
        "losses": json_values(dict(zip(memory.contexts, memory.mean, strict=True)))
        if memory
        else None,
        "radii": [
            json_values({name: getattr(one, name) for name in (*PLACE, "gate", "radius")})
            for one in (spectrum.matrices if spectrum else ())
        ],
        "probes": [
            json_values({name: getattr(one, name) for name in PROBE})
            for one in (probes.results if probes else ())
            if one.passed
        ],
        "missing": report.missing,
        "seconds": about.seconds,
    }


PLACE = ("stack", "layer", "direction")

PROBE = ("feature", *PLACE, "field", "index", "score", "chance")


def _found(report: "Report", language: str) -> Iterator[str]:
    """What was found, in some lines."""
    from sunhwan.inspection.report.lead_sentences import flow_lead, memory_lead
    from sunhwan.inspection.report.phrases import Phrases

    words = Phrases(language, report.about.directions)
    if report.flow:
        yield flow_lead(report.flow, words)
    if report.memory:
        yield memory_lead(report.memory, words)
    for one in (report.probes.results if report.probes else ())[:BEST]:
        if one.passed:
            scores = f"{one.score:.2f} ({words('probes.chance')} {one.chance:.2f})"
            yield f"{words.feature(one)}: {words.unit_name(one)}, {scores}"
    for name, reason in report.missing.items():
        yield f"{name}: {words('missing', reason=reason)}"


@contextmanager
def _progress(
    console: "Console", language: str, quiet: bool
) -> Iterator[Callable[[str, float], None]]:
    """A bar that names the section at work; in a pipe a line as each begins."""
    from sunhwan.cli.terminal import passing_bar
    from sunhwan.inspection.report.phrases import Phrases

    words, begun = Phrases(language), set[str]()
    bar = passing_bar(console, quiet=quiet)
    task = bar.add_task("", total=1.0)

    def told(section: str, done: float) -> None:
        title = words(f"{section}.title")
        bar.update(task, completed=done, description=title)
        if section not in begun and not quiet and not console.is_terminal:
            console.print(f"{100 * done:3.0f}%  {title}")
        begun.add(section)

    with bar:
        yield told
