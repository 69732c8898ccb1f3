"""Classifiers, taggers and forecasters in C: what of each goes into the file, and its comparison."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from sunhwan.exporting.c.functions import floats
from sunhwan.exporting.c.passages import answer_ending
from sunhwan.exporting.c.predictor_code import (
    BOTH,
    BY_STEP,
    CLASSIFY,
    CLASSIFY_ONE,
    CLASSIFY_PAIR,
    CLASSIFY_TEXT,
    CLASSIFY_TEXTS,
    FORECAST,
    TAG,
    TAG_TEXT,
    VITERBI,
)
from sunhwan.exporting.c.predictor_source import Ending, PredictorParts, pool_of, predictor_source
from sunhwan.exporting.c.reading import Texts, told
from sunhwan.exporting.c.source import CSource
from sunhwan.exporting.parity import Check, Numbers, checked
from sunhwan.exporting.predictor_checks import Scale, prediction_checks
from sunhwan.exporting.predictor_programs import (
    head_program,
    levels_of,
    read_program,
    score_program,
)
from sunhwan.layers import Recurrent
from sunhwan.models.forecaster import QUANTILES
from sunhwan.tasks import Task
from sunhwan.tasks.classify.task import Classify
from sunhwan.tasks.common.input_kinds import FramesKind
from sunhwan.tasks.common.vector_input import StepKind, VectorKind
from sunhwan.tasks.common.word_input import SPELLED
from sunhwan.tasks.forecast.task import Forecast
from sunhwan.tasks.tag.task import Tag

BOUND = 1e-6
"""How far a number may be off in float32, see `parity.checked`: there are no operators of others."""
STEPS = 256
"""For so many the struct has room unless the compiler is told."""


def _classify(task: Classify, name: str) -> Ending:
    model, pooling = task.model, task.model.pooling
    pair = task.input_kind.sequences(len(task.columns.inputs)) == 2
    texts = Texts.of(task.input_kind, name)
    if texts is not None:
        another = ', "another"' * pair
        called = f'NAME_text(&m, "a text"{another}, logits)'
    else:
        others, steps = ", others, other_steps" * pair, "1" if reads_one_step(task) else "steps"
        called = f"NAME_predict(&m, numbers, {steps}{others}, logits)"
    usage = [
        " *   static struct NAME m;", " *   static float logits[UPPER_LABELS];",
        f" *   NAME_label({called});   {told(model.encoder.inputs)}",
    ]  # fmt: skip
    declared = [
        "/* The number of the likeliest label, and the logits of all; -1 for too many steps"
        f"{'' if texts else ', NaN or infinity'}. */",
        f"int NAME_predict(struct NAME *m, GIVEN, {'GIVEN_2, ' if pair else ''}float *logits);",
        "const char *NAME_label(int number);",
    ]
    if texts is not None:
        second = "const char *text_2, " if pair else ""
        called = f"struct NAME *m, const char *text, {second}float *logits"
        declared += [f"int NAME_text({called});", *texts.declared]
    beside = "    (void)steps;" if model.linear is None else "    add_ngrams(m, steps, logits);"
    code = CLASSIFY.replace("BOTH", BOTH if pair else "").replace("BESIDE", beside)
    code += CLASSIFY_PAIR if pair else CLASSIFY_ONE
    if texts is not None:
        code += CLASSIFY_TEXTS if pair else CLASSIFY_TEXT
    return Ending(
        {"LABELS": len(task.labels)},
        "\n".join(usage),
        "\n".join(declared) + "\n",
        code,
        pool=pool_of(pooling),
        inputs=2 if pair else 1,
        score=score_program(pooling) if pooling.kind == "attention" else None,
        labels=tuple(task.labels),
        texts=texts,
        ngrams=None if model.linear is None else (model.linear, model.temperature),
    )


def _tag(task: Tag, name: str) -> Ending:
    words = Texts.of(task.input_kind, name)
    usage = [
        " *   static struct NAME m;", " *   static float emissions[UPPER_STEPS * UPPER_LABELS];",
        " *   static int labels[UPPER_STEPS];",
        ' *   NAME_text(&m, "some words", emissions, labels);   words in UTF-8, form NFC' if words else
        " *   NAME_predict(&m, frames, steps, emissions, labels);   frames as read, not scaled",
    ]  # fmt: skip
    declared = [] if words is None else [
        "/* How many words there are, and the label of each; -1 for too many or for 256 bytes in one. */",
        "int NAME_text(struct NAME *m, const char *text, float *emissions, int *labels);",
        *words.declared, "",
    ]  # fmt: skip
    declared += [
        "/* The label of each step, and the scores of all; -1 for too many steps"
        f"{'' if words else ', NaN or infinity'}. */",
        "int NAME_predict(struct NAME *m, GIVEN, float *emissions, int *labels);",
        "const char *NAME_label(int number);",
    ]
    decode, fields = BY_STEP, tuple[str, ...]()
    if task.model.crf is not None:
        with torch.no_grad():
            scores = task.model.crf._scores(constrained=True)
        decode = VITERBI
        for word, name, part in zip(
            ("START", "MOVES", "END"), ("start", "moves", "end"), scores, strict=True
        ):
            numbers = floats(name, part.detach().float().numpy()).replace("\n", "\n    ")
            decode = decode.replace(word + "\n", f"    {numbers}\n", 1)
        fields = ("unsigned short origin[UPPER_STEPS * UPPER_LABELS];",)
    return Ending(
        {"LABELS": len(task.labels)}, "\n".join(usage), "\n".join(declared) + "\n",
        decode + TAG + (TAG_TEXT if words else ""), fields, labels=tuple(task.labels), texts=words,
    )  # fmt: skip


def _forecast(task: Forecast, name: str) -> Ending:
    usage = [
        " *   static struct NAME m;", " *   static float quantiles[UPPER_HORIZON * UPPER_QUANTILES];",
        " *   NAME_predict(&m, frames, steps, quantiles);",
        " *", " * frames: the columns of sunhwan.tasks.forecast.tracks, the future ones among them.",
    ]  # fmt: skip
    declared = [
        "/* Quantiles of the last UPPER_HORIZON steps, scaled, in ascending order; -1 for too many or too",
        " * few steps, NaN or infinity. */",
        "int NAME_predict(struct NAME *m, GIVEN, float *quantiles);",
    ]
    return Ending(
        {"HORIZON": task.horizon, "QUANTILES": len(QUANTILES)}, "\n".join(usage),
        "\n".join(declared) + "\n", FORECAST,
    )  # fmt: skip


ENDINGS: dict[str, Callable[[Any, str], Ending]] = {
    "classify": _classify, "tag": _tag, "forecast": _forecast, "answer": answer_ending,
}  # fmt: skip
"""By task."""


def reads_one_step(task: Task) -> bool:
    """Whether the question is numbers, an image or labels, and the struct has room for one step."""
    return isinstance(getattr(task, "input_kind", None), StepKind)


def scale_of(task: Task) -> Scale | None:
    """What the file applies to numbers before the model reads them."""
    kind = getattr(task, "input_kind", None)
    return Scale(kind.mean, kind.deviation) if isinstance(kind, FramesKind | VectorKind) else None


def about_network(title: str, recurrent: Recurrent) -> str:
    """The title of a model with its cells and their sizes."""
    cells = " + ".join(dict.fromkeys(type(layer.cell).__name__ for layer in recurrent.stack))
    sizes = ", ".join(str(layer.hidden_size) for layer in recurrent.stack)
    return f"{title}: {cells} of {sizes} units"


def predictor_file(task: Any, name: str, weights: str) -> CSource:
    """The file of a predictor; ConfigError for what has no form in C."""
    model, ending = task.model, ENDINGS[task.name](task, name)
    read = read_program(model.encoder.inputs, scale_of(task))
    # With n-grams beside it the sum of both is divided by the temperature.
    temperature = 1.0 if ending.ngrams else getattr(model, "temperature", 1.0)
    head = ending.head or head_program(model.output, temperature)
    network = PredictorParts(read, levels_of(model.encoder.recurrent), head)
    about = f"{about_network(task.title.capitalize(), model.encoder.recurrent)}."
    steps = 1 if reads_one_step(task) else max(STEPS, 2 * ending.sizes.get("HORIZON", 0))
    return predictor_source(name, about, network, ending, weights, steps)


def compare(library: ctypes.CDLL, name: str, task: Any, weights: str, struct: int) -> float:
    """The largest deviation of what the compiled file says; ConfigError where it is too large.

    struct: bytes of the struct at most.
    """
    predict, largest = getattr(library, f"{name}_predict"), 0.0
    room = ctypes.create_string_buffer(struct)
    for check in prediction_checks(task, f"{name}.c", scale_of(task)):
        found = _said(predict, room, check)
        for label, wanted in check.wanted.items():
            answer = wanted(found) if callable(wanted) else wanted

            def exact(check: Check = check, label: str = label) -> Any:
                value = check.exact()[label]
                return value if isinstance(value, np.ndarray) else None

            where = f" at {check.where}"
            off = checked(
                f"{name}.c",
                f"{label} is",
                found[label],
                answer,
                exact,
                where=where,
                weights=weights,
            )
            largest = max(largest, off)
    return largest


def _said(predict: Any, room: Any, check: Check) -> Numbers:
    """What the function says to each row of a batch; behind a row's end stands what is wanted."""
    names = list(check.wanted)
    first = check.wanted[names[0]]
    assert isinstance(first, np.ndarray)
    found = {names[0]: first.copy()}
    if len(names) > 1:
        found[names[1]] = np.zeros(first.shape[:2], np.int64)
    for row in range(len(first)):
        read = [part for suffix in ("", "_2") for part in read_of(check.given, suffix, row)]
        steps = read[-1] if len(names) > 1 else 0
        numbers = np.zeros(max(first[row].size, 1), np.float32)
        labels = np.zeros(max(steps, 1), np.int32)
        outputs = [numbers.ctypes, labels.ctypes][: len(names)]
        predict(room, *(getattr(part, "ctypes", part) for part in read), *outputs)
        if len(names) == 1:
            found[names[0]][row] = numbers.reshape(first[row].shape)
        else:
            size = steps * first.shape[2]
            found[names[0]][row, :steps] = numbers[:size].reshape(steps, first.shape[2])
            found[names[1]][row, :steps] = labels[:steps]
    return found


def read_of(given: Numbers, suffix: str, row: int) -> list[Any]:
    """What the function is given of a row's input with this end of its names: arrays, and the steps."""
    rows = {
        name.removesuffix("_2"): values[row]
        for name, values in given.items()
        if name.endswith("_2") == bool(suffix)
    }
    if not rows:
        return []
    steps = int(rows.pop("lengths", 1))
    if "letters" in rows:
        empty = SPELLED - rows["letters"].shape[1]
        rows["letters"] = np.pad(rows["letters"], ((0, 0), (0, empty)), constant_values=-1)
    kinds = {np.dtype(np.int64): np.int32}
    arrays = [
        np.ascontiguousarray(values, kinds.get(values.dtype, np.float32))
        for values in rows.values()
    ]
    return [*arrays, steps]
