"""What can be exported: task × cell × format, each written, run and compared with its model.

Models are small and fresh, those of the golden ones with each cell in turn; an entry is how far the
numbers of the files are from the model's, or why nothing was written.
`python -m benchmarks.exports [--cells gru,lstm] [--formats onnx,c] [--models translate] [--json FILE]
[--markdown FILE]`; of other formats and models the entries are those that FILE, of Markdown, holds.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import sunhwan
from benchmarks.measure import arguments_of, publish, table
from sunhwan.cells import CELLS
from sunhwan.errors import SunhwanError
from sunhwan.exporting import export, predictor_checks
from sunhwan.exporting.formats import WEIGHTS
from sunhwan.exporting.onnx import encoder_decoder_graphs, language_model_graphs
from sunhwan.tasks import Task

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "v1"
MODELS = {
    "language model": "texts/tied",
    "language model, lag": "texts/tied",
    "classify": "tasks/classify",
    "classify (words and n-grams)": "../v7/tasks/classify_linear",
    "classify (frames)": "tasks/classify_frames",
    "classify (image)": "tasks/classify",
    "classify (pair)": "tasks/classify_pair",
    "tag (softmax)": "tasks/tag_softmax",
    "tag (CRF)": "tasks/tag",
    "tag (frames)": "tasks/tag_softmax",
    "translate": "tasks/translate",
    "translate (words)": "tasks/translate",
    "translate (frames)": "tasks/translate",
    "describe": "tasks/describe",
    "describe (image)": "tasks/describe_images",
    "forecast": "tasks/forecast",
    "answer": "../v7/tasks/answer",
}
"""By what the table calls them."""

FRAMES = {"kind": "frames", "mean": [0.0, 1.0, -2.0], "deviation": [1.0, 2.0, 0.5]}
WORDS = sunhwan.load(GOLDEN / "tasks" / "tag").preprocessing()["source"]
READS: dict[str, dict[str, Any]] = {
    "classify (words and n-grams)": WORDS,
    "translate (words)": WORDS,
    "classify (image)": {
        "kind": "vector", "mean": [0.3] * 64, "deviation": [0.2] * 64, "image_size": 8,
    },
    "tag (frames)": FRAMES,
    "translate (frames)": FRAMES,
}  # fmt: skip
"""What models read that golden ones do not."""


def fresh(name: str, cell: str) -> Task:
    """A new model of a golden one's task with another cell."""
    golden = MODELS[name]
    task = sunhwan.load(GOLDEN / golden)
    settings: dict[str, Any] = {"model.cell": [cell], "model.hidden_size": [16]}
    if golden == "texts/tied":
        settings |= {"model.tied": False, "model.lag": 3 if name.endswith("lag") else 0}
    preprocessing = task.preprocessing()
    if name in READS:
        settings["task.kind"] = READS[name]["kind"]
        preprocessing = {**preprocessing, "source": READS[name]}
    torch.manual_seed(1)
    made = type(task).restored(task.config.override(settings), preprocessing)
    linear: Any = getattr(made.model, "linear", None)
    with torch.no_grad():
        if linear is not None:
            linear.weight.normal_()
        for parameter in made.model.parameters():
            if parameter.dim() > 1 and not bool(parameter.any()):
                parameter.normal_()  # a forecaster begins with 0
    return made


SUFFIXES = {"onnx": "out", "c": "out.c", "html": "out.html"}


def entry(task: Task, form: str, weights: str) -> str:
    """The deviation, or the sentence of the refusal."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = export(task, Path(folder) / SUFFIXES[form], form, weights)
        except SunhwanError as error:
            return str(error).replace(folder, "…")
    return f"{found.deviation:.0e}" if weights == "fp32" else f"{found.deviation:.2%}"


def main() -> None:
    """Print and publish the table."""
    parser = arguments_of(__doc__)
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--formats", default=",".join(WEIGHTS))
    parser.add_argument("--models", default=",".join(MODELS))
    arguments = parser.parse_args()
    formats, models = arguments.formats.split(","), arguments.models.split(",")
    kept = kept_entries(arguments.markdown) if arguments.markdown else {}
    rows: list[list[str]] = []
    for form, kinds in WEIGHTS.items():
        for weights in kinds:
            with few_shapes(weights != "fp32"):
                for cell in arguments.cells.split(","):
                    row = [form, weights, cell]
                    for name in MODELS:
                        if form in formats and name in models:
                            row.append(entry(fresh(name, cell), form, weights))
                        else:
                            row.append(kept.get((form, weights, cell, name), "-: not asked"))
                    rows.append(row)
                    print(*rows[-1], flush=True)
    refusals = list(dict.fromkeys(e for row in rows for e in row[3:] if not e[0].isdigit()))
    numbered = {reason: f"refused ({n})" for n, reason in enumerate(refusals, 1)}
    shown = [[numbered.get(one, one) for one in row] for row in rows]
    text = table(["format", "weights", "cell", *MODELS], shown)
    notes = [f"({number}) {reason}." for number, reason in enumerate(refusals, 1)]
    text += (
        "\nEntries: the largest difference between a number of the files and the model's; with smaller "
        "weights the root mean square of all differences, of that of the numbers."
    )
    publish("\n\n".join([text, *notes]) + "\n", rows, arguments)


def kept_entries(file: Path) -> dict[tuple[str, ...], str]:
    """The entries of a table that was published, by format, weights, cell and model."""
    if not file.is_file():
        return {}
    head = file.read_text(encoding="utf-8").splitlines()[0].strip("| ").split(" | ")
    return {
        (*row[:3], name): found
        for row in kept_rows(file)
        for name, found in zip(head[3:], row[3:], strict=True)
    }


def kept_rows(file: Path) -> list[list[str]]:
    """The rows of a table that was published, with the sentences of refusals."""
    text = file.read_text(encoding="utf-8")
    notes = {
        f"refused ({n})": reason for n, reason in re.findall(r"^\((\d+)\) (.*)\.$", text, re.M)
    }
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[notes.get(one, one) for one in line] for line in lines[2:]]


@contextmanager
def few_shapes(few: bool) -> Iterator[None]:
    """Compare at one size alone: with smaller weights the share that is off is much the same at all."""
    modules = (predictor_checks, encoder_decoder_graphs, language_model_graphs)
    kept = [(module, module.BATCHES, module.LENGTHS) for module in modules]
    for module in modules if few else ():
        module.BATCHES, module.LENGTHS = (3,), (50,)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module, batches, lengths in kept:
            module.BATCHES, module.LENGTHS = batches, lengths  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
