"""Classification: a label for a text, a pair of texts, a recording, a vector or a row of labels."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from sunhwan.baselines.labels import majority, tfidf_regression, within
from sunhwan.calibration import check_threshold, fitted_share, fitted_temperature
from sunhwan.config import Config, TrainingConfig, Value, own
from sunhwan.data import Ragged
from sunhwan.errors import (
    ConfigError,
    DataError,
    StoreError,
    did_you_mean,
    listed,
    printable,
    quoted,
)
from sunhwan.models import Classifier
from sunhwan.models.classifier import Labelled
from sunhwan.models.loss import Loss
from sunhwan.tasks.classify.ngrams import BUCKETS, empty_part, fit_ngrams
from sunhwan.tasks.classify.review import review
from sunhwan.tasks.classify.scores import ClassifyScores, agreement, scores_of
from sunhwan.tasks.classify.settings import ClassifyConfig, ClassifyModelConfig
from sunhwan.tasks.common.columns import Columns
from sunhwan.tasks.common.examples import Example, first_ones, longest_note
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kind_task import TableTask
from sunhwan.tasks.common.input_kinds import (
    FEWEST,
    complete_kind,
    fit_input_kind,
    input_kind_from_dict,
)
from sunhwan.tasks.common.interface import Prepared
from sunhwan.tasks.common.labels import (
    NO_ANSWERS,
    alike,
    contradictions,
    count_labels,
    equal_number,
    most_common,
    one_label_a_number,
    restored_labels,
)
from sunhwan.tasks.common.pairs import Answered, find_pairs, pairs_in
from sunhwan.tasks.common.questions import Pair, Question, as_question, chunks
from sunhwan.tasks.common.recipe import MANY, complete_examples, kind_of_text
from sunhwan.tasks.common.results import Answer, Baselines, Review, Scores

INPUTS = (
    "text", "document", "sentence", "review", "message", "content", "question", "path", "file",
    "comment", "body", "utterance", "tweet", "문장", "리뷰", "내용", "본문", "텍스트", "글", "평", "댓글",
    "메시지", "발화", "2",
)  # fmt: skip
TARGETS = (
    "label", "class", "category", "target", "sentiment", "intent", "라벨", "분류", "labels", "레이블",
    "정답", "범주", "감정", "의도", "1",
)  # fmt: skip
REGRESSION = "TF-IDF + logistic regression"


class Classify(TableTask):
    """Which of a fixed set of labels a text, a pair of texts, a recording or a vector has."""

    name: ClassVar[str] = "classify"
    titles: ClassVar[tuple[str, str]] = ("classification", "분류")
    pools_outputs: ClassVar[bool] = True
    scores_type: ClassVar[type[Any]] = ClassifyScores
    options: ClassVar[tuple[str, ...]] = ("at_least",)
    answer_columns = ("label", "probability")
    advice: ClassVar[tuple[str, str]] = (
        "another task.kind (text or words), pretraining with --pretrain, --from or --vectors, or more rows",
        "task.kind(text, words)를 바꾸거나, --pretrain, --from, --vectors로 사전학습하거나, 자료를 "
        "늘려 보세요",
    )

    labels: list[str]

    def __init__(
        self,
        config: Config,
        columns: Columns,
        input_kind: InputKind,
        labels: Sequence[str],
        buckets: int = 0,
    ) -> None:
        """buckets: the size of the linear part; 0: there is none, or it is yet to be fitted."""
        self.config, self.columns, self.input_kind, self.labels = (
            config,
            columns,
            input_kind,
            list(labels),
        )
        self.model: Classifier = Classifier(
            config.model,
            input_kind.layer(config.model),
            len(labels),
            sequences=input_kind.sequences(len(columns.inputs)),
            pooling=own(config.model, ClassifyModelConfig).pooling,
            linear=empty_part(input_kind, buckets, len(labels)) if buckets else None,
        )
        self._weights: torch.Tensor | None = None

    @classmethod
    def prepare(cls, config: Config) -> Prepared:
        columns, train, held_out, said = find_pairs(config, INPUTS, TARGETS, labels=True)
        train = [pair._replace(answer=pair.answer.strip()) for pair in train]
        numbers, told = one_label_a_number(Counter(pair.answer for pair in train))
        train = [pair._replace(answer=numbers[pair.answer]) for pair in train]
        said += told
        asked = config.task.kind
        cure = f"name the right column in the place of {columns.target!r} with --target"
        counts = count_labels((pair.answer for pair in train), config.data.source, cure)
        questions = [pair.question for pair in train]
        config = complete_kind(config, questions, words=True)
        if config.task.kind == "words" != asked:
            said.append(WORDS)
        cells = [cell for question in questions for cell in question.cells]
        if config.task.kind == "words" and not config.model.embedding_size:
            # However few the rows: a word is a vector of its own, or it says too little.
            config = config.override({"model.embedding_size": WORD_SIZE})
        automatic = AUTOMATIC if len(train) >= MANY else AUTOMATIC | {"model.dropout": 0.5}
        config = complete_examples(config, cells, len(train), automatic, least=128)
        input_kind = fit_input_kind(config, questions)
        config = _with_linear(config, cells, len(columns.inputs))
        task = cls(config, columns, input_kind, sorted(counts))
        said += [f"{len(counts)} labels: {most_common(counts)}", *alike(counts)]
        if config.task.kind in ("text", "words"):
            said += contradictions(train)
        task.weigh(counts)
        examples = task.examples(train)
        said += longest_note(examples)
        if own(config.model, ClassifyModelConfig).linear == "ngrams":
            examples = task.fit_linear(examples)
            said.append(LINEAR)
        return Prepared(config, task, examples, task.examples(held_out) or None, tuple(said))

    def weigh(self, counts: Counter[str]) -> None:
        """Weigh the classes in the loss by how often each occurs in training."""
        balance = own(self.config.task, ClassifyConfig).balance
        power = {"none": 0.0, "sqrt": 0.5, "inverse": 1.0}[balance]
        n = torch.tensor([float(counts[label]) for label in self.labels])
        weights = n**-power
        # The mean over the examples is 1, so that the loss keeps its scale.
        weights = weights * n.sum() / (weights * n).sum()
        self._weights = weights if power and bool((n != n[0]).any()) else None

    def fit_linear(self, train: Sequence[Example]) -> list[Example]:
        """Fit the linear part; the examples with what it says of each when fitted without it."""
        self.model.linear, logits = fit_ngrams(self.input_kind, train, len(self.labels))
        return [example._replace(left_out=row) for example, row in zip(train, logits, strict=True)]

    def examples(self, pairs: Iterable[Pair]) -> list[Example]:
        """Rows → examples; DataError for a label that training did not know."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        made = []
        for question, written in pairs:
            answer = written.strip()
            if answer not in numbers:
                answer = equal_number(answer, self.labels) or answer
            if answer not in numbers:
                raise DataError(
                    f"{question.where}: the label {quoted(answer)} was not seen in training"
                    f"{did_you_mean(answer, self.labels)}, which knew {listed(self.labels, 10)}: "
                    "correct it or train with it"
                )
            made.append(self._example(question, torch.tensor(numbers[answer])))
        return made

    def pairs(self, path: Path, *, strict: bool = False) -> Answered:
        missing = NO_ANSWERS - {label.casefold() for label in self.labels}
        return pairs_in(path, self.columns, strict=strict, missing=missing)

    def _example(self, question: Question, target: torch.Tensor | None) -> Example:
        return Example(question.where, self.input_kind.read(question), target, question.cells)

    def collate(self, examples: Sequence[Example]) -> Labelled:
        inputs = tuple(
            self.input_kind.collate([example.inputs[part] for example in examples])
            for part in range(len(examples[0].inputs))
        )
        targets = [-1 if e.target is None else int(e.target) for e in examples]
        rows = [example.left_out for example in examples if example.left_out is not None]
        left_out = torch.stack(rows) if len(rows) == len(examples) else None
        return Labelled(inputs, torch.tensor(targets), left_out)

    def loss(self, batch: Labelled, state: Any, training: TrainingConfig) -> Loss:
        weights = self._weights
        return self.model.loss(
            batch.to(self.device),
            None if weights is None else weights.to(self.device),
            training.label_smoothing,
        )

    def log_probabilities(
        self,
        examples: Sequence[Example],
        interrupted: Callable[[], bool] = lambda: False,
    ) -> torch.Tensor:
        """log p(label | example), (n, L) float64."""
        return torch.log_softmax(self._logits(self.model, examples, interrupted), -1)

    @torch.no_grad()
    def _logits(
        self,
        of: Callable[[Sequence[Ragged]], torch.Tensor],
        examples: Sequence[Example],
        interrupted: Callable[[], bool],
    ) -> torch.Tensor:
        """Those of the model or of a part, (n, L) float64."""
        found = torch.empty(len(examples), len(self.labels), dtype=torch.float64)
        for places, batch in self.each_batch(examples, interrupted=interrupted):
            found[places] = of(batch.inputs).double().cpu()
        return found

    def evaluate_data(
        self,
        data: Sequence[Example],
        *,
        limit: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> ClassifyScores:
        data = first_ones(data, limit)
        return scores_of(self.log_probabilities(data, interrupted), _targets(data))

    def validate(
        self,
        data: Sequence[Example],
        *,
        limit: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> ClassifyScores:
        """Fit temperature and share to the held-out examples, then compute the figures."""
        if not own(self.config.task, ClassifyConfig).calibrate:
            return self.evaluate_data(data, limit=limit, interrupted=interrupted)
        data = first_ones(data, limit)
        model, targets = self.model, _targets(data)
        found = self._logits(model.network, data, interrupted)
        if model.linear is not None:
            part = model.linear
            linear = self._logits(lambda inputs: part(inputs[0]), data, interrupted)
            model.share = fitted_share(found, linear, targets)
            found = model.share * found + linear
        model.temperature = fitted_temperature(found, targets)
        return scores_of(torch.log_softmax(found / model.temperature, -1), targets)

    def fitted_weights(self) -> dict[str, torch.Tensor]:
        named = self.model.output.named_parameters(prefix="output")
        return {name: (self.model.share * value).detach() for name, value in named}

    def review_data(self, data: Sequence[Example]) -> Review:
        found, targets = self.log_probabilities(data), _targets(data)
        return review(scores_of(found, targets), found, targets, data, self.labels)

    def baselines(
        self, train: Sequence[Example], data: Sequence[Example], scores: Scores, *, limit: int = 0
    ) -> Baselines:
        data = first_ones(data, limit)
        labels, right = self._labels_of(train), self._labels_of(data)
        methods, notes = {"the most frequent label": majority(labels, len(data))}, []
        if self.input_kind.kind in ("text", "words"):
            texts = [" ".join(example.raw) for example in train]
            asked = [" ".join(example.raw) for example in data]
            count = within(texts)
            if len(set(labels[:count])) > 1:
                hangul = kind_of_text(texts[:count]) == "jamo"
                methods[REGRESSION] = tfidf_regression(
                    texts[:count], labels[:count], asked, inside_words=hangul
                )
            if count < len(texts):
                notes.append(
                    f"{REGRESSION} was fitted on the first {count:,} of {len(texts):,} rows"
                )
        figures = ("accuracy", "macro_f1")
        found = {name: agreement(right, said) for name, said in methods.items()}
        own_figures = scores.to_dict()
        return Baselines(figures, {f: own_figures[f] for f in figures}, found, notes=tuple(notes))

    def _labels_of(self, data: Sequence[Example]) -> list[str]:
        return [self.labels[number] for number in _targets(data).tolist()]

    def about(self) -> dict[str, Any]:
        about = {"reads": self.input_kind.summary(), "labels": listed(self.labels)}
        if self.model.linear is not None:
            about["beside the network"] = (
                f"a linear model of n-grams, {self.model.linear.buckets:,} weights a label"
            )
        return about

    @property
    def subject(self) -> str:
        steps = self.input_kind.kind in ("text", "words", "frames")
        return "sunhwan.inspection.subjects.classifier:ClassifierSubject" if steps else ""

    def preprocessing(self) -> dict[str, Any]:
        return {
            **self.columns.to_dict(),
            "source": self.input_kind.to_dict(),
            "labels": self.labels,
            **({} if self.model.temperature == 1.0 else {"temperature": self.model.temperature}),
            **({} if self.model.linear is None else {"buckets": self.model.linear.buckets}),
        }

    def fingerprint(self) -> dict[str, Any]:
        return {name: v for name, v in self.preprocessing().items() if name != "temperature"}

    @classmethod
    def restored(cls, config: Config, preprocessing: Any) -> Self:
        try:
            columns = Columns.from_dict(preprocessing)
            labels = restored_labels(preprocessing["labels"])
            input_kind = input_kind_from_dict(preprocessing["source"])
            temperature = float(preprocessing.get("temperature", 1.0))
            buckets = int(preprocessing.get("buckets", 0))
        except (KeyError, TypeError, ValueError):
            raise StoreError("The stored labels or inputs are damaged") from None
        if not 0 < temperature < math.inf:
            raise StoreError("The stored temperature is damaged: it is no number above 0")
        if not 0 <= buckets <= BUCKETS:
            raise StoreError("The stored size of the linear part is damaged")
        task = cls(config, columns, input_kind, labels, buckets)
        task.model.temperature = temperature
        return task

    def answers(self, questions: Iterable[Any], *, at_least: float = 0.0) -> Iterator[Answer]:
        """Each question's label, with the probability of every label.

        at_least: below this probability there is no label ("", and None among the values).
        """
        check_threshold(at_least)
        parts = len(self.columns.inputs)
        for some in chunks(as_question(question, parts) for question in questions):
            found = self.log_probabilities([self._example(question, None) for question in some])
            for question, row in zip(some, found.exp(), strict=True):
                best = int(row.argmax())
                label, probability = self.labels[best], row[best].item()
                sure = probability >= at_least
                label = label if sure else ""
                values = {
                    "input": question.cells[0] if parts == 1 else list(question.cells),
                    "label": label if sure else None,
                    "probability": probability,
                    "probabilities": dict(zip(self.labels, row.tolist(), strict=True)),
                }
                cells = (label, f"{probability:.4f}", *question.cells)
                shown = printable(label) if sure else "?"
                said = "  ".join((shown, f"{probability:.2f}", " | ".join(question.cells)))
                named = {"label": label, "probability": probability}
                yield Answer(values, cells, said, named=named)


WORDS = (
    "read word by word, each with its letters, for the words of the texts recur; "
    "--set task.kind=text reads characters"
)
"""Said where the kind of the input was chosen so."""

LINEAR = (
    "beside the network is a linear model of n-grams, fitted first, and the network learns what it leaves; "
    "--set model.linear=none leaves it out"
)

WORD_SIZE = 128

AUTOMATIC: dict[str, Value] = {
    "data.batch_size": 64,
    "model.hidden_size": 128,
    "model.embedding_size": 128,
    "model.dropout": 0.3,
    "model.direction": "both",
}


def _with_linear(config: Config, cells: Sequence[str], parts: int) -> Config:
    """The configuration with the linear part chosen: ConfigError where it cannot be."""
    asked = own(config.model, ClassifyModelConfig).linear
    able = parts == 1 and config.task.kind in ("text", "words")
    if asked == "ngrams" and not able:
        raise ConfigError(
            "model.linear = 'ngrams' needs rows of one text each: leave it out, or set it to 'none'"
        )
    wanted = len(cells) >= FEWEST and within(cells) == len(cells)
    return config.override({"model.linear": asked or ("ngrams" if able and wanted else "none")})


def _targets(data: Sequence[Example]) -> torch.Tensor:
    return torch.tensor([int(e.target) for e in data if e.target is not None])
