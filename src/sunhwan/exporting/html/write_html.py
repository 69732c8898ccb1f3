"""A language model written as one HTML file, run and compared with the model where there is Node.js."""

import copy
import html
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sunhwan import __version__
from sunhwan.atomic import write_text
from sunhwan.errors import ConfigError, UsageError
from sunhwan.exporting import loops
from sunhwan.exporting.formats import Exported
from sunhwan.exporting.html.page_parts import (
    filled,
    foundation,
    framed,
    in_script,
    laid_out,
    node_or_none,
    run_in_node,
    source,
)
from sunhwan.exporting.html.training import training
from sunhwan.exporting.html.write_answers import answer_page, answering
from sunhwan.exporting.parity import RandomReading, checked
from sunhwan.exporting.whole import WholeStep, whole_step
from sunhwan.generation.lines import LineBreak
from sunhwan.generation.prompt import start_tokens
from sunhwan.models import LanguageModel
from sunhwan.program import evaluate
from sunhwan.program.operations import Numbers
from sunhwan.tasks import Task
from sunhwan.text import Vocabulary

PRINT = """
const state = begin(), said = new Float32Array(TOKENS.length);
console.log(JSON.stringify(IDS_TO_READ.map(token => Array.from(step(state, token, said)))));
"""


def write(task: Task, path: Path, weights: str = "fp32") -> Exported:
    """Write a page that says what the model says, with weights in fp16 or fp32."""
    language = task.as_language_model()
    answers = answering(task) if language is None else None
    if language is None and answers is None:
        raise UsageError(
            f"{task.title} cannot be exported as a page with inputs of this kind: a page reads text, "
            "frames, a series, an image, numbers or labels; export to ONNX"
        )
    if path.suffix not in (".html", ".htm") or path.is_dir():
        raise UsageError(
            f"a page is written to a file: name one such as {path.stem or 'model'}.html"
        )
    title, made_by = html.escape(path.stem), f"sunhwan {__version__}"
    if language is None:
        assert answers is not None
        page, off = answer_page(task, answers, title, made_by, weights)
        write_text(path, page)
        return Exported([path], off, (), weights)
    model = copy.deepcopy(language.model).cpu().float().eval()
    exact = whole_step(model, gates=True)
    step = rounded(exact) if weights == "fp16" else exact
    facts, made, numbers = parts(step, language.vocabulary, weights, language.line_break)
    engine = foundation(facts) + made
    script = f"const WEIGHTS_TEXT = {json.dumps(numbers)};\n{engine}"
    off, notes = _compare(model, step, script, weights)
    steps, lessons = training(model, arrays_of(exact))
    training_engine = f"const TRAINING = {in_script(lessons)};\n{steps}\n{source('trainer.js')}"
    page = framed(
        "page.html", title=title, made_by=made_by, weights=numbers,
        engine=f"{engine}\n{training_engine}", scripts=["page.js", "panel.js"],
    )  # fmt: skip
    write_text(path, page)
    return Exported([path], off, notes, weights)


def parts(
    step: WholeStep, vocabulary: Vocabulary, weights: str, line_break: LineBreak | None
) -> tuple[str, str, str]:
    """What is known of the model (JSON), the engine (JavaScript), the weights (`packing`).

    Vectors lie there in float32; behind them, with weights of "fp16", the matrices in float16.
    """
    made = loops.statements(step.program, loops.JAVASCRIPT)
    arrays = arrays_of(step, made)
    halves = {"TABLE", *made.matrices} if weights == "fp16" else set()
    stored = laid_out(arrays, halves)
    facts: dict[str, Any] = {
        "width": step.table.shape[1],
        **stored.facts,
        "room": made.scratch + len(vocabulary) + sum(map(len, step.initial.values())) + 1,
        "initial": {name: field.tolist() for name, field in step.initial.items()},
        "gates": {
            name: [*gate, step.program.operations[step.program.results[name]].size]
            for name, gate in step.gates.items()
        },
        "before": start_tokens(vocabulary),
        "line": None if line_break is None else line_break.token,
        "vocabulary": vocabulary.to_dict(),
    }
    declared = [f'const {name} = array("{name}");' for name in made.arrays]
    declared += [f"const {name} = {numbers.tolist()};" for name, numbers in made.tables.items()]
    engine = filled(
        "engine.js",
        ARRAYS="\n".join(declared),
        SCRATCH=str(max(made.scratch, 1)),
        STATES="const { "
        + ", ".join(step.initial)
        + " } = FIELDS, { "
        + ", ".join(step.gates)
        + " } = GATES;",
        STEP="\n".join("  " + line.replace("\n", "\n  ") for line in made.lines),
    )
    return in_script(facts), engine, stored.text


def rounded(step: WholeStep) -> WholeStep:
    """The same step with its matrices in float16; ConfigError where a number is too large for it."""
    operations = list(step.program.operations)
    for name in loops.statements(step.program, loops.JAVASCRIPT).matrices:
        place = int(name.removeprefix("c"))
        numbers = operations[place].numbers
        assert numbers is not None
        operations[place] = operations[place]._replace(numbers=_half(numbers))
    program = step.program._replace(operations=tuple(operations))
    return step._replace(program=program, table=_half(step.table))


def _half(numbers: Numbers) -> Numbers:
    with np.errstate(over="ignore"):
        found = numbers.astype(np.float32).astype(np.float16).astype(np.float32)
    if not np.isfinite(found).all():
        raise ConfigError("a weight is too large for fp16: export the page with weights in fp32")
    return found


def arrays_of(step: WholeStep, made: loops.Statements | None = None) -> dict[str, Numbers]:
    """The weights of a page as they lie there, matrices column by column."""
    made = made or loops.statements(step.program, loops.JAVASCRIPT)
    arrays: dict[str, Numbers] = {"TABLE": step.table, **made.arrays}
    for name, rows in made.matrices.items():
        arrays[name] = made.arrays[name].reshape(rows, -1).T
    return arrays


def _compare(
    model: LanguageModel, step: WholeStep, engine: str, weights: str
) -> tuple[float, tuple[str, ...]]:
    """The largest deviation of the logits, of the page where there is Node.js, else of its program."""
    reading = RandomReading.of(model)
    node = node_or_none()
    notes: tuple[str, ...] = ()
    if node is None:
        notes = ("the page's program was compared, not the page itself: there is no Node.js here",)
        found = _by_program(step, reading.tokens, np.float32)
    else:
        script = engine + PRINT.replace("IDS_TO_READ", str(reading.tokens))
        found = np.array(run_in_node(node, script), np.float32)
    if weights != "fp32":  # the page computes exactly, with weights that are not
        wanted = _by_program(step, reading.tokens, np.float32)
        exact = partial(_by_program, step, reading.tokens, np.float64)
        checked("the page", "its logits are", found, wanted, exact)
    return reading.check("the page", found, weights), notes


def _by_program(step: WholeStep, ids: list[int], kind: type[np.floating[Any]]) -> Numbers:
    state = {name: field[None].astype(kind) for name, field in step.initial.items()}
    rows = []
    for token in ids:
        state = evaluate(step.program, {"x": step.table[token][None].astype(kind), **state})
        rows.append(state.pop("logits")[0])
    return np.stack(rows)
