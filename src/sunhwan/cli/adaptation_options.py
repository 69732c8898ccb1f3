"""Options of adaptation: `--dynamic` and `--cache` of `evaluate`, `score` and `sample`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sunhwan.errors import UsageError

if TYPE_CHECKING:
    from sunhwan.data import Tokens
    from sunhwan.generation import Adaptation, Cache
    from sunhwan.tasks import Task
    from sunhwan.tasks.language_model.task import LanguageModelTask

Dynamic = Annotated[
    str | None,
    typer.Option(
        help="Dynamic evaluation: adapt the weights to what is read, at this rate such as 0.0003, or "
        "auto: tuned on the validation text of the run."
    ),
]
CacheOption = Annotated[
    str | None,
    typer.Option(
        "--cache",
        help="Neural cache: share, flatness and size, such as 0.1,0.3,2000, or the share alone, or auto.",
    ),
]


def adaptation_of(
    run: Path, task: "Task", dynamic: str | None, cache: str | None
) -> "Adaptation | None":
    """What the two options ask for; None where they are not given. UsageError for what is wrong."""
    if dynamic is None and cache is None:
        return None
    language = task.as_language_model()
    if language is None:
        raise UsageError(
            f"--dynamic and --cache are for language models, and this is a {task.title}: leave them out"
        )
    from sunhwan.generation import Adaptation

    rate = 0.0 if dynamic in (None, "auto") else _numbers("--dynamic", str(dynamic), 1)[0]
    if rate == 0 and dynamic not in (None, "auto"):
        raise UsageError("--dynamic 0 adapts nothing: leave it out")
    given = None if cache in (None, "auto") else _cache(str(cache))
    if "auto" not in (dynamic, cache):
        return Adaptation(rate, given)
    found = _tuned(run, language, dynamic == "auto", cache == "auto")
    return Adaptation(found.rate or rate, found.cache or given)


def _tuned(run: Path, language: "LanguageModelTask", dynamic: bool, cache: bool) -> "Adaptation":
    validation = held_out(run, language)
    return language.tune_adaptation(validation, dynamic=dynamic, cache=cache)


def held_out(run: Path, language: "LanguageModelTask") -> "Tokens":
    """The validation text of a run, on which auto is tuned. UsageError: there is none."""
    from sunhwan.config import Config
    from sunhwan.tasks.language_model.corpus import read_held_out

    if not (run / "config.toml").exists():
        raise UsageError(
            f"auto is tuned on the validation text of a run, and {run} is no run folder: give numbers"
        )
    config = Config.load(run / "config.toml")
    return read_held_out(config, language.vocabulary)


def _cache(text: str) -> "Cache":
    from sunhwan.generation import Cache

    given = dict(zip(Cache._fields, _numbers("--cache", text, 3), strict=False))
    size = given.pop("size", Cache().size)
    if size != int(size):
        raise UsageError(f"--cache {text}: the size is a number of tokens, not {size:g}")
    return Cache(**given, size=int(size))


def _numbers(option: str, text: str, most: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= most or not all(map(math.isfinite, numbers)):
        example = "0.0003" if most == 1 else "0.1,0.3,2000"
        raise UsageError(f"{option} must be numbers such as {example}, or auto, not {text!r}")
    return numbers
