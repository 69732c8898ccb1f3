"""Questions to a model of any task, and looks inside it."""

import threading
from typing import Any

from sunhwan.errors import UsageError
from sunhwan.serve.json_text import json_of
from sunhwan.serve.models import Loaded
from sunhwan.serve.refusals import RefusedError
from sunhwan.serve.schemas import Matters, Predict, TraceOf
from sunhwan.serve.service import Service
from sunhwan.tasks import Answer


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
    task, options = loaded.answering(), body.options.model_dump(exclude_none=True)
    service.check(len(body.questions), service.limits.lines, "questions")
    for question in body.questions:
        size = len(question) if isinstance(question, str) else sum(map(len, question))
        service.check(size, service.limits.characters, "characters in a question", 413)
    service.check(options.get("n", 1), service.limits.n, "answers")
    if options.keys() - set(task.options):
        raise RefusedError(
            422, f"a {task.title} writes nothing: leave out options", param="options"
        )
    if task.reads_files:
        raise RefusedError(
            422, "this model reads files, which are not taken over HTTP: use `sunhwan predict`"
        )
    given_up = threading.Event()
    questions = [task.parse_question(one) for one in body.questions]

    def work() -> bytes:
        n, seed = options.get("n", 1), options.pop("seed", 1)
        answers = []
        for place, question in enumerate(questions):
            if given_up.is_set():
                break
            own = options | {"seed": seed + n * place} if "seed" in task.options else options
            answers += [_as_values(one) for one in task.predict([question], **own)]
        return json_of({"answers": answers})

    try:
        return await loaded.apart(work)
    finally:
        given_up.set()


def _as_values(answer: Answer) -> dict[str, Any]:
    look = answer.alignment
    alignment = look and {
        "source": look.source, "target": look.target, "weights": look.weights.tolist()
    }  # fmt: skip
    rows = [list(row) for row in answer.rows]
    return {"values": answer.values, "text": answer.text, "rows": rows, "alignment": alignment}
