"""Question answering as a page."""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sunhwan.exporting.html.encoder_parts import PageParts
from sunhwan.exporting.html.page_parts import Answering
from sunhwan.exporting.html.random_questions import as_read, random_questions, scripts_of
from sunhwan.exporting.predictor_checks import in_precision_of
from sunhwan.models.passage_reader import PassageReader
from sunhwan.tasks.answer.task import AnswerQuestions

OUTPUTS = "given => weightsOf(...given)"


def passage_page(task: AnswerQuestions) -> Answering:
    """The page of a passage and a question."""
    scripts, texts = scripts_of(task.input_kind), random_questions(task.input_kind)
    assert scripts is not None
    questions = [texts[n:] + texts[:n] for n in range(len(texts))]
    questions = [row[:2] for row in questions]
    return Answering(
        engine=(*scripts.reading, "attention.js", "passage_reader.js"),
        body="answers.html",
        scripts=(*scripts.asking, "passage.js"),
        facts=partial(_facts, task),
        questions=questions,
        outputs=OUTPUTS,
        wanted=partial(_wanted, task, questions),
    )


def _facts(task: AnswerQuestions, parts: PageParts, model: Any) -> dict[str, Any]:
    assert isinstance(model, PassageReader)
    return {
        "columns": list(task.columns.inputs),
        "source": task.input_kind.to_dict(),
        "inputs": parts.inputs(model.encoder.inputs),
        "stack": parts.stack(model.encoder.recurrent),
        "pooling": parts.pooling(model.pooling),
        "attention": parts.attention(model.attention),
    }


@torch.no_grad()
def _wanted(task: AnswerQuestions, questions: list[list[str]], model: nn.Module) -> NDArray[Any]:
    """The weight of every word of each passage."""
    kind, found = task.input_kind, []
    for question in questions:
        batches = [in_precision_of(model, kind.collate([as_read(kind, text)])) for text in question]
        found.append(model(*batches)[0, : int(batches[0].lengths[0])].numpy())
    return np.concatenate(found)
