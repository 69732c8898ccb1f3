"""The folder of an exported model: graphs, metadata, vocabularies and an example that uses them."""

import copy
import json
import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from sunhwan import __version__
from sunhwan.atomic import replaced_folder
from sunhwan.errors import UsageError
from sunhwan.exporting.formats import Exported
from sunhwan.tasks import Task

PARTS = {
    "language_model": "sunhwan.exporting.onnx.language_model_graphs:parts",
    "classify": "sunhwan.exporting.onnx.predictor_graphs:classify_parts",
    "tag": "sunhwan.exporting.onnx.predictor_graphs:tag_parts",
    "answer": "sunhwan.exporting.onnx.predictor_graphs:answer_parts",
    "forecast": "sunhwan.exporting.onnx.predictor_graphs:forecast_parts",
    "translate": "sunhwan.exporting.onnx.encoder_decoder_graphs:parts",
    "describe": "sunhwan.exporting.onnx.encoder_decoder_graphs:parts",
}
"""By task: task, what weights are kept in → `OnnxParts`, as MODULE:FUNCTION."""

ABOUT = "metadata.json"
MOST = 1.9e9
"""Bytes of weights in a file."""


def write(task: Task, folder: Path, weights: str = "fp32") -> Exported:
    """Write the graphs of a task that agree with its model, and all that is needed to use them."""
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"exporting to ONNX needs onnx and onnxruntime ({error}): pip install 'sunhwan[export]'"
        ) from None
    from sunhwan.exporting.onnx.graph import OPSET
    from sunhwan.exporting.parity import verify

    if folder.exists() and not (folder / ABOUT).is_file() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds other files: name a new folder to export to")
    if task.name not in PARTS:
        raise UsageError(f"there is no export to ONNX for the task {task.name}")
    size = 4 * sum(parameter.numel() for parameter in task.model.parameters())
    if size > MOST:
        raise UsageError(
            f"the weights are {size / 1e9:.1f} GB, and a file of ONNX holds 2: train a smaller model"
        )
    task = copy.copy(task)
    task.model = copy.deepcopy(task.model).cpu().float().eval()
    module, _, function = PARTS[task.name].partition(":")
    parts = getattr(import_module(module), function)(task, weights)
    with tempfile.TemporaryDirectory() as made:
        files = {}
        for name, graph in parts.graphs.items():
            model = graph.model({"task": task.name, "sunhwan": __version__})
            onnx.save(model, Path(made) / name)
            files[name] = {
                side: _values(getattr(model.graph, side)) for side in ("input", "output")
            }
        deviation = verify(Path(made), parts.checks, weights)
        about = {
            "sunhwan": __version__,
            "task": task.name,
            "opset": OPSET,
            "weights": weights,
            "deviation": deviation,
            "files": files,
            **parts.facts,
        }
        texts = {ABOUT: _json(about), "tokenizer.json": _json(parts.tokenizer)}
        texts["example.py"] = parts.example
        with replaced_folder(folder) as new:
            for name in files:
                shutil.copyfile(Path(made) / name, new / name)
            for name, text in texts.items():
                (new / name).write_text(text, encoding="utf-8")
    return Exported([folder / name for name in (*files, *texts)], deviation, weights=weights)


def _values(values: Any) -> dict[str, list[Any]]:
    """Type and shape of each input or output, by name."""
    import onnx

    found = {}
    for value in values:
        tensor = value.type.tensor_type
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        found[value.name] = [kind, *(d.dim_param or d.dim_value for d in tensor.shape.dim)]
    return found


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
