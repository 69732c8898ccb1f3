"""Questions to a model of any task, and looks inside it."""

import re
import threading
from dataclasses import replace
from typing import Any

from sunhwan.data import Series
from sunhwan.data.numbers import is_number
from sunhwan.data.times import check_ascending, moment
from sunhwan.errors import UsageError
from sunhwan.serve.json_text import json_of
from sunhwan.serve.models import Loaded
from sunhwan.serve.refusals import RefusedError
from sunhwan.serve.schemas import Matters, Predict, TraceOf
from sunhwan.serve.service import Service
from sunhwan.tasks import Answer, EncoderDecoderTask, Forecast
from sunhwan.tasks.forecast.tracks import Layout, as_series


async def traced(service: Service, loaded: Loaded, body: TraceOf) -> bytes:
    """What a layer did while it read a text; see `sunhwan.inspection.measures.traces.trace`."""
    service.check(len(body.text), service.limits.characters, "characters", 413)

    def work() -> bytes:
        from sunhwan.inspection.json_values import json_values
        from sunhwan.inspection.measures.traces import trace
        from sunhwan.inspection.subjects import subject_of

        subject = subject_of(loaded.task)
        passage = subject.passages(body.text)[0]
        stack = subject.recurrents.get(body.stack or subject.main)
        H = max(layer.hidden_size for layer in stack.stack) if stack else 1
        units = H if body.units is None else len(body.units)
        kinds = 8 if body.values is None else len(body.values)
        numbers = len(passage.labels) * units * kinds
        service.check(numbers, service.limits.numbers, "numbers: name fewer units or values,", 413)
        found = trace(subject, passage, stack=body.stack, layer=body.layer, values=body.values)
        wanted = list(range(H)) if body.units is None else body.units
        values = {}
        for name, value in found.values.items():
            if any(unit >= value.shape[1] for unit in body.units or ()):
                raise UsageError(f"{name} has the units 0 … {value.shape[1] - 1}")
            wanted = list(range(value.shape[1])) if body.units is None else body.units
            values[name] = json_values(value[:, wanted].T)
        return json_of(
            {
                "pieces": found.pieces,
                "labels": found.labels,
                "surprise": json_values(found.surprise),
                "values": values,
                "units": wanted,
                "open": {"gate": found.keep, "units": found.open} if found.keep else None,
            }
        )

    return await loaded.apart(work)


async def explained(service: Service, loaded: Loaded, body: Matters) -> bytes:
    """What mattered for a prediction; see `sunhwan.inspection.measures.attribution.what_mattered`."""
    service.check(len(body.text), service.limits.explained, "characters", 413)

    def work() -> bytes:
        from sunhwan.inspection.json_values import json_values
        from sunhwan.inspection.measures.attribution import what_mattered
        from sunhwan.inspection.subjects import subject_of

        subject = subject_of(loaded.task)
        place, writes = body.position, subject.running_text
        if place is None:
            # Of an answer its first piece, rather than its end.
            passage, prediction = subject.continued(body.text), -1 if writes else 0
        else:
            # In a text a step is predicted by those before it.
            passage, prediction = subject.passages(body.text)[0], place - writes
        if not passage.labels:
            raise UsageError("there is nothing to read: give a text")
        if prediction < -1 or (place is not None and prediction < 0):
            raise UsageError("nothing predicts the first step of a text: give another position")
        found = what_mattered(subject, passage, prediction=prediction)
        # The likeliest next token is no part of the text.
        T = len(found.pieces) - (place is None and writes)
        return json_of(
            {
                "pieces": found.pieces[:T],
                "predicted": found.predicted,
                "probability": json_values(found.probability),
                "gradient_x_input": json_values(found.gradient_x_input[:T]),
                "occlusion": json_values(found.occlusion[:T]),
            }
        )

    return await loaded.apart(work)


async def predicted(service: Service, loaded: Loaded, body: Predict) -> bytes:
    """An answer to each question, and each is what it would be alone."""
    predictor = loaded.answering()
    task, options = loaded.task, body.options.model_dump(exclude_none=True)
    service.check(len(body.questions), service.limits.lines, "questions")
    for question in body.questions:
        size = len(question) if isinstance(question, str) else sum(map(len, question))
        service.check(size, service.limits.characters, "characters in a question", 413)
    service.check(options.get("n", 1), service.limits.n, "answers")
    if options and not isinstance(task, EncoderDecoderTask):
        raise RefusedError(
            422, f"a model to {task.name} writes nothing: leave out options", param="options"
        )
    if _reads_files(task):
        raise RefusedError(
            422, "this model reads files, which are not taken over HTTP: use `sunhwan predict`"
        )
    given_up = threading.Event()
    questions: list[Any] = list(body.questions)
    if isinstance(task, Forecast):
        questions = [_series(one, task.reading) for one in questions]

    def work() -> bytes:
        n, seed = options.get("n", 1), options.pop("seed", 1)
        answers = []
        for place, question in enumerate(questions):
            if given_up.is_set():
                break
            own = (
                options | {"seed": seed + n * place} if isinstance(task, EncoderDecoderTask) else {}
            )
            answers += [_as_values(one) for one in predictor.answers([question], **own)]
        return json_of({"answers": answers})

    try:
        return await loaded.apart(work)
    finally:
        given_up.set()


def _series(question: str | list[str], reading: Layout) -> Series | list[list[str]]:
    """Rows of a series: a line or a text each, its numbers with spaces, tabs or commas between.

    Before the numbers of each there may be a date, which with its time of day is one.
    """
    lines = question.splitlines() if isinstance(question, str) else question
    rows = [_TIME_OF_DAY.sub("T", line).replace(",", " ").split() for line in lines]
    times = [row[0] for row in rows if row and moment(row[0]) and not is_number(row[0])]
    if not times or len(times) < len(rows):
        return rows
    check_ascending(times, [f"line {number}" for number in range(1, len(times) + 1)], "date")
    return replace(as_series([row[1:] for row in rows], reading), times=tuple(times))


_TIME_OF_DAY = re.compile(r"(?<=[0-9]) (?=[0-9]{1,2}:[0-9])")


def _as_values(answer: Answer) -> dict[str, Any]:
    look = answer.alignment
    alignment = look and {
        "source": look.source, "target": look.target, "weights": look.weights.tolist()
    }  # fmt: skip
    rows = [list(row) for row in answer.rows]
    return {"values": answer.values, "text": answer.text, "rows": rows, "alignment": alignment}


def _reads_files(task: Any) -> bool:
    """Whether the cells of a question name files: sound, vectors, images."""
    kind = getattr(task, "input_kind", None)
    return getattr(kind, "kind", "") == "frames" or bool(getattr(kind, "image_size", 0))
