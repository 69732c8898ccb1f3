"""`sunhwan tune`."""

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sunhwan.cli.compare import (
    Assignments,
    Epochs,
    Inputs,
    Listed,
    Minutes,
    Steps,
    Target,
    TaskName,
    Test,
    interrupted,
    keep,
    measure,
    show,
)
from sunhwan.cli.language import say
from sunhwan.cli.options import ConfigFile
from sunhwan.cli.output import echo_json
from sunhwan.cli.processes import alone
from sunhwan.cli.train import Json, Quiet, named_settings, settings_of
from sunhwan.errors import UsageError

if TYPE_CHECKING:
    from sunhwan.tuning import Study, Trial


def tune(
    what: Annotated[Listed, typer.Argument(help="What `train` reads.")] = None,
    space: Annotated[
        Listed,
        typer.Option(
            help="section.key=LOW..HIGH or section.key=A,B: what is searched; left out: learning rate, "
            "hidden size, dropout and weight decay around the automatic ones."
        ),
    ] = None,
    cpu_minutes: Annotated[
        float, typer.Option(help="Processor time of all trials together, in minutes.")
    ] = 30.0,
    seeds: Annotated[
        int,
        typer.Option(help="Runs of the best settings beside the given ones at the end.", min=0),
    ] = 3,
    out: Annotated[
        Path | None, typer.Option(help="The folder of the study; one that is there goes on.")
    ] = None,
    test: Test = None,
    task: TaskName = None,
    input_: Inputs = None,
    target: Target = None,
    cell: Annotated[Listed, typer.Option(help="As of `train`.")] = None,
    minutes: Minutes = None,
    steps: Steps = None,
    epochs: Epochs = None,
    config: ConfigFile = None,
    set_: Assignments = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for better settings by trials judged on validation; compare the best with the given ones."""
    if cpu_minutes <= 0:
        raise UsageError("a budget must be more than 0")
    alone()
    options = named_settings(task, input_, target, cell)
    settings = settings_of(what, options, (minutes, steps, epochs), config, set_)

    from sunhwan.atomic import write_text
    from sunhwan.comparison import Plan, Variant, train_all
    from sunhwan.tuning import Study, default_space, parse_space

    axes = parse_space(space, settings) if space else default_space(settings)
    folder = out or Path("tuning") / f"{datetime.datetime.now():%Y%m%d-%H%M%S}"
    study = Study(settings, axes, folder)
    silent = quiet or as_json
    if not silent:
        for name, axis in axes.items():
            _print(say("searched", name=name, values=axis))
    if not study.run(cpu_minutes, ended=_quiet if silent else _ended):
        raise interrupted(folder)
    best = study.best
    write_text(folder / "best.toml", study.settings(best).to_toml())
    _keep(study, folder)
    if not silent:
        told = ", ".join(f"{n}={v}" for n, v in best.settings.items()) or say("as_given")
        _print(say("best_trial", number=best.number, settings=told))
        _print(say("best_file", file=folder / "best.toml"))
    found = []
    if seeds and best.settings:
        variants = [Variant("given", {}), Variant("tuned", best.settings)]
        plan = Plan(settings, variants, range(1, seeds + 1))
        found = measure(train_all(plan, folder / "seeds", own_process=True), folder, seeds, test)
        keep(found, folder)
    if as_json:
        values = {"best": best._asdict(), "settings": str(folder / "best.toml")}
        compared = [measured.to_dict() for measured in found]
        echo_json({**values, "cpu_seconds": study.cpu_seconds, "variants": compared})
    elif found:
        show(found)
        _print(say("everything", folder=folder))


def _keep(study: "Study", folder: Path) -> None:
    from sunhwan.atomic import write_text
    from sunhwan.plots import draw_trials

    trials = [trial._asdict() for trial in study.trials]
    write_text(folder / "trials.json", json.dumps(trials, ensure_ascii=False, indent=1))
    draw_trials(trials, folder / "trials.png")


def _print(line: str) -> None:
    from sunhwan.cli.terminal import console

    console().print(line)


def _quiet(trial: "Trial") -> None:
    pass


def _ended(trial: "Trial") -> None:
    settings = ", ".join(f"{n.partition('.')[2]}={v}" for n, v in trial.settings.items())
    rank = "" if trial.rank is None else f"{trial.rank:.4f}"
    _print(
        say(
            f"trial.{trial.state}", number=trial.number, rank=rank,
            settings=settings or say("as_given"), reason=trial.reason,
        )
    )  # fmt: skip
