"""A language model written as one C file, compiled and compared with the model before it is kept."""

import copy
import ctypes
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from sunhwan.atomic import write_text
from sunhwan.errors import ConfigError, UsageError
from sunhwan.exporting.c.source import c_source
from sunhwan.exporting.formats import Exported
from sunhwan.exporting.parity import Reading
from sunhwan.exporting.whole import WholeStep, whole_step
from sunhwan.generation.prompt import start_tokens
from sunhwan.models import LanguageModel
from sunhwan.tasks import Task

COMPILERS = ("cc", "gcc", "clang")


def write(task: Task, path: Path, weights: str = "fp32") -> Exported:
    """Write the C file of a language model that says what the model says."""
    language = task.as_language_model()
    if language is None:
        raise UsageError(
            f"{task.title} cannot be exported to C, which is for language models: export to ONNX"
        )
    if path.suffix != ".c" or path.is_dir():
        raise UsageError(f"C is written to a file: name one such as {path.stem or 'model'}.c")
    compiler = find_compiler()
    model = copy.deepcopy(language.model).cpu().float().eval()
    step = whole_step(model)
    name = re.sub(r"\W+", "_", path.stem, flags=re.ASCII).strip("_").lower() or "model"
    name = f"model_{name}" if name[0].isdigit() else name
    cells = " + ".join(dict.fromkeys(type(layer.cell).__name__ for layer in model.recurrent.stack))
    sizes = ", ".join(str(layer.hidden_size) for layer in model.recurrent.stack)
    about = f"A language model: {cells} of {sizes} units over {language.vocabulary.kind}."
    source = c_source(name, about, step, language.vocabulary, start_tokens(language.vocabulary))
    off = _compare(compiler, name, source, model, step)
    write_text(path, source)
    return Exported([path], off)


def find_compiler() -> list[str]:
    """The command of a C compiler; UsageError where there is none."""
    found = next(filter(None, map(shutil.which, COMPILERS)), None)
    if found:
        return [found]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise UsageError(
        "a C file is compiled and compared with the model before it is kept: install a C compiler, or "
        "pip install ziglang"
    )


def _compare(
    compiler: list[str], name: str, source: str, model: LanguageModel, step: WholeStep
) -> float:
    """The largest deviation of the logits over many steps; ConfigError where it is too large."""
    reading = Reading.of(model)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file, library = Path(folder) / f"{name}.c", Path(folder) / f"{name}.so"
        file.write_text(source, encoding="utf-8")
        options = ["-std=c99", "-O1", "-shared", "-fPIC", "-o", str(library), str(file), "-lm"]
        done = subprocess.run([*compiler, *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(
                f"{name}.c is not written: {compiler[0]} refuses it: {done.stderr[-300:]}"
            )
        found = _run(
            ctypes.CDLL(str(library)), name, reading.tokens, model.vocabulary_size, step, source
        )
    return reading.check(f"{name}.c", found)


def _run(
    library: ctypes.CDLL, name: str, ids: list[int], V: int, step: WholeStep, source: str
) -> np.ndarray:
    """The logits (T, V) of the compiled step."""
    (scratch,) = re.findall(r"float scratch\[(\d+)\];", source)
    floats = sum(map(len, step.initial.values())) + int(scratch)
    state = (ctypes.c_float * (floats + 1))()
    logits = (ctypes.c_float * V)()
    getattr(library, f"{name}_begin")(state)
    rows = []
    for token in ids:
        getattr(library, f"{name}_step")(state, token, logits)
        rows.append(np.array(logits, np.float32))
    return np.stack(rows)
