"""`sunhwan train` and `sunhwan resume`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunhwan.cli import STARTED
from sunhwan.cli.language import say, summary_of
from sunhwan.cli.options import ConfigFile, Settings, Strict
from sunhwan.cli.output import echo_json
from sunhwan.cli.own_cell import Cells, name_cells, own_files
from sunhwan.cli.processes import Count, is_first, share_command
from sunhwan.config import Config, parse_assignment
from sunhwan.config import settings as every_setting
from sunhwan.errors import UsageError
from sunhwan.registry import TASKS

if TYPE_CHECKING:
    from sunhwan.tasks import Scores
    from sunhwan.training import Reporter, Result

Json = Annotated[bool, typer.Option("--json", help="End with one JSON object; progress on stderr.")]
PRETRAIN_SHARE = 0.33
"""Of the budget, that --pretrain asks for."""
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def train(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="stdlib (default), korean, hello, files, folders or globs; .gz and .zst too. Of a --task: "
            "its table, treebank or series."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder to make.")] = None,
    task: Annotated[
        str | None,
        typer.Option(help=f"What to learn: {', '.join(TASKS)}; a language model by default."),
    ] = None,
    input_: Annotated[
        list[str] | None,
        typer.Option(
            "--input", help="The column that is read; with classify twice for a pair of texts."
        ),
    ] = None,
    target: Annotated[list[str] | None, typer.Option(help="The column of the answers.")] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Of a long table of series: the columns that name each series, such as store,item."
        ),
    ] = None,
    future: Annotated[
        str | None,
        typer.Option(help="Of series: columns whose future is known, such as promo,price."),
    ] = None,
    origins: Annotated[
        int | None,
        typer.Option(
            help="Of a forecaster with task.horizon: cross-validate, with a model trained before each of "
            "so many origins, a horizon apart.",
            min=1,
        ),
    ] = None,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            help="The recurrence: a name, or FILE.py:CLASS for one of your own. Several: one a layer."
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Training time in minutes (3 when no budget is given).")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Training time in steps.")] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Training time in passes over the data.")
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            help="Of a language model: read tables (CSV, JSON Lines, Parquet, Arrow), each cell of this "
            "column as a text."
        ),
    ] = None,
    validation: Annotated[
        str | None, typer.Option(help="A file to validate on, instead of a tenth of each text.")
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Start from what this run, of any task that reads text, has learned to read.",
        ),
    ] = None,
    pretrain: Annotated[
        bool,
        typer.Option(
            "--pretrain",
            help="Let a language model learn the texts of the task first, in a third of the budget.",
        ),
    ] = False,
    vectors: Annotated[
        Path | None, typer.Option(help="Start from the pretrained word vectors of this file.")
    ] = None,
    bptt_memory: Annotated[
        str | None,
        typer.Option(
            help="Memory of backpropagation through time: full, or sqrt: keep about 2 √T steps, "
            "compute each twice."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads.")] = None,
    processes: Count = None,
    config: ConfigFile = None,
    strict: Strict = False,
    set_: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a recurrent model: a language model on texts, or another --task on a file of examples."""
    options = named_settings(task, input_, target, cell) | {
        "task.group": _names(group),
        "task.future": _names(future),
        "text.column": column,
        "text.validation": validation,
        "data.strict": strict or None,
        "text.vectors": None if vectors is None else str(vectors),
        "training.start_from": None if from_ is None else str(from_),
        "training.pretrain": PRETRAIN_SHARE if pretrain else None,
        "training.bptt_memory": bptt_memory,
        "training.seed": seed,
        "training.device": device,
        "training.threads": threads,
    }
    settings = settings_of(corpus, options, (minutes, steps, epochs), config, set_)
    share_command(processes)

    from sunhwan import training

    reporter = reporter_for(quiet or not is_first(), as_json)
    if origins is not None:
        if out is None:
            raise UsageError("--origins: say with --out where the runs are to go")
        folds = training.rolling_origins(settings, out, folds=origins, reporter=reporter)
        _show_origins(folds, as_json)
        return
    result = training.train(settings, out, reporter=reporter, started=STARTED, own_process=True)
    _finish(result, as_json, own_files(cell))


def named_settings(
    task: str | None, inputs: list[str] | None, target: list[str] | None, cell: list[str] | None
) -> dict[str, Any]:
    """--task, --input, --target and --cell as settings, None where one was not given."""
    if target and len(target) > 1:
        raise UsageError(
            f"--target: one column is learned, not {' and '.join(target)}: train a model for each"
        )
    names = name_cells(cell)
    return {
        "task.name": task,
        "task.input": inputs,
        "task.target": target[0] if target else None,
        "model.cell": (names[0] if len(names) == 1 else names) if names else None,
    }


def settings_of(
    sources: list[str] | None,
    options: Mapping[str, Any],
    budget: tuple[float | None, int | None, float | None],
    config: Path | None,
    assignments: list[str] | None,
) -> Config:
    """The configuration that a command line asks for.

    sources: what is read. options: setting → value, None where it was not given. budget: minutes, steps
    and passes. config: a TOML file, whose settings those of the command line replace.
    """
    names = ("training.minutes", "training.steps", "training.epochs")
    given = {n: value for n, value in zip(names, budget, strict=True) if value is not None}
    if len(given) > 1:
        raise UsageError("give one budget: --minutes, --steps or --epochs")
    if any(value <= 0 for value in given.values()):
        raise UsageError("a budget must be more than 0")
    values = {name: value for name, value in options.items() if value is not None}
    if given:
        # One on the command line replaces whichever the file has.
        values |= {name: given.get(name, 0) for name in names}
    settings = Config.load(config) if config else Config()
    settings = settings.override(values, "the command line")
    settings = settings.override(dict(map(parse_assignment, assignments or [])))
    if sources:
        _refuse_settings(sources)
        read = {"text.corpus": Config().text.corpus, settings.source_setting: sources}
        settings = settings.override(read, "the command line")
    return settings


def _refuse_settings(sources: list[str]) -> None:
    """A second section.key=value behind one --set, which would be read as a text."""
    for source in sources:
        name, equals, _ = source.partition("=")
        known = equals and "." in name and any(name == one.name for one in every_setting())
        if known and not Path(source).exists():
            raise UsageError(
                f"{source}: each setting goes behind a --set of its own: --set {source}"
            )


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def resume(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    cell: Cells = None,
    processes: Count = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Continue a run from its last checkpoint, exactly as if it had never stopped."""
    from sunhwan import training

    name_cells(cell)
    share_command(processes)
    reporter = reporter_for(quiet or not is_first(), as_json)
    result = training.resume(run, reporter=reporter, started=STARTED, own_process=True)
    _finish(result, as_json, own_files(cell))


def reporter_for(quiet: bool, as_json: bool) -> "Reporter":
    """The reporter of the progress: a bar in a terminal, lines elsewhere, nothing with --quiet."""
    from sunhwan.cli.progress import LiveReporter, PlainReporter
    from sunhwan.cli.terminal import console
    from sunhwan.training import Reporter

    if quiet:
        return Reporter()
    target = console(stderr=as_json)
    return LiveReporter(target) if target.is_terminal else PlainReporter(target)


def _show_origins(folds: "Sequence[Scores]", as_json: bool) -> None:
    """The figures of a model for each origin, the oldest first."""
    from sunhwan.cli.terminal import console

    if as_json:
        echo_json([scores.to_dict() for scores in folds])
        return
    for number, scores in enumerate(folds, 1):
        figures = summary_of(scores.summary())
        console().print(say("origin", number=number, of=len(folds), figures=figures))


def _finish(result: "Result", as_json: bool, files: list[str]) -> None:
    from sunhwan import tasks
    from sunhwan.cli.listings import show_baselines
    from sunhwan.cli.terminal import console

    if not is_first():
        return
    if as_json:
        echo_json(result.to_dict())
        return
    out = console()
    best = result.best
    line = say(
        "finished", steps=f"{result.steps:,}", tokens=f"{result.tokens:,}",
        seconds=f"{result.seconds:.0f}", reason=say(f"stopped.{result.stopped}"),
    )  # fmt: skip
    if best is not None:
        figures = summary_of(best.summary())
        line += say("best_step", step=f"{result.best_step:,}", figures=figures)
    out.print(line)
    if result.baselines is not None:
        show_baselines(result.baselines, tasks.TASKS[result.task])
    out.print(say("everything", folder=result.run))
    use = tasks.TASKS[result.task].command
    again = "resume" if result.stopped == "interrupted" else use
    words = ["sunhwan", again, str(result.run), *(f"--cell {file}" for file in files)]
    out.print(say("next", command=" ".join(words)))
