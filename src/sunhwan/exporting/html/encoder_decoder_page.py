"""Encoder-decoders as a page: a text is translated, an image, numbers or labels are described."""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sunhwan.exporting.html.encoder_decoder_parts import decoder
from sunhwan.exporting.html.encoder_parts import PageParts
from sunhwan.exporting.html.page_parts import Answering
from sunhwan.exporting.html.random_questions import as_read, random_questions, scripts_of
from sunhwan.exporting.predictor_checks import in_precision_of
from sunhwan.models.encoder_decoder import EncoderDecoder, SequenceReader
from sunhwan.models.readers import StepReader
from sunhwan.tasks.common.encoder_decoder_task import ALPHA, BEAM, EncoderDecoderTask
from sunhwan.tasks.common.input_kinds import TextKind
from sunhwan.tasks.describe.tunes import TUNE
from sunhwan.text import Vocabulary

STEPS = 5
"""Tokens, drawn at random, after each of which the page is compared."""

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
    scripts = scripts_of(kind)
    if scripts is None:
        return None
    questions = random_questions(kind)
    tokens = np.random.default_rng(2).integers(0, len(task.vocabulary), STEPS - 1).tolist()
    return Answering(
        engine=(*scripts.reading, "attention.js", "decoder.js"),
        body="encoder_decoder.html",
        scripts=(*scripts.asking, "encoder_decoder.js"),
        facts=partial(_facts, task),
        questions=[{"given": one, "tokens": [task.eos, *tokens]} for one in questions],
        outputs=OUTPUTS,
        wanted=partial(_wanted, task, questions, [task.eos, *tokens]),
    )


def _facts(task: EncoderDecoderTask, parts: PageParts, model: Any) -> dict[str, Any]:
    assert isinstance(model, EncoderDecoder)
    reader, kind = model.reader, task.input_kind
    facts: dict[str, Any] = {
        "columns": list(task.columns.inputs),
        "source": kind.to_dict(),
        "vocabulary": task.vocabulary.to_dict(),
        "limit": task.limit,
        "beam": BEAM,
        "alpha": ALPHA,
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
        facts["inputs"] = parts.inputs(reader.inputs)
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
        batch = task.input_kind.collate([as_read(task.input_kind, question)])
        state = model.start(in_precision_of(model, batch))
        for token in tokens:
            log_p, state, weights = model.step(torch.tensor([token]), state)
            found.append(log_p[0].numpy())
            if weights is not None:
                found.append(weights[0, : int(batch.lengths[0])].numpy())
    return np.concatenate(found)
