"""What can be exported: task × cell × format, each written, run and compared with its model.

Models are small and fresh, those of the golden ones with each cell in turn; an entry is how far the
numbers of the files are from the model's at most, or why nothing was written.
`python -m benchmarks.exports [--cells gru,lstm] [--json FILE] [--markdown FILE]`
"""

import tempfile
from pathlib import Path
from typing import Any

import torch

import sunhwan
from benchmarks.measure import arguments_of, publish, table
from sunhwan.cells import CELLS
from sunhwan.errors import SunhwanError
from sunhwan.exporting import FORMATS, export
from sunhwan.tasks import Task

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "v1"
MODELS = {
    "language model": "texts/tied",
    "classify": "tasks/classify",
    "tag (softmax)": "tasks/tag_softmax",
    "tag (CRF)": "tasks/tag",
    "translate": "tasks/translate",
    "describe": "tasks/describe",
    "forecast": "tasks/forecast",
}
"""By what the table calls them."""


def fresh(golden: str, cell: str) -> Task:
    """A new model of a golden one's task with another cell."""
    task = sunhwan.load(GOLDEN / golden)
    settings: dict[str, Any] = {"model.cell": [cell], "model.hidden_size": [16]}
    if golden == "texts/tied":
        settings["model.tied"] = False
    torch.manual_seed(1)
    made = type(task).restored(task.config.override(settings), task.preprocessing())
    with torch.no_grad():
        for parameter in made.model.parameters():
            if parameter.dim() > 1 and not bool(parameter.any()):
                parameter.normal_()  # a forecaster begins with 0
    return made


SUFFIXES = {"onnx": "out", "c": "out.c", "html": "out.html"}


def entry(task: Task, form: str) -> str:
    """The largest deviation, or the sentence of the refusal."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = export(task, Path(folder) / SUFFIXES[form], form)
        except SunhwanError as error:
            return str(error).replace(folder, "…")
    return f"{found.deviation:.0e}"


def main() -> None:
    """Print and publish the table."""
    parser = arguments_of(__doc__)
    parser.add_argument("--cells", default=",".join(CELLS))
    arguments = parser.parse_args()
    rows, refusals = [], list[str]()
    for form in FORMATS:
        for cell in arguments.cells.split(","):
            line = [form, cell]
            for golden in MODELS.values():
                found = entry(fresh(golden, cell), form)
                if not found[0].isdigit():
                    if found not in refusals:
                        refusals.append(found)
                    found = f"refused ({refusals.index(found) + 1})"
                line.append(found)
            print(*line, flush=True)
            rows.append(line)
    text = table(["format", "cell", *MODELS], rows)
    notes = [f"({number}) {reason}." for number, reason in enumerate(refusals, 1)]
    text += "\nEntries: the largest difference between a number of the files and the model's.\n"
    publish("\n\n".join([text, *notes]) + "\n", rows, arguments)


if __name__ == "__main__":
    main()
