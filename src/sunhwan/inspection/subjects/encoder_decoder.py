"""Encoder-decoder as a subject: each token of the answer, by teacher forcing."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sunhwan.inspection.subjects.base import Passage
from sunhwan.inspection.subjects.examples import ExampleSubject
from sunhwan.inspection.subjects.token_texts import pieces_of
from sunhwan.layers import Attention
from sunhwan.models.encoder_decoder import SequenceReader
from sunhwan.models.inputs import InputLayer
from sunhwan.tasks import EncoderDecoderTask
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.questions import question_of


class EncoderDecoderSubject(ExampleSubject):
    """An encoder-decoder: each token of the answer from those before it, by teacher forcing."""

    task: EncoderDecoderTask
    needs_whole_question = True

    def __init__(self, task: EncoderDecoderTask) -> None:
        self.task, model = task, task.model
        self.recurrents = {"decoder": model.decoder.recurrent}
        if isinstance(model.reader, SequenceReader):
            self.recurrents = {"encoder": model.reader.encoder.recurrent} | self.recurrents

    def steps(self, passage: Passage, stack: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if stack == self.main:
            return super().steps(passage, stack)
        pieces, labels = self._written(passage.given)
        return tuple(pieces), tuple(labels)

    def _pieces(self, example: Example) -> tuple[list[str], list[str]]:
        return super()._pieces(example) if self.main == "encoder" else self._written(example)

    def _written(self, example: Example) -> tuple[list[str], list[str]]:
        """What the decoder reads: EOS, then what it has written."""
        assert example.target is not None
        ids = [self.task.eos, *example.target[:-1].tolist()]
        vocabulary = self.task.vocabulary
        return ["", *pieces_of(vocabulary, ids[1:])], vocabulary.token_texts(ids)

    def passages(self, text: str) -> list[Passage]:
        question = question_of(text, len(self.task.columns.inputs), "the question")
        example = Example(question.where, self.source.read(question), None, question.cells)
        ((best, *_),) = self.task.write([example])
        ids = [*best.ids, self.task.eos]
        raw = (*question.cells, self.task.text(best))
        return [self.of_example(example._replace(target=torch.tensor(ids), raw=raw))]

    @property
    def attention(self) -> Attention | None:
        return self.task.model.decoder.attention

    @property
    def output_layer(self) -> nn.Linear:
        return self.task.model.decoder.output

    @property
    def own_width(self) -> int | None:
        return self.first_input.output_size if self.main == "decoder" else None

    @property
    def first_input(self) -> InputLayer:
        model = self.task.model
        reader: Any = model.reader
        first: InputLayer = (
            reader.encoder.inputs if self.main == "encoder" else model.decoder.inputs
        )
        return first

    @property
    def input_layers(self) -> tuple[int, list[nn.Module]]:
        model, reader = self.task.model, self.task.model.reader
        tokens, _ = super().input_layers
        read: Any = reader.encoder.inputs if isinstance(reader, SequenceReader) else reader.inputs
        return tokens, [read, model.decoder.inputs]

    def predicted(self, passage: Passage) -> list[str]:
        return self.task.vocabulary.token_texts(passage.given.target.tolist())

    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        batch = self._batch(passages)
        model, targets = self.task.model, batch.targets
        vectors = model.decoder(targets.values, model.reader(batch.inputs))
        real, lengths = targets.is_real(), targets.lengths
        places = torch.arange(targets.values.shape[1], device=real.device).expand_as(real)
        gold = targets.values
        if last:
            places = (lengths - 1).unsqueeze(1)
            real, gold = torch.ones_like(places, dtype=torch.bool), gold.gather(1, places)
            vectors = vectors.gather(1, places.unsqueeze(-1).expand(-1, -1, vectors.shape[2]))
        losses = functional.cross_entropy(
            model.decoder.output(vectors).flatten(0, 1), gold.flatten(), reduction="none"
        )
        losses = torch.where(real, losses.view(real.shape), 0)
        where = [(lengths, places)]
        if self.main == "encoder":
            read = batch.inputs.lengths
            where = [(read, (read - 1).clamp(min=0).unsqueeze(1).expand_as(places)), *where]
        return losses, real, where
