"""`sunhwan lab`: experiments with the cells."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunhwan.cli.help_texts import Command, Group
from sunhwan.cli.lab_grid import grid
from sunhwan.cli.lab_tables import (
    finding,
    gradient_findings,
    gradient_tables,
    lab_say,
    line_of,
    memory_table,
)
from sunhwan.cli.language import language
from sunhwan.cli.output import echo_json
from sunhwan.cli.own_cell import name_cells
from sunhwan.errors import UsageError
from sunhwan.messages import message

if TYPE_CHECKING:
    from rich.console import Console

    from sunhwan.lab.memory import Point, Settings, Watcher

app = typer.Typer(
    cls=Group,
    help="Experiments: what the cells can do, measured.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

QUICK = ("elman", "gru", "lstm", "irnn", "mingru")
"""The cells that are measured when none is named: as many as a coffee break allows."""


@app.callback()
def _lab() -> None:
    pass


@app.command("memory", cls=Command)
def memory(
    task: Annotated[str, typer.Option(help="recall, adding, copy or all.")] = "recall",
    cells: Annotated[
        str,
        typer.Option(
            help="Names or FILE.py:CLASS with commas between, or all.", show_default=",".join(QUICK)
        ),
    ] = "",
    delays: Annotated[
        str, typer.Option(help="Steps with commas between; a cell stops at two failures in a row.")
    ] = "5,10,20,50,100,200,500",
    hidden_size: Annotated[int | None, typer.Option(help="Hidden units (32).")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Training steps of a network at most (1000).")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Sequences of a step (32).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights and sequences (1).")] = None,
    start: Annotated[
        str,
        typer.Option(
            help="How W_h begins: orthogonal, uniform, identity, scaled.",
            show_default="as the cell",
        ),
    ] = "",
    threads: Annotated[int | None, typer.Option(help="Processor threads.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for results.json and memory.png.")] = Path(
        "lab/memory"
    ),
    as_json: Annotated[
        bool, typer.Option("--json", help="End with one JSON object; progress on stderr.")
    ] = False,
) -> None:
    """How far back each cell can remember: networks trained from scratch at ever longer delays.

    Stopped with Ctrl-C, the same command continues where it was.
    """
    from sunhwan.cells import CELLS
    from sunhwan.cli.terminal import console
    from sunhwan.lab.figures import draw_memory
    from sunhwan.lab.memory import Settings, horizons, measure
    from sunhwan.lab.tasks import TASKS

    given: dict[str, Any] = {
        "hidden_size": hidden_size, "steps": steps, "batch_size": batch_size, "seed": seed,
        "start": start,
    }  # fmt: skip
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    chosen = list(QUICK) if not cells else list(CELLS)
    if cells not in ("", "all"):
        chosen = name_cells(_list(cells, "--cells"))
    target = console(stderr=as_json)
    with _threads(threads), _display(target, settings) as watcher:
        try:
            points = measure(
                chosen,
                list(TASKS) if task == "all" else [task],
                [_delay(one) for one in _list(delays, "--delays")],
                settings,
                out,
                watcher,
            )
        except KeyboardInterrupt:
            target.print(lab_say("continues", folder=out))
            raise
    draw_memory(points, settings, out / "memory.png", language())
    if as_json:
        values = {
            "folder": str(out),
            "settings": settings.to_dict(),
            "horizons": [one.to_dict() for one in horizons(points)],
            "points": [one.to_dict() for one in points],
        }
        echo_json(values)
        return
    for name in TASKS:
        if mine := [point for point in points if point.task == name]:
            target.print(memory_table(name, mine))
            target.print(finding(name, mine, settings.start))
    target.print(lab_say("textbook"))
    target.print(message("cli", "everything", language(), folder=out))


@app.command("gradients", cls=Command)
def gradients(
    activations: Annotated[
        str,
        typer.Option("--activation", help="Of an Elman network: tanh, sigmoid, relu, identity."),
    ] = "tanh,sigmoid,relu,identity",
    cells: Annotated[str, typer.Option(help="Further cells, by name or FILE.py:CLASS.")] = "",
    starts: Annotated[
        str,
        typer.Option(
            "--start",
            help="How W_h begins: orthogonal, uniform, identity, scaled.",
        ),
    ] = "orthogonal,uniform",
    scales: Annotated[
        str, typer.Option("--scale", help="What W_h is multiplied with at the start.")
    ] = "1",
    source: Annotated[
        str, typer.Option("--task", help="What is read: text, recall, adding or copy.")
    ] = "text",
    text: Annotated[
        Path | None, typer.Option(help="A text file for --task text; otherwise Korean prose.")
    ] = None,
    lags: Annotated[int | None, typer.Option(help="Steps back that are looked at (100).")] = None,
    hidden_size: Annotated[int | None, typer.Option(help="Hidden units (32).")] = None,
    rows: Annotated[int | None, typer.Option(help="Sequences (16).")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps before the look (0).")] = None,
    clip_norm: Annotated[
        float | None, typer.Option(help="Largest norm of the whole gradient (1.0).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights and sequences (1).")] = None,
    out: Annotated[Path, typer.Option(help="Folder for results.json and gradients.png.")] = Path(
        "lab/gradients"
    ),
    as_json: Annotated[
        bool, typer.Option("--json", help="End with one JSON object; the table on stderr.")
    ] = False,
) -> None:
    """How long a gradient stays, and what each step adds to the gradient of W_h."""
    import json

    from sunhwan.cli.terminal import console
    from sunhwan.lab.gradient_figures import draw_gradients
    from sunhwan.lab.gradients import GradientSettings, take_apart, variants
    from sunhwan.store import write_text
    from sunhwan.text import load_corpus

    given: dict[str, Any] = {
        "lags": lags, "hidden_size": hidden_size, "rows": rows, "steps": steps,
        "clip_norm": clip_norm, "seed": seed,
    }  # fmt: skip
    settings = GradientSettings(
        source, **{name: value for name, value in given.items() if value is not None}
    )
    named = name_cells(_list(cells, "--cells")) if cells else []
    chosen = variants(
        _list(activations, "--activation") if activations else [],
        named,
        _list(starts, "--start") if starts else [],
        [_number(one) for one in _list(scales, "--scale")],
    )
    if not chosen:
        raise UsageError("nothing is measured: name an --activation or --cells")
    read = ""
    if source == "text":
        corpus = load_corpus(("korean",) if text is None else (str(text),))
        read = "\n".join(document.text for document in corpus.documents)
    elif text is not None:
        raise UsageError(f"--text is read by --task text alone, not by {source}: leave one out")
    found = [take_apart(variant, settings, read) for variant in chosen]
    values = {
        "folder": str(out),
        "settings": asdict(settings),
        "variants": [one.to_dict() for one in found],
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {out}: {error.strerror or error}") from None
    write_text(out / "results.json", json.dumps(values, indent=1) + "\n")
    draw_gradients(found, settings, out / "gradients.png", language())
    target = console(stderr=as_json)
    for part in (*gradient_tables(found, settings.lags), *gradient_findings(found, settings.lags)):
        target.print(part)
    target.print(message("cli", "everything", language(), folder=out))
    if as_json:
        echo_json(values)


app.command("grid", cls=Command)(grid)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--scale must be numbers with commas between, not {text!r}") from None


def _list(text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UsageError(f"{option} {text!r} has an empty place: write names with commas between")
    return list(dict.fromkeys(names))


def _delay(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--delays must be whole numbers of steps, not {text!r}") from None


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many processor threads inside; None: as many as there were."""
    import torch

    if count is not None and not 1 <= count <= 1024:
        raise UsageError(f"--threads must be between 1 and 1024, not {count}")
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _display(console: "Console", settings: "Settings") -> Iterator["Watcher"]:
    """A line for each point, and in a terminal a live one for the network that is learning."""
    from sunhwan.cli.terminal import passing_bar
    from sunhwan.lab.memory import Watcher
    from sunhwan.lab.tasks import MemoryTask

    progress = passing_bar(console)

    class Display(Watcher):
        bar = progress.add_task("", total=settings.steps)

        def stepped(
            self, cell: str, task: MemoryTask, learning_rate: float, step: int, score: float | None
        ) -> None:
            so_far = "" if score is None else f"  {task.measure} {score:.3f}"
            text = f"{task.name}  {cell}  delay {task.delay}  rate {learning_rate:g}  step {step}"
            progress.update(self.bar, completed=step, description=text + so_far)

        def measured(self, point: "Point", fresh: bool) -> None:
            console.print(line_of(point) + ("" if fresh else lab_say("from_before")))

    with progress:
        yield Display()
