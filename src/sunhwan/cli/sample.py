"""`sunhwan sample`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sunhwan.cli.adaptation_options import CacheOption, Dynamic, adaptation_of
from sunhwan.cli.language import say
from sunhwan.cli.output import echo, echo_json
from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.config import TEMPERATURE
from sunhwan.errors import UsageError


def sample(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="The text to go on from.")] = "",
    length: Annotated[int, typer.Option(help="At most so many tokens.")] = 500,
    n: Annotated[
        int, typer.Option("-n", "--n", help="How many texts; each has the next seed.")
    ] = 1,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature",
            "-t",
            help="Below 1: safer text; above 1: more varied; 0: always the likeliest token.",
        ),
    ] = TEMPERATURE,
    top_k: Annotated[int, typer.Option(help="Draw from the k likeliest tokens; 0: all.")] = 0,
    top_p: Annotated[
        float,
        typer.Option(help="Draw from the likeliest tokens that together have this probability."),
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same text.")] = 1,
    until_eos: Annotated[
        bool, typer.Option("--until-eos", help="Stop where the model ends the text (EOS).")
    ] = False,
    precision: Annotated[
        str, typer.Option(help="Of the weights: auto, fp32, fp16 or int8; fewer bits are faster.")
    ] = "auto",
    dynamic: Dynamic = None,
    cache: CacheOption = None,
    cell: Cells = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a text.")] = False,
) -> None:
    """Write text with a trained language model."""
    from sunhwan import generation
    from sunhwan.api import load_language
    from sunhwan.cli.terminal import shown
    from sunhwan.text import normalize

    options: dict[str, Any] = {
        "length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p,
        "until_eos": until_eos, "precision": precision,
    }  # fmt: skip
    for last in (seed, seed + n - 1):
        generation.Sampling(seed=last, **options)
    if n < 1:
        raise UsageError(f"-n must be 1 or more, not {n}")
    prompt = normalize(prompt)  # an argument can hold bytes that are no text
    name_cells(cell)
    language = load_language(run)
    vocabulary = language.vocabulary
    if until_eos and vocabulary.eos_id is None:
        raise UsageError(
            "--until-eos: the vocabulary of this model has no EOS, for it was trained on one document: "
            "leave the option out, or train on several documents or on words"
        )
    options["adaptation"] = adaptation_of(run, language, dynamic, cache)
    if n == 1 and not as_json:
        echo(shown(prompt), end="")
        for piece in language.stream(prompt, seed=seed, **options):
            echo(shown(piece), end="")
        echo()
        return
    for one in generation.samples(
        language.model, vocabulary, prompt,
        n=n, seed=seed, line_break=language.line_break, **options,
    ):  # fmt: skip
        if as_json:
            echo_json(one._asdict())
        else:
            echo(shown(f"── {say('seed', seed=one.seed)} ──\n{one.prompt}{one.text}"))
