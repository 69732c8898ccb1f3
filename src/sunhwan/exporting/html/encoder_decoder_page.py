"""Encoder-decoders as a page: a text is translated, an image, numbers or labels are described."""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sunhwan.exporting.html.encoder_decoder_parts import decoder, step_reader
from sunhwan.exporting.html.encoder_parts import Parts
from sunhwan.exporting.html.labels_page import random_texts
from sunhwan.exporting.html.page_parts import Answering
from sunhwan.exporting.predictor_checks import in_precision_of
from sunhwan.models.encoder_decoder import EncoderDecoder, SequenceReader
from sunhwan.models.readers import StepReader
from sunhwan.tasks.common.encoder_decoder_task import EncoderDecoderTask
from sunhwan.tasks.common.input_kinds import TextKind
from sunhwan.tasks.common.questions import Question
from sunhwan.tasks.common.vector_input import LabelsKind, VectorKind
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.tasks.describe.tunes import TUNE
from sunhwan.text import Vocabulary

STEPS, QUESTIONS = 5, 4
"""Tokens, drawn at random, after each of which the page is compared; questions without a text."""

OUTPUTS = """
({ given, tokens }) => {
  const state = begin(memoryOf(given));
  return tokens.flatMap(token => {
    const { logP, weights } = step(state, token);
    return [...logP, ...(weights ?? [])];
  });
}
"""


def encoder_decoder_page(task: EncoderDecoderTask) -> Answering | None:
    """The page; None for what is read of files."""
    kind = task.input_kind
    reading: tuple[str, ...] = ()
    questions: list[Any]
    if isinstance(kind, TextKind | WordsKind):
        reading, questions = ("reading.js",), random_texts(kind)
    elif isinstance(kind, VectorKind):
        draw = np.random.default_rng(1)
        numbers = draw.normal(kind.mean, kind.deviation, (QUESTIONS, len(kind.mean)))
        questions = numbers.astype(np.float32).tolist()
    elif isinstance(kind, LabelsKind):
        draw = np.random.default_rng(1)
        counts = [len(column) for column in kind.labels]
        questions = draw.integers(0, counts, (QUESTIONS, len(counts))).tolist()
    else:
        return None
    tokens = np.random.default_rng(2).integers(0, len(task.vocabulary), STEPS - 1).tolist()
    return Answering(
        engine=(*reading, "decoder.js"),
        body="encoder_decoder.html",
        scripts=("shell.js", "questions.js", "encoder_decoder.js"),
        facts=partial(_facts, task),
        questions=[{"given": one, "tokens": [task.eos, *tokens]} for one in questions],
        outputs=OUTPUTS,
        wanted=partial(_wanted, task, questions, [task.eos, *tokens]),
    )


def _facts(task: EncoderDecoderTask, parts: Parts, model: Any) -> dict[str, Any]:
    assert isinstance(model, EncoderDecoder)
    reader, kind = model.reader, task.input_kind
    facts: dict[str, Any] = {
        "columns": list(task.columns.inputs),
        "source": kind.to_dict(),
        "vocabulary": task.vocabulary.to_dict(),
        "limit": task.limit,
        "temperature": task.temperature,
        "tune": task.columns == TUNE,
        "decoder": decoder(parts, model.decoder),
    }
    if model.decoder.attention is not None:
        facts["pieces"] = {"written": _labels(task.vocabulary)}
        if isinstance(kind, TextKind):
            facts["pieces"]["read"] = _labels(kind.vocabulary)
    if isinstance(reader, SequenceReader):
        facts["inputs"] = parts.inputs(reader.encoder.inputs)
        facts["stack"] = parts.stack(reader.encoder.recurrent)
        facts["pooling"] = parts.pooling(reader.pooling)
    else:
        assert isinstance(reader, StepReader)
        facts["reader"] = step_reader(parts, reader.inputs)
    return facts


def _labels(vocabulary: Vocabulary) -> list[str]:
    """How each token of a vocabulary is shown."""
    return vocabulary.token_texts(range(len(vocabulary)))


@torch.no_grad()
def _wanted(
    task: EncoderDecoderTask, questions: list[Any], tokens: list[int], model: Any
) -> NDArray[Any]:
    """log p of the next token after each of these, and where the model looked."""
    found = []
    for question in questions:
        batch = task.input_kind.collate([_read(task, question)])
        state = model.start(in_precision_of(model, batch))
        for token in tokens:
            log_p, state, weights = model.step(torch.tensor([token]), state)
            found.append(log_p[0].numpy())
            if weights is not None:
                found.append(weights[0, : int(batch.lengths[0])].numpy())
    return np.concatenate(found)


def _read(task: EncoderDecoderTask, question: Any) -> Tensor:
    """A question of the page as the model reads it."""
    kind = task.input_kind
    if isinstance(kind, LabelsKind):
        return torch.tensor([question])
    cells = (question,) if isinstance(question, str) else tuple(map(repr, question))
    (steps,) = kind.read(Question(cells, ""))
    return steps
