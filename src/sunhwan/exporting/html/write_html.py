"""A language model written as one HTML file, run and compared with the model where there is Node.js."""

import base64
import copy
import html
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from sunhwan import __version__
from sunhwan.atomic import write_text
from sunhwan.errors import ConfigError, UsageError
from sunhwan.exporting import loops
from sunhwan.exporting.formats import Exported
from sunhwan.exporting.html.training import training
from sunhwan.exporting.parity import Reading
from sunhwan.exporting.whole import WholeStep, whole_step
from sunhwan.generation.prompt import start_tokens
from sunhwan.models import LanguageModel
from sunhwan.program import evaluate
from sunhwan.program.operations import Numbers
from sunhwan.tasks import Task
from sunhwan.text import Vocabulary

HERE = Path(__file__).parent

PRINT = """
const found = [], logits = new Float32Array(TOKENS.length), state = begin();
for (const token of IDS_TO_READ) found.push(Array.from(step(state, token, logits)));
console.log(JSON.stringify(found));
"""


def write(task: Task, path: Path, weights: str = "fp32") -> Exported:
    """Write the page of a language model, in float32, that says what the model says."""
    language = task.as_language_model()
    if language is None:
        raise UsageError(
            f"{task.title} cannot be exported as a page, which is for language models: export to ONNX"
        )
    if path.suffix not in (".html", ".htm") or path.is_dir():
        raise UsageError(
            f"a page is written to a file: name one such as {path.stem or 'model'}.html"
        )
    model = copy.deepcopy(language.model).cpu().float().eval()
    step = whole_step(model)
    facts, engine, numbers = parts(step, language.vocabulary)
    steps, lessons = training(model, arrays_of(step))
    off, notes = _compare(model, step, facts, engine, numbers)
    page = filled(
        "page.html",
        NAME=html.escape(path.stem),
        MADE=f"sunhwan {__version__}",
        WEIGHTS=numbers,
        MODEL=facts,
        ENGINE=engine,
        PAGE=_source("page.js"),
        PANEL=_source("panel.js"),
        PRODUCTS=_source("products.js"),
        TRAINER=_source("trainer.js"),
        STEPS=steps,
        TRAINING=_in_script(lessons),
    )
    write_text(path, page)
    return Exported([path], off, notes)


def filled(template: str, **values: str) -> str:
    """A template with its %%WORDS%% replaced; what is put in is not looked at again."""
    return re.sub(r"%%([A-Z]+)%%", lambda found: values[found[1]], _source(template))


def parts(step: WholeStep, vocabulary: Vocabulary) -> tuple[str, str, str]:
    """What is known of the model (JSON), the engine (JavaScript), the weights (base64 of float32)."""
    made = loops.statements(step.program, loops.JAVASCRIPT)
    arrays = arrays_of(step, made)
    places, start, flat = {}, 0, []
    for name, numbers in arrays.items():
        places[name] = [start, start + numbers.size]
        start += numbers.size
        flat.append(np.ascontiguousarray(numbers, np.dtype("<f4")).tobytes())
    facts: dict[str, Any] = {
        "width": step.table.shape[1],
        "arrays": places,
        "initial": {name: field.tolist() for name, field in step.initial.items()},
        "before": start_tokens(vocabulary),
        "vocabulary": vocabulary.to_dict(),
    }
    text = _in_script(facts)
    declared = [f'const {name} = array("{name}");' for name in made.arrays]
    declared += [f"const {name} = {numbers.tolist()};" for name, numbers in made.tables.items()]
    engine = filled(
        "engine.js",
        ARRAYS="\n".join(declared),
        SCRATCH=str(max(made.scratch, 1)),
        STATES="const { " + ", ".join(step.initial) + " } = state;",
        STEP="\n".join("  " + line.replace("\n", "\n  ") for line in made.lines),
    )
    return text, engine, base64.b64encode(b"".join(flat)).decode()


def arrays_of(step: WholeStep, made: loops.Statements | None = None) -> dict[str, Numbers]:
    """The weights of a page as they lie there, matrices column by column."""
    made = made or loops.statements(step.program, loops.JAVASCRIPT)
    arrays: dict[str, Numbers] = {"TABLE": step.table, **made.arrays}
    for name, rows in made.matrices.items():
        arrays[name] = made.arrays[name].reshape(rows, -1).T
    return arrays


def _in_script(facts: dict[str, Any]) -> str:
    """JSON in which no text ends the script that it stands in."""
    return json.dumps(facts, ensure_ascii=True).replace("<", "\\u003c")


def _source(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _compare(
    model: LanguageModel, step: WholeStep, facts: str, engine: str, weights: str
) -> tuple[float, tuple[str, ...]]:
    """The largest deviation of the logits, of the page where there is Node.js, else of its program."""
    reading = Reading.of(model)
    node = shutil.which("node")
    notes: tuple[str, ...] = ()
    if node is None:
        notes = ("the page's program was compared, not the page itself: there is no Node.js here",)
        found = _by_program(step, reading.tokens)
    else:
        script = f"const WEIGHTS_TEXT = {json.dumps(weights)};\nconst MODEL = {facts};\n{engine}"
        script += PRINT.replace("IDS_TO_READ", str(reading.tokens))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.js"
            file.write_text(script, encoding="utf-8")
            done = subprocess.run([node, str(file)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(f"the page is not written, it fails: {done.stderr.strip()[-300:]}")
        found = np.array(json.loads(done.stdout), np.float32)
    return reading.check("the page", found), notes


def _by_program(step: WholeStep, ids: list[int]) -> Numbers:
    state = {name: field[None] for name, field in step.initial.items()}
    rows = []
    for token in ids:
        state = evaluate(step.program, {"x": step.table[token][None], **state})
        rows.append(state.pop("logits")[0])
    return np.stack(rows)
