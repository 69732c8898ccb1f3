"""`export`: a trained model written in another format, compared with itself before it is kept."""

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from sunhwan.api import load
from sunhwan.errors import UsageError, listed
from sunhwan.tasks import Task

FORMATS = {
    "onnx": "sunhwan.exporting.onnx.write_onnx:write",
    "c": "sunhwan.exporting.c.write_c:write",
    "html": "sunhwan.exporting.html.write_html:write",
}
"""By name; the function that writes a task, as MODULE:FUNCTION."""


class Exported(NamedTuple):
    """What was written: the files, by how much their numbers differ from the model's, what to know."""

    files: list[Path]
    deviation: float
    notes: tuple[str, ...] = ()


def export(run: str | Path | Task, out: str | Path, to: str = "onnx") -> Exported:
    """Write the model of a run folder, a model folder or a loaded task in another format.

    out: a folder for "onnx", a file for "c" and "html"; an earlier export there is replaced as a whole.
    UsageError or ConfigError, one sentence, where a model or a machine cannot; nothing is written then.
    """
    if to not in FORMATS:
        raise UsageError(
            f"there is no format {to!r} to export to: choose from {listed(list(FORMATS))}"
        )
    task = run if isinstance(run, Task) else load(run)
    module, _, name = FORMATS[to].partition(":")
    found: Exported = getattr(import_module(module), name)(task, Path(out))
    return found
