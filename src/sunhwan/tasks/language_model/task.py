"""Language model: the next token from those before it, the state carried through the whole text."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sunhwan import generation
from sunhwan.config import Config, ModelConfig, TrainingConfig
from sunhwan.data import Batches, Block, Streams, Tokens, encode
from sunhwan.data.sentences import by_sentence, line_break_of, sentence_batches
from sunhwan.errors import ConfigError, UsageError
from sunhwan.generation import (
    Adaptation,
    LineBreak,
    Sample,
    ScoredLine,
    engine_for,
    evaluate_adapted,
    score_lines,
    tuned,
)
from sunhwan.generation.adaptation import SENTENCES_APART
from sunhwan.metrics import Scores, evaluate_tokens, piece_losses, scored_places, to_device
from sunhwan.models import LanguageModel
from sunhwan.models.loss import Loss
from sunhwan.models.softmax import Softmax
from sunhwan.tasks.common.interface import Prepared, PretrainedParts, Task
from sunhwan.tasks.common.results import Answer, Baselines, Budget, Review
from sunhwan.tasks.language_model.baselines import (
    MOST_COMPARED,
    beside_ngrams,
    beside_window,
)
from sunhwan.tasks.language_model.corpus import read_corpus
from sunhwan.tasks.language_model.settings import LanguageModelConfig
from sunhwan.text import (
    BUILT_IN,
    Document,
    Vocabulary,
    load_corpus,
    normalize,
    vocabulary_from_dict,
)

VALIDATION_ROWS = 64


class LanguageModelTask(Task):
    """The language model: trained by teacher forcing on blocks of streams, it writes and scores text."""

    name: ClassVar[str] = "language_model"
    titles: ClassVar[tuple[str, str]] = ("language model", "언어 모델")
    command: ClassVar[str] = "sample"
    loss_of_tokens: ClassVar[bool] = True
    labels_steps: ClassVar[bool] = True
    scores_type: ClassVar[type[Any]] = Scores
    built_in: ClassVar[tuple[str, ...]] = tuple(BUILT_IN)

    def __init__(
        self, config: Config, vocabulary: Vocabulary, model: LanguageModel | None = None
    ) -> None:
        self.config, self.vocabulary = config, vocabulary
        self.model: LanguageModel = model or LanguageModel(
            config.model, len(vocabulary), _softmax(config.model, vocabulary)
        )

    @classmethod
    def prepare(cls, config: Config) -> Prepared:
        found = read_corpus(config)
        task = cls(found.config, found.vocabulary)
        return Prepared(found.config, task, found.train, found.validation, found.notes)

    def batches(self, train: Tokens, config: Config) -> Streams | Batches[int, Block]:
        if self.reads_sentences:
            size, seed = config.data.batch_size, config.training.seed
            return sentence_batches(train, self.vocabulary, size, seed=seed)
        return Streams(
            train,
            config.data.batch_size,
            config.data.block_length,
            bptt_length=config.data.bptt_length,
            reset_probability=config.data.reset_probability,
            seed=config.training.seed,
        )

    @property
    def reads_sentences(self) -> bool:
        """Whether each line is read from the initial state, in training and in validation."""
        # A model folder has no settings of data: it holds the fact.
        return "sentences" in (self.config.data.batches, self.training.get("batches"))

    @property
    def line_break(self) -> LineBreak | None:
        """Where the state begins anew in what is read and written; None: nowhere."""
        token = line_break_of(self.vocabulary) if self.reads_sentences else None
        return None if token is None else LineBreak(token, opens=self.vocabulary.eos_id is None)

    def resets(self, ids: Tensor) -> Tensor | None:
        """Where the state begins anew in ids (N, T): bool of that shape, or None: nowhere."""
        line_break = self.line_break
        return None if line_break is None else ids == line_break.token

    def loss(self, batch: Block, state: Any, training: TrainingConfig) -> Loss:
        found = self.model.loss(
            to_device(batch, self.device),
            state,
            activation=training.activation_regularization,
            temporal_activation=training.temporal_activation_regularization,
            bptt_memory=training.bptt_memory,
        )
        return found._replace(state=None) if self.reads_sentences else found

    def evaluate_data(
        self, data: Tokens, *, limit: int = 0, interrupted: Callable[[], bool] = lambda: False
    ) -> Scores:
        return evaluate_tokens(
            self.model,
            self._as_read(data),
            rows=VALIDATION_ROWS,
            limit=limit,
            interrupted=interrupted,
        )

    def piece_losses(self, data: Tokens) -> NDArray[np.float64]:
        return piece_losses(self.model, self._as_read(data))

    def _as_read(self, tokens: Tokens) -> Tokens:
        """The tokens with a document wherever the state begins anew."""
        return by_sentence(tokens, self.vocabulary) if self.reads_sentences else tokens

    def validation_sample(self, data: Any, length: int) -> str:
        # In fp32 whatever the model has become: the precision stays from one validation to the next.
        (sample,) = self.sample(length=length, precision="fp32")
        return sample.text

    def data_facts(self, train: Tokens) -> dict[str, Any]:
        return {"characters": train.characters, "tokens": len(train.ids)}

    def model_facts(self) -> dict[str, Any]:
        return {"batches": "sentences"} if self.reads_sentences else {}

    def about(self) -> dict[str, Any]:
        return {"vocabulary": f"{len(self.vocabulary)} {self.vocabulary.kind}"}

    def digest(self, data: Tokens) -> str:
        return data.digest()

    def preprocessing(self) -> dict[str, Any]:
        return self.vocabulary.to_dict()

    @classmethod
    def restored(cls, config: Config, preprocessing: Any) -> Self:
        return cls(config, vocabulary_from_dict(preprocessing))

    def pretrained_parts(self) -> list[PretrainedParts]:
        model = self.model
        if model.embedding is None or model.config.input == "number":
            return []
        rows: tuple[Tensor, ...] = (model.embedding.weight,)
        if isinstance(model.output, nn.Linear):
            written = (model.output.weight, model.output.bias)
            rows += written[1:] if model.config.tied else written
        return [PretrainedParts(self.vocabulary, rows, model.recurrent)]

    def sample(self, prompt: str = "", **options: Any) -> list[Sample]:
        """Write texts; the options are those of `sunhwan.generation.sample` (n, length, seed …)."""
        return generation.sample(
            self.model, self.vocabulary, prompt, line_break=self.line_break, **options
        )

    def stream(self, prompt: str = "", **options: Any) -> Iterator[str]:
        """Write a text piece by piece; the options are those of `sunhwan.generation.stream`."""
        return generation.stream(
            self.model, self.vocabulary, prompt, line_break=self.line_break, **options
        )

    def score(
        self, lines: Sequence[str], *, end: bool = True, adaptation: Adaptation | None = None
    ) -> Iterator[ScoredLine]:
        """Compute the log-probability of each line; see `sunhwan.generation.score_lines`."""
        return score_lines(
            self.model, self.vocabulary, lines,
            end=end, line_break=self.line_break, adaptation=adaptation,
        )  # fmt: skip

    def evaluate_adapted(self, *files: str | Path, adaptation: Adaptation) -> Scores:
        """The figures of a copy that adapts to the text as it reads; see `generation.adaptation`."""
        return self.evaluate_read(self._tokens(files), adaptation)

    def evaluate_read(self, tokens: Tokens, adaptation: Adaptation) -> Scores:
        """The same of what was read already, as `review` gives it."""
        if self.reads_sentences:
            raise UsageError(SENTENCES_APART)
        return evaluate_adapted(self.model, tokens, adaptation)

    def tune_adaptation(self, validation: Tokens, **options: Any) -> Adaptation:
        """The best settings on a validation text, of which nothing is to be reported; see `tuned`."""
        if self.reads_sentences:
            raise UsageError(SENTENCES_APART)
        return tuned(self.model, validation, **options)

    def evaluate(self, *files: str | Path, precision: str = "fp32", strict: bool = False) -> Scores:
        """Loss, accuracy and sizes on files, folders or globs, the state carried throughout.

        A model that was trained on sentences reads each line from the initial state.

        precision: of the weights; fp16 and int8 are what `sample` computes in these.
        """
        return self._evaluate(self._tokens(files), precision)

    def _tokens(self, files: Sequence[str | Path]) -> Tokens:
        return self._encoded(load_corpus(files).documents, ", ".join(map(str, files)))

    def _encoded(self, documents: Sequence[Document], what: str) -> Tokens:
        """A line break before each first line too, where every line is read by itself."""
        token = self.line_break.token if self.line_break else None
        return encode(self.vocabulary, documents, what, line_break=token)

    def evaluate_text(self, text: str, precision: str = "fp32") -> Scores:
        """The same on a text."""
        document = Document("text", normalize(text))
        return self._evaluate(self._encoded([document], "the text"), precision)

    def _evaluate(self, tokens: Tokens, precision: str) -> Scores:
        engine = None if precision == "fp32" else engine_for(self.model, precision)[0]
        return evaluate_tokens(self.model, self._as_read(tokens), read=engine)

    def review(self, *files: str | Path, precision: str = "fp32", strict: bool = False) -> Review:
        """The figures; in another precision than fp32 with the bits per character that it costs."""
        tokens = self._tokens(files)
        scores = self._evaluate(tokens, precision)
        if precision == "fp32":
            return Review(scores, [], {}, data=tokens)
        lost = scores.bits_per_character - self._evaluate(tokens, "fp32").bits_per_character
        rows = scores.table()
        rows.insert(3, (f"of which {precision} costs", f"{lost:+.5f}"))
        return Review(scores, [], {"precision": precision, "lost": lost}, rows, data=tokens)

    def baselines(
        self, train: Tokens, data: Tokens, scores: Any, *, limit: int = 0
    ) -> Baselines | None:
        if not self._comparable(data):
            return None
        places = scored_places(data, VALIDATION_ROWS, limit or data.targets)
        return beside_ngrams(train, data, scores, places, len(self.vocabulary))

    def trained_baselines(
        self, train: Tokens, data: Tokens, scores: Any, budget: Budget
    ) -> dict[str, dict[str, float]]:
        if not self._comparable(data):
            return {}
        places = scored_places(data, VALIDATION_ROWS, data.targets)
        return beside_window(train, data, scores, places, len(self.vocabulary), budget)

    def _comparable(self, data: Tokens) -> bool:
        return not self.reads_sentences and len(data.ids) <= MOST_COMPARED

    def questions(self, path: Path) -> Iterable[Any]:
        raise UsageError("a language model is not asked questions: use `sunhwan sample` or `score`")

    def answers(self, questions: Iterable[Any]) -> Iterator[Answer]:
        """A text that goes on from each prompt."""
        for prompt in questions:
            (sample,) = self.sample(str(prompt))
            yield Answer(
                sample._asdict(), (sample.prompt, sample.text), sample.prompt + sample.text
            )

    def read(self, path: Path) -> Tokens:
        return self._encoded(load_corpus(path).documents, str(path))

    def facts(self) -> dict[str, Any]:
        return {
            **asdict(self.model.config),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "vocabulary": self.vocabulary.kind,
            "vocabulary_size": len(self.vocabulary),
            **self.training,
        }

    @property
    def title(self) -> str:
        return "language model"

    @property
    def subject(self) -> str:
        return "sunhwan.inspection.subjects.language_model:LanguageModelSubject"

    def explain(self) -> list[str]:
        engine, reason = engine_for(self.model)
        writer = "PyTorch" if engine is None else f"the compiled engine in {engine.precision}"
        return [*super().explain(), f"writing text: {writer}: {reason}"]

    def as_language_model(self) -> Self:
        return self

    @property
    def main_vocabulary(self) -> Vocabulary:
        return self.vocabulary

    @property
    def columns_asked(self) -> list[str]:
        return []


def _softmax(config: ModelConfig, vocabulary: Vocabulary) -> Softmax:
    """The output's kind; ConfigError where the order of the tokens is not that of their frequency."""
    if not isinstance(config, LanguageModelConfig) or config.softmax in ("", "full"):
        return Softmax()
    if vocabulary.kind != "words":
        raise ConfigError(
            f"model.softmax {config.softmax!r} needs tokens by falling frequency, as words are, and the "
            f"vocabulary is of {vocabulary.kind}: set text.vocabulary to 'words' or model.softmax to 'full'"
        )
    cutoffs = config.softmax_cutoffs
    chosen = cutoffs if isinstance(cutoffs, tuple) else (cutoffs,) * (cutoffs > 0)
    return Softmax(config.softmax, chosen, config.softmax_samples)
