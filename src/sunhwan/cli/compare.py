"""`sunhwan compare`."""

import datetime
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunhwan.cli.language import named_figure, noted, say
from sunhwan.cli.options import ConfigFile
from sunhwan.cli.output import echo_json
from sunhwan.cli.own_cell import name_cells, own_files
from sunhwan.cli.processes import alone
from sunhwan.cli.train import Json, Quiet, named_settings, settings_of
from sunhwan.config import parse_assignment
from sunhwan.errors import UsageError, quoted

if TYPE_CHECKING:
    from sunhwan.comparison import Measured, Variant
    from sunhwan.tasks import Baselines
    from sunhwan.training import Result

Listed = list[str] | None

# What `compare` and `tune` take for their runs as `train` does for its own.
Test = Annotated[
    str | None, typer.Option(help="A file to measure on; left out: what the runs validate on.")
]
TaskName = Annotated[str | None, typer.Option("--task", help="As of `train`.")]
Inputs = Annotated[Listed, typer.Option("--input", help="As of `train`.")]
Target = Annotated[Listed, typer.Option("--target", help="As of `train`.")]
Minutes = Annotated[float | None, typer.Option(help="Training time of a run.")]
Steps = Annotated[int | None, typer.Option(help="Steps of a run.")]
Epochs = Annotated[float | None, typer.Option(help="Passes over the data of a run.")]
Assignments = Annotated[
    Listed, typer.Option("--set", help="section.key=value for any setting, as of `train`.")
]


def compare(
    what: Annotated[
        Listed,
        typer.Argument(help="What `train` reads; or run folders, to compare what is trained."),
    ] = None,
    cell: Annotated[
        Listed,
        typer.Option(help="Cells, such as elman,gru,lstm; FILE.py:CLASS is one of your own."),
    ] = None,
    hidden_size: Annotated[str | None, typer.Option(help="Hidden sizes, such as 32,128.")] = None,
    parameters: Annotated[
        str | None,
        typer.Option(help="Parameters that each model has, about, such as 200k: H follows."),
    ] = None,
    vary: Annotated[
        Listed, typer.Option(help="section.key=A,B: values of any other setting.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each, with the seeds 1, 2, …", min=1)] = 1,
    out: Annotated[
        Path | None, typer.Option(help="The folder for runs, table and picture.")
    ] = None,
    test: Test = None,
    task: TaskName = None,
    input_: Inputs = None,
    target: Target = None,
    minutes: Minutes = None,
    steps: Steps = None,
    epochs: Epochs = None,
    config: ConfigFile = None,
    set_: Assignments = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            help="Compare with simple methods, too; a window network is trained for as many steps.",
            show_default=False,
        ),
    ] = True,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a model for each choice and seed, or take finished runs, and compare them on the same rows."""
    runs = _run_folders(what)
    if runs:
        given = {
            "--hidden-size": hidden_size, "--parameters": parameters, "--vary": vary, "--task": task,
            "--input": input_, "--target": target, "--minutes": minutes, "--steps": steps,
            "--epochs": epochs, "--config": config, "--set": set_,
            "--seeds": seeds if seeds > 1 else None,
        }  # fmt: skip
        unused = [name for name, value in given.items() if value is not None]
        if unused or (cell and not own_files(cell) == cell):
            raise UsageError(
                f"{(unused or ['--cell'])[0]}: {runs[0]} is trained already, so this has no effect: "
                "leave it out, or name what to learn from in the place of runs"
            )
        name_cells(cell)
        from sunhwan.comparison import compare_runs

        found = compare_runs({str(run): [run] for run in runs}, test or "")
        _finish(found, out, as_json, _simple(found, test, baselines))
        return
    alone()
    options = named_settings(task, input_, target, None)
    settings = settings_of(what, options, (minutes, steps, epochs), config, set_)
    axes: dict[str, list[Any]] = {}
    if cell:
        axes["model.cell"] = name_cells(
            [name for value in cell for name in _several(value, "--cell")]
        )
    if hidden_size:
        axes["model.hidden_size"] = [whole(v, "--hidden-size") for v in _several(hidden_size)]
    for assignment in vary or ():
        name, value = parse_assignment(assignment)
        axes[name] = [parse_assignment(f"{name}={v}")[1] for v in _several(str(value), "--vary")]
    if parameters and hidden_size:
        raise UsageError(
            "give either --parameters or --hidden-size: the one follows from the other"
        )

    from sunhwan.comparison import Plan, cross, train_all, with_parameters

    variants = cross(axes)
    if parameters:
        variants = with_parameters(variants, settings, whole(parameters, "--parameters"))
    plan = Plan(settings, variants, range(1, seeds + 1))
    folder = out or Path("comparisons") / f"{datetime.datetime.now():%Y%m%d-%H%M%S}"
    begun = _begun(len(variants) * seeds, quiet or as_json)
    results = train_all(plan, folder, begun=begun, own_process=True)
    found = measure(results, folder, seeds, test)
    _finish(found, folder, as_json, _simple(found, test, baselines))


def _run_folders(what: Listed) -> list[Path]:
    """The arguments as run folders; none where they are something to learn from."""
    runs = [Path(name) for name in what or () if (Path(name) / "model" / "config.json").is_file()]
    if runs and len(runs) < len(what or ()):
        other = next(name for name in what or () if Path(name) not in runs)
        raise UsageError(f"{other} is no run folder, as {runs[0]} is: name runs alone, or none")
    if len(runs) == 1:
        raise UsageError(f"{runs[0]} is one run: name two or more to compare")
    return runs


def _several(text: str, option: str = "--hidden-size") -> list[str]:
    values = [value.strip() for value in text.split(",")]
    if not all(values):
        raise UsageError(f"{option} {quoted(text)}: a value is missing beside a comma")
    return values


def whole(text: str, option: str) -> int:
    """A whole number above 0, also as 200k or 1.5M."""
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        value = float(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        value = 0.0
    if not (0 < value < 1e12 and value == int(value)):
        raise UsageError(
            f"{option} {quoted(text)}: give a whole number above 0, such as 128 or 200k"
        )
    return int(value)


def _begun(count: int, quiet: bool) -> "Callable[[Variant, int], None]":
    from sunhwan.cli.terminal import console

    number = 0

    def show(variant: "Variant", seed: int) -> None:
        nonlocal number
        number += 1
        if not quiet:
            told = say("variant", number=number, count=count, name=variant.name, seed=seed)
            console().print(told)

    return show


def measure(
    results: "Mapping[str, list[Result]]", folder: Path, seeds: int, test: str | None
) -> "list[Measured]":
    """Compare what was trained in the folder."""
    if any(len(found) < seeds for found in results.values()):
        raise interrupted(folder)
    from sunhwan.comparison import compare_runs

    runs = {name: [result.run for result in found] for name, found in results.items()}
    return compare_runs(runs, test or "")


def interrupted(folder: Path) -> UsageError:
    """The error of a command that was stopped by Ctrl-C and can go on."""
    return UsageError(f"interrupted: the same command with --out {folder} goes on")


def keep(found: "list[Measured]", out: Path, simple: "Baselines | None" = None) -> None:
    """Write a comparison to comparison.json and comparison.png in the folder."""
    from sunhwan.atomic import write_text
    from sunhwan.plots import draw_comparison

    out.mkdir(parents=True, exist_ok=True)
    values = json.dumps(_values(found, simple), ensure_ascii=False, indent=1)
    write_text(out / "comparison.json", values)
    drawn = [{"name": m.name, "curves": m.curves, "losses": m.figures["loss"]} for m in found]
    draw_comparison(drawn, out / "comparison.png", simple.losses if simple else {})


def _values(found: "list[Measured]", simple: "Baselines | None") -> dict[str, Any]:
    beside = {} if simple is None else {"baselines": simple.to_dict()}
    return {"variants": [measured.to_dict() for measured in found], **beside}


def _simple(
    found: "list[Measured]", test: str | None, wanted: bool
) -> "tuple[Baselines | None, str]":
    """What simple methods reach, or why that is not known."""
    if not wanted:
        return None, ""
    from sunhwan.cli.terminal import watched
    from sunhwan.comparison import beside

    try:
        with watched():
            return beside(found[0], test or ""), ""
    except UsageError as error:
        return None, str(error)


def _finish(
    found: "list[Measured]", out: Path | None, as_json: bool, simple: "tuple[Baselines | None, str]"
) -> None:
    from sunhwan.cli.listings import show_baselines
    from sunhwan.cli.terminal import console
    from sunhwan.store import Run
    from sunhwan.tasks import TASKS

    beside, reason = simple
    if out:
        keep(found, out, beside)
    if as_json:
        echo_json(_values(found, beside))
        return
    show(found)
    if beside:
        show_baselines(beside, TASKS[Run.open(found[0].runs[0]).config().task.name])
    elif reason:
        console().print(noted(reason))
    if out:
        console().print(say("everything", folder=out))


def show(found: "list[Measured]") -> None:
    """Print a comparison as a table."""
    from rich.table import Table
    from rich.text import Text

    from sunhwan.cli.terminal import console, visible

    table = Table(box=None)
    table.add_column("", overflow="fold")
    out_ = console()
    shown = [name for name in found[0].figures if name != "perplexity"]
    shown = shown[: 3 if out_.width >= WIDE else 2]
    names = [name.replace("_", " ").replace(" f1", " F1") for name in shown]
    for name in ("parameters", *names, "seconds"):
        table.add_column(named_figure(name), justify="right")
    table.add_column(say("behind"), justify="right", no_wrap=True)
    for measured in found:
        table.add_row(
            Text(visible(measured.name)), f"{measured.parameters:,}",
            *(_figure(measured, name) for name in shown),
            f"{measured.seconds:,.0f}", _behind(measured),
        )  # fmt: skip
    out_.print(table)
    out_.print(say("behind_means"))


WIDE = 100
"""Characters of a terminal that has room for a third figure."""


def _figure(measured: "Measured", name: str) -> str:
    spread = measured.spread(name)
    mean = f"{measured.mean(name):.4f}"
    return mean if spread is None else f"{mean}±{spread:.3f}"


def _behind(measured: "Measured") -> str:
    if measured.difference is None:
        return ""
    difference, low, high = measured.difference
    return f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]"
