"""A model written as one C file, compiled and compared with the model before it is kept."""

import copy
import ctypes
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sunhwan.atomic import write_text
from sunhwan.errors import ConfigError, UsageError
from sunhwan.exporting import predictor_checks
from sunhwan.exporting.c.encoder_decoders import (
    ENCODER_DECODERS,
    compare_encoder_decoder,
    encoder_decoder_source,
)
from sunhwan.exporting.c.predictors import (
    BOUND,
    ENDINGS,
    STEPS,
    about_network,
    compare,
    predictor_file,
    reads_one_step,
)
from sunhwan.exporting.c.source import CSource, c_source
from sunhwan.exporting.formats import Exported
from sunhwan.exporting.parity import RandomReading
from sunhwan.exporting.whole import whole_step
from sunhwan.generation.prompt import start_tokens
from sunhwan.models import LanguageModel
from sunhwan.tasks import LanguageModelTask, Task

COMPILERS = ("cc", "gcc", "clang")


class CForm(NamedTuple):
    """How the models of a task are written, and how a compiled file is compared."""

    source: Callable[[Any, str, str], CSource]
    compare: Callable[[ctypes.CDLL, str, Any, str, int], float]


FORMS = dict.fromkeys(ENDINGS, CForm(predictor_file, compare)) | dict.fromkeys(
    ENCODER_DECODERS, CForm(encoder_decoder_source, compare_encoder_decoder)
)
"""By task, but for language models."""


def write(task: Task, path: Path, weights: str = "fp32") -> Exported:
    """Write the C file of a model that says what the model says."""
    if task.as_language_model() is None and task.name not in FORMS:
        raise UsageError(f"{task.title} cannot be exported to C: export to ONNX")
    if path.suffix != ".c" or path.is_dir():
        raise UsageError(f"C is written to a file: name one such as {path.stem or 'model'}.c")
    compiler = find_compiler()
    task = copy.copy(task)
    task.model = copy.deepcopy(task.model).cpu().float().eval()
    name = re.sub(r"\W+", "_", path.stem, flags=re.ASCII).strip("_").lower() or "model"
    name = f"model_{name}" if name[0].isdigit() else name
    source, language = source_of(task, name, weights), task.as_language_model()
    if language is not None:
        off = _compare(compiler, name, source, language.model, weights)
    else:
        longest = max(predictor_checks.LENGTHS) + getattr(task, "horizon", 0)
        steps = 1 if reads_one_step(task) else longest
        room = source.struct * (steps // STEPS + 2)
        with compiled(compiler, name, source.text, f"-D{name.upper()}_STEPS={steps}") as library:
            off = FORMS[task.name].compare(library, name, task, weights, room)
    write_text(path, source.text)
    return Exported([path], off, weights=weights)


def source_of(task: Any, name: str, weights: str) -> CSource:
    """The file of a model in evaluation mode; ConfigError for what has no form in C."""
    language = task.as_language_model()
    if language is not None:
        return _language_model(language, name, weights)
    return FORMS[task.name].source(task, name, weights)


def _language_model(task: LanguageModelTask, name: str, weights: str) -> CSource:
    model = task.model
    about = f"{about_network('A language model', model.recurrent)} over {task.vocabulary.kind}."
    if task.line_break is not None:
        about += (
            f"\n * Each line begins anew: before token {task.line_break.token} call {name}_begin."
        )
    before = start_tokens(task.vocabulary)
    return c_source(
        name, about, whole_step(model), task.vocabulary, before, task.line_break, weights
    )


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
    compiler: list[str], name: str, source: CSource, model: LanguageModel, weights: str
) -> float:
    """The largest deviation of the logits over many steps; ConfigError where it is too large."""
    reading = RandomReading.of(model)
    with compiled(compiler, name, source.text) as library:
        state = ctypes.create_string_buffer(source.struct)
        logits = (ctypes.c_float * model.vocabulary_size)()
        getattr(library, f"{name}_begin")(state)
        rows = []
        for token in reading.tokens:
            getattr(library, f"{name}_step")(state, token, logits)
            rows.append(np.array(logits, np.float32))
    return reading.check(f"{name}.c", np.stack(rows), weights, BOUND)


@contextmanager
def compiled(compiler: list[str], name: str, source: str, *options: str) -> Iterator[ctypes.CDLL]:
    """A C file as a library; ConfigError where the compiler refuses it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file, library = Path(folder) / f"{name}.c", Path(folder) / f"{name}.so"
        file.write_text(source, encoding="utf-8")
        command = [*compiler, "-std=c99", "-O1", *options, "-shared", "-fPIC", "-o", str(library)]
        command += [str(file), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(
                f"{name}.c is not written: {compiler[0]} refuses it: {done.stderr[-300:]}"
            )
        yield ctypes.CDLL(str(library))
