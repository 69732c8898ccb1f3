"""Predictions over HTTP: a model's answers to questions."""

import threading
from typing import Any

from sunhwan.serve.json_text import json_of
from sunhwan.serve.models import Loaded
from sunhwan.serve.refusals import RefusedError
from sunhwan.serve.schemas import Predict
from sunhwan.serve.service import Service
from sunhwan.tasks import Answer


async def predicted(service: Service, loaded: Loaded, body: Predict) -> bytes:
    """An answer to each question, and each is what it would be alone."""
    task, options = loaded.answering(), body.options.model_dump(exclude_none=True)
    service.check(len(body.questions), service.limits.lines, "questions")
    for question in body.questions:
        size = len(question) if isinstance(question, str) else sum(map(len, question))
        service.check(size, service.limits.characters, "characters in a question", 413)
    service.check(options.get("n", 1), service.limits.n, "answers")
    if unknown := options.keys() - set(task.options):
        why = "is no classifier" if unknown == {"at_least"} else "writes nothing"
        raise RefusedError(
            422, f"a {task.title} {why}: leave out {', '.join(sorted(unknown))}", param="options"
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
