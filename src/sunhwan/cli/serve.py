"""`sunhwan serve`."""

from pathlib import Path
from typing import Annotated

import typer

from sunhwan.cli.output import echo
from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.errors import UsageError
from sunhwan.serve.limits import Limits

PANEL = "At most"


def serve(
    runs: Annotated[list[Path], typer.Argument(help="Run or model folders.")],
    port: Annotated[int, typer.Option(help="0: a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            help="A name of this computer by which others may ask it; needed with a --host that "
            "others reach. Whoever reaches it can use the models.",
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Of the weights when text is written: fp32, auto, fp16 or int8.")
    ] = "fp32",
    threads: Annotated[int, typer.Option(help="Threads of PyTorch; 0: as many as cores.")] = 0,
    cell: Cells = None,
    body: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Bytes of a request.")
    ] = Limits.body,
    prompt: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Tokens of a prompt.")
    ] = Limits.prompt,
    max_tokens: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Tokens to write to a prompt.")
    ] = Limits.max_tokens,
    n: Annotated[
        int, typer.Option("--n", rich_help_panel=PANEL, help="Answers to a prompt.")
    ] = Limits.n,
    prompts: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Prompts of a request.")
    ] = Limits.prompts,
    lines: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Lines or questions of a request.")
    ] = Limits.lines,
    characters: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Characters to look into.")
    ] = Limits.characters,
    explained: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Characters of which is asked what mattered.")
    ] = Limits.explained,
    numbers: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Numbers of a trace.")
    ] = Limits.numbers,
    seconds: Annotated[
        float, typer.Option(rich_help_panel=PANEL, help="For a request.")
    ] = Limits.seconds,
    slow: Annotated[
        float, typer.Option(rich_help_panel=PANEL, help="Seconds for a request to arrive.")
    ] = Limits.slow,
    running: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Requests at work at a time.")
    ] = Limits.running,
    waiting: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Requests in the queue.")
    ] = Limits.waiting,
    connections: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Connections that are open.")
    ] = Limits.connections,
    sessions: Annotated[
        int, typer.Option(rich_help_panel=PANEL, help="Texts being typed that are remembered.")
    ] = Limits.sessions,
) -> None:
    """Serve trained models: a page to try them, and an interface like OpenAI's for programs."""
    limits = Limits(
        body=body, prompt=prompt, max_tokens=max_tokens, n=n, prompts=prompts, lines=lines,
        characters=characters, explained=explained, numbers=numbers, seconds=seconds, slow=slow,
        running=running, waiting=waiting, connections=connections, sessions=sessions,
    )  # fmt: skip
    hosts = allow_host or []
    if not _is_loopback(host) and not hosts:
        raise UsageError(
            f"--host {host} may be reached by others: name with --allow-host by which name they ask"
        )
    if threads < 0:
        raise UsageError(f"--threads must be 0 or more, not {threads}")
    name_cells(cell)
    import torch

    from sunhwan.serve.app import make_app
    from sunhwan.serve.models import served
    from sunhwan.serve.server import Server, address, listen

    if threads:
        torch.set_num_threads(threads)
    listener = listen(host, port)
    try:
        models = served(runs, precision, limits)
        app = make_app(models, limits, hosts)
        echo(f"{', '.join(models)}: {address(listener)}")
        Server(app, limits).run([listener])
    finally:
        listener.close()


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"
