"""A step of exported language models: the C file, ONNX Runtime and our engine, in turn, on one core.

The C file is compiled with -O3 -march=native. 2 × 512 units over 100 tokens, and an LSTM of 40 units over
two, the size that plays with sound, sample by sample.
`OMP_NUM_THREADS=1 python -m benchmarks.exported_speed [--json FILE] [--markdown FILE]`
"""

import ctypes
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from benchmarks.exports import few_shapes
from benchmarks.measure import arguments_of, in_turn, publish, table
from sunhwan.config import Config
from sunhwan.exporting import export
from sunhwan.exporting.c.write_c import find_compiler
from sunhwan.models import LanguageModel
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import build_vocabulary

MODELS = [
    ("LSTM, 2 × 512 units", "lstm", 2, 512, 100),
    ("GRU, 2 × 512 units", "gru", 2, 512, 100),
    ("LSTM, 40 units", "lstm", 1, 40, 2),
]
STEPS = 200
LOOP = """
void loop(int steps)
{
    static struct model m;
    static float logits[MODEL_VOCABULARY];
    model_begin(&m);
    for (int n = 0; n < steps; n++) model_step(&m, n & 1, logits);
}
"""


def language_model(cell: str, layers: int, units: int, tokens: int) -> LanguageModelTask:
    """A fresh model over so many characters."""
    settings = {"cell": [cell], "num_layers": layers, "hidden_size": units, "embedding_size": 64}
    config = Config().override({f"model.{name}": value for name, value in settings.items()})
    config = config.override({"model.dropout": 0.0, "model.input": "embedding"})
    letters = "".join(chr(0x4E00 + n) for n in range(tokens))
    vocabulary = build_vocabulary("characters", [letters], unk=False)
    torch.manual_seed(1)
    model = LanguageModel(config.model, len(vocabulary)).eval()
    return LanguageModelTask(config, vocabulary, model)


def c_side(task: LanguageModelTask, folder: Path, weights: str) -> Callable[[], object]:
    """STEPS steps of the C file."""
    export(task, folder / "model.c", "c", weights)
    file, library = folder / f"loop_{weights}.c", folder / f"loop_{weights}.so"
    file.write_text((folder / "model.c").read_text(encoding="utf-8") + LOOP, encoding="utf-8")
    options = ["-std=c99", "-O3", "-march=native", "-shared", "-fPIC", str(file), "-lm"]
    subprocess.run([*find_compiler(), *options, "-o", str(library)], check=True)
    loop = ctypes.CDLL(str(library)).loop
    return lambda: loop(STEPS)


def onnx_side(task: LanguageModelTask, folder: Path, weights: str) -> Callable[[], object]:
    """STEPS steps of step.onnx."""
    export(task, folder / f"onnx_{weights}", "onnx", weights)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / f"onnx_{weights}" / "step.onnx", options)
    token, *fields = (value.name for value in session.get_inputs())
    sizes = [value.shape[1] for value in session.get_inputs()[1:]]

    def run() -> None:
        state = [np.zeros((1, size), np.float32) for size in sizes]
        for n in range(STEPS):
            given = {token: np.array([n & 1]), **dict(zip(fields, state, strict=True))}
            _, *state = session.run(None, given)

    return run


def engine_side(task: LanguageModelTask, precision: str) -> Callable[[], object]:
    """STEPS tokens that our engine writes."""
    return lambda: task.sample("", length=STEPS, temperature=0, precision=precision)


def main() -> None:
    """Print and publish the table."""
    arguments = arguments_of(__doc__).parse_args()
    torch.set_num_threads(1)
    rows = []
    for label, cell, layers, units, tokens in MODELS:
        task = language_model(cell, layers, units, tokens)
        with few_shapes(True), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            folder = Path(name)
            sides = {}
            for weights in ("fp32", "int8"):
                sides[f"C, {weights}"] = c_side(task, folder, weights)
                sides[f"ONNX Runtime, {weights}"] = onnx_side(task, folder, weights)
                sides[f"engine, {weights}"] = engine_side(task, weights)
            times = in_turn(sides, rounds=5)
        for side, seconds in times.items():
            rows.append((label, side, f"{seconds / STEPS * 1e9:,.0f}"))
            print(*rows[-1], flush=True)
    publish(table(["model", "side", "ns a step"], rows), rows, arguments)


if __name__ == "__main__":
    main()
