"""Options of adaptation: `--dynamic` and `--cache` of `evaluate`, `score` and `sample`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sunhwan.cli.language import noted
from sunhwan.errors import UsageError

if TYPE_CHECKING:
    from sunhwan.data import Tokens
    from sunhwan.generation import Adaptation, Cache
    from sunhwan.tasks import Task
    from sunhwan.tasks.language_model.task import LanguageModelTask

Dynamic = Annotated[
    str | None,
    typer.Option(
        help="Dynamic evaluation: adapt the weights to what is read; rate, decay and segment, such as "
        "0.0003,0.003,20, or the rate alone, or auto: tuned on the validation text of the run."
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

    steps = Adaptation() if dynamic in (None, "auto") else _dynamic(str(dynamic))
    given = steps._replace(cache=None if cache in (None, "auto") else _cache(str(cache)))
    if "auto" not in (dynamic, cache):
        return given
    from rich.text import Text

    from sunhwan.cli.terminal import console, watched

    with watched():
        found = language.tune_adaptation(
            held_out(run, language), dynamic=dynamic == "auto", cache=cache == "auto", given=given
        )
    console(stderr=True).print(Text(noted(f"auto chose {_options(found)}")))
    return found


def _options(adaptation: "Adaptation") -> str:
    """The two options that ask for these numbers."""
    rate, cache, decay, segment = adaptation
    dynamic = f"--dynamic {rate:g},{decay:g},{segment}" if rate else ""
    beside = f"--cache {','.join(f'{number:g}' for number in cache)}" if cache else ""
    return f"{dynamic} {beside}".strip()


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


def _dynamic(text: str) -> "Adaptation":
    from sunhwan.generation import Adaptation

    names = "rate", "decay", "segment"
    found = dict(zip(names, _numbers("--dynamic", text, "0.0003,0.003,20"), strict=False))
    if found["rate"] == 0:
        raise UsageError("--dynamic 0 adapts nothing: leave it out")
    segment = found.get("segment", Adaptation().segment)
    if segment != int(segment):
        raise UsageError(f"--dynamic {text}: the segment is a number of tokens, not {segment:g}")
    return Adaptation(found["rate"], None, found.get("decay", Adaptation().decay), int(segment))


def _cache(text: str) -> "Cache":
    from sunhwan.generation import Cache

    found = dict(zip(Cache._fields, _numbers("--cache", text, "0.1,0.3,2000"), strict=False))
    size = found.pop("size", Cache().size)
    if size != int(size):
        raise UsageError(f"--cache {text}: the size is a number of tokens, not {size:g}")
    return Cache(**found, size=int(size))


def _numbers(option: str, text: str, example: str) -> list[float]:
    """Up to as many numbers as the example has."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= len(example.split(",")) or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{option} must be numbers such as {example}, or auto, not {text!r}")
    return numbers
