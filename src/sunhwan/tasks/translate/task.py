"""Translation: a text or a recording to a text."""

from collections.abc import Sequence
from typing import ClassVar

from sunhwan.config import Config, Value
from sunhwan.models.encoder import Encoder
from sunhwan.models.encoder_decoder import SequenceReader
from sunhwan.tasks.common.encoder_decoder_task import EncoderDecoderTask
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.input_kinds import TextKind
from sunhwan.tasks.common.questions import Pair


class Translate(EncoderDecoderTask):
    """A text out of another, or out of a recording: translations, answers, summaries, transcripts."""

    name: ClassVar[str] = "translate"
    titles: ClassVar[tuple[str, str]] = ("translation", "번역")
    INPUTS: ClassVar[tuple[str, ...]] = (
        "source", "src", "input", "question", "q", "prompt", "english", "eng", "en", "text",
        "document", "article", "sentence", "path", "file", "원문", "질문", "영어", "본문", "문장", "1",
    )  # fmt: skip
    TARGETS: ClassVar[tuple[str, ...]] = (
        "target", "trg", "tgt", "translation", "output", "answer", "a", "response", "summary",
        "korean", "kor", "ko", "transcript", "번역", "번역문", "답변", "대답", "응답", "요약", "한국어",
        "2",
    )  # fmt: skip

    @classmethod
    def automatic(cls, config: Config, pairs: Sequence[Pair]) -> dict[str, Value]:
        # A recording has no tokens of its own, and few words: they are to be spelled.
        if config.task.kind == "frames":
            return AUTOMATIC | SPELLED
        return AUTOMATIC | (SUBWORDS if len(pairs) >= ENOUGH else {})

    def reader(self) -> SequenceReader:
        return SequenceReader(self.config.model, self.input_kind.layer(self.config.model))

    def step_names(self, example: Example) -> list[str]:
        if isinstance(self.input_kind, TextKind):
            return self.input_kind.vocabulary.token_texts(example.inputs[0].numpy())
        return super().step_names(example)

    @property
    def encoder(self) -> Encoder:
        reader = self.model.reader
        assert isinstance(reader, SequenceReader)
        return reader.encoder


AUTOMATIC: dict[str, Value] = {
    "data.batch_size": 32,
    "model.hidden_size": 256,
    "model.embedding_size": 256,
    "model.dropout": 0.3,
    "model.direction": "both",
    "training.label_smoothing": 0.1,
}

SPELLED: dict[str, Value] = {"text.vocabulary": "characters"}
SUBWORDS: dict[str, Value] = {"text.vocabulary": "subwords"}
ENOUGH = 1_000
"""Pairs from which on subwords occur often enough; fewer are spelled in characters or jamo."""
