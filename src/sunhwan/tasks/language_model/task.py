"""The next token from those before it: a text is one long sequence, its state carried throughout."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

from sunhwan import generation
from sunhwan.config import Config, TrainingConfig
from sunhwan.data import Block, Streams, Tokens, encode
from sunhwan.errors import DataError, UsageError
from sunhwan.metrics import Scores, evaluate_tokens, to_device
from sunhwan.models import LanguageModel
from sunhwan.models.loss import Loss
from sunhwan.tasks.common.interface import Answer, Prepared, Reading, Task
from sunhwan.tasks.common.recipe import complete_language
from sunhwan.text import (
    BUILT_IN,
    Corpus,
    Document,
    Vocabulary,
    build_vocabulary,
    load_corpus,
    vocabulary_from_dict,
)

VALIDATION_ROWS = 64


class LanguageModelTask(Task):
    """The language model: trained by teacher forcing on blocks of streams, it writes and scores text."""

    name: ClassVar[str] = "language_model"
    scores_type: ClassVar[type[Any]] = Scores
    built_in: ClassVar[tuple[str, ...]] = tuple(BUILT_IN)

    def __init__(
        self, config: Config, vocabulary: Vocabulary, model: LanguageModel | None = None
    ) -> None:
        self.config, self.vocabulary = config, vocabulary
        self.model: LanguageModel = model or LanguageModel(config.model, len(vocabulary))

    @classmethod
    def prepare(cls, config: Config) -> Prepared:
        corpus = load_corpus(config.text.corpus)
        config = complete_language(config, corpus)
        text = config.text
        if text.validation:
            documents: tuple[Document, ...] = corpus.documents
            held_out = load_corpus(text.validation).documents
        else:
            documents, held_out = corpus.split(text.validation_share)
        vocabulary = _vocabulary(config, corpus, documents)
        train = encode(vocabulary, documents, corpus.name)
        try:
            validation = encode(vocabulary, held_out, "the validation text")
        except DataError:
            if text.validation:
                raise
            validation = None
        return Prepared(config, cls(config, vocabulary), train, validation)

    def stream(self, train: Tokens, config: Config) -> Streams:
        return Streams(
            train,
            config.data.batch_size,
            config.data.block_length,
            reset_probability=config.data.reset_probability,
            seed=config.training.seed,
        )

    def loss(self, batch: Block, state: Any, training: TrainingConfig) -> Loss:
        return self.model.loss(
            to_device(batch, self.device),
            state,
            activation=training.activation_regularization,
            temporal_activation=training.temporal_activation_regularization,
            bptt_memory=training.bptt_memory,
        )

    def evaluate(
        self, data: Tokens, *, limit: int = 0, interrupted: Callable[[], bool] = lambda: False
    ) -> Scores:
        return evaluate_tokens(
            self.model, data, rows=VALIDATION_ROWS, limit=limit, interrupted=interrupted
        )

    def sample(self, data: Any, length: int) -> str:
        # In fp32 whatever the model has become: the precision stays from one validation to the next.
        (sample,) = generation.sample(self.model, self.vocabulary, length=length, precision="fp32")
        return sample.text

    def facts(self, train: Tokens) -> dict[str, Any]:
        return {"characters": train.characters, "tokens": len(train.ids)}

    def about(self) -> dict[str, Any]:
        return {"vocabulary": f"{len(self.vocabulary)} {self.vocabulary.kind}"}

    def digest(self, data: Tokens) -> str:
        return data.digest()

    def preprocessing(self) -> dict[str, Any]:
        return self.vocabulary.to_dict()

    @classmethod
    def restored(cls, config: Config, preprocessing: Any) -> Self:
        return cls(config, vocabulary_from_dict(preprocessing))

    def readings(self) -> list[Reading]:
        model = self.model
        if model.embedding is None:
            return []
        rows = (model.embedding.weight, model.output.weight, model.output.bias)
        tied = model.config.tied
        return [Reading(self.vocabulary, rows[::2] if tied else rows, model.recurrent)]

    def questions(self, path: Path) -> Iterable[Any]:
        raise UsageError("a language model is not asked questions: use `sunhwan sample` or `score`")

    def predict(self, questions: Iterable[Any]) -> Iterator[Answer]:
        """A text that goes on from each beginning."""
        for beginning in questions:
            (sample,) = generation.sample(self.model, self.vocabulary, str(beginning))
            yield Answer(
                sample._asdict(), (sample.prompt, sample.text), sample.prompt + sample.text
            )

    def read(self, path: Path) -> Tokens:
        return encode(self.vocabulary, load_corpus(path).documents, str(path))


def _vocabulary(config: Config, corpus: Corpus, documents: Iterable[Document]) -> Vocabulary:
    text = config.text
    return build_vocabulary(
        text.vocabulary,
        (document.text for document in documents),
        min_count=text.min_count,
        max_size=text.max_size or None,
        unk=text.unknown == "unk",
        eos=text.vocabulary == "words" or len(corpus.documents) > 1,
    )
