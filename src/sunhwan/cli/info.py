"""`sunhwan info`."""

import os
import platform
from pathlib import Path
from typing import Annotated

import typer

from sunhwan import __version__
from sunhwan.cli.output import echo_json
from sunhwan.cli.own_cell import Cells, name_cells


def info(
    run: Annotated[
        Path | None, typer.Argument(help="A run folder or a model folder.", show_default=False)
    ] = None,
    cell: Cells = None,
    system: Annotated[
        bool, typer.Option("--system", help="This computer instead of a run: what is fast here.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What a run or model is: sizes, training, figures, and which kernels run it here."""
    from sunhwan.errors import UsageError

    if (run is None) != system:
        raise UsageError("name either a run or model folder, or --system for this computer")
    if run is None:
        facts = system_facts()
        if not as_json:
            facts = {name: _said(value) for name, value in facts.items()}
        _show(facts, as_json)
        return
    from sunhwan.api import load

    name_cells(cell)
    task = load(run)
    _show(task.facts(), as_json)
    if as_json:
        return
    from sunhwan.cli.terminal import console

    for line in task.explain():
        console().print(line)


def system_facts() -> dict[str, object]:
    """What decides how fast recurrences run on this computer."""
    import torch

    from sunhwan.cells import CELLS
    from sunhwan.ops.library import library, why_missing

    found = library()
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "sunhwan": __version__,
        "python": platform.python_version(),
        "pytorch": str(torch.__version__),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda": gpus if torch.cuda.is_available() else [],
        "mps": torch.backends.mps.is_available(),
        "native_library": why_missing() if found is None else str(found.path),
        "native_instructions": found and found.instructions,
        "native_instructions_here": list(found.usable) if found else [],
        "native_threads_of_pytorch": bool(found and found.openmp),
        "native_cells": [c for c in CELLS if found and found.kernel(c, torch.float32) is not None],
    }


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2] for line in told.splitlines() if line.startswith("model name")]
    return " ".join(named[0].split()) if named else platform.machine()


def _said(value: object) -> object:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if value is None:
        return "none"
    return ("no", "yes")[value] if isinstance(value, bool) else value


def _show(facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        echo_json(facts)
        return
    from rich.table import Table

    from sunhwan.cli.terminal import console

    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), _shown(value))
    console().print(table)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_shown(inner)}" for key, inner in value.items())
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
