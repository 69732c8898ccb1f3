"""`export`: a trained model written in another format, compared with itself before it is kept."""

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from sunhwan.api import load
from sunhwan.errors import ConfigError, UsageError, did_you_mean, listed
from sunhwan.models.softmax import AdaptiveSoftmax
from sunhwan.tasks import Task

FORMATS = {
    "onnx": "sunhwan.exporting.onnx.write_onnx:write",
    "c": "sunhwan.exporting.c.write_c:write",
    "html": "sunhwan.exporting.html.write_html:write",
}
"""By name; the function that writes a task with weights of a kind, as MODULE:FUNCTION."""

WEIGHTS = {"onnx": ("fp32", "fp16", "int8"), "c": ("fp32", "int8"), "html": ("fp16", "fp32")}
"""By format: what its weights may be kept in, and first what they are where nothing is said."""


class Exported(NamedTuple):
    """Result of an export: the files, by how much their numbers differ from the model's, what to know.

    deviation: of the number that is furthest off in float32 (`parity.deviation`); with smaller weights of
    all together (`parity.share`).
    """

    files: list[Path]
    deviation: float
    notes: tuple[str, ...] = ()
    weights: str = "fp32"

    def summary(self) -> str:
        """The deviation in words."""
        if self.weights == "fp32":
            return f"numbers differ from the model's by {self.deviation:.1e} at most"
        return (
            f"with weights in {self.weights} numbers differ from the model's by {self.deviation:.1%} of "
            "their size (root mean square)"
        )


def export(
    run: str | Path | Task, out: str | Path, to: str = "onnx", weights: str | None = None
) -> Exported:
    """Write the model of a run folder, a model folder or a loaded task in another format.

    out: a folder for "onnx", a file for "c" and "html"; an earlier export there is replaced as a whole.
    weights: "fp32", "fp16" or "int8", as the format has them (`WEIGHTS`). UsageError or ConfigError, one
    sentence, where a model or a machine cannot; nothing is written then.
    """
    if to not in FORMATS:
        raise UsageError(
            f"there is no format {to!r}{did_you_mean(to, FORMATS)} to export to: choose from "
            f"{listed(list(FORMATS))}"
        )
    task = run if isinstance(run, Task) else load(run)
    if isinstance(getattr(task.model, "output", None), AdaptiveSoftmax):
        raise ConfigError(
            "an adaptive softmax is not exported: train the model with model.softmax 'full' or 'sampled'"
        )
    if task.not_exported:
        raise ConfigError(task.not_exported)
    weights = WEIGHTS[to][0] if weights is None else weights
    if weights not in WEIGHTS[to]:
        raise UsageError(
            f"there are no weights of {weights!r}{did_you_mean(weights, WEIGHTS[to])} in the format {to}: "
            f"choose from {listed(WEIGHTS[to])}"
        )
    module, _, name = FORMATS[to].partition(":")
    found: Exported = getattr(import_module(module), name)(task, Path(out), weights)
    return found
