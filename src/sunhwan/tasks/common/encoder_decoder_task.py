"""Encoder-decoder tasks: questions whose answer is a text (translate, describe)."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from sunhwan.config import Config, TrainingConfig, Value, own
from sunhwan.data import Batches, pad
from sunhwan.errors import ConfigError, StoreError
from sunhwan.generation.beam import Hypothesis, beam_search
from sunhwan.generation.sampled_answers import check_drawing, draw
from sunhwan.metrics import chrf
from sunhwan.models.decoder import DecoderState, Reader
from sunhwan.models.encoder_decoder import EncoderDecoder, Written
from sunhwan.models.loss import Loss
from sunhwan.tasks.common.columns import Columns
from sunhwan.tasks.common.encoder_decoder_review import (
    SHOWN,
    beam_search_review,
    first_answers,
)
from sunhwan.tasks.common.encoder_decoder_scores import GREEDY, EncoderDecoderScores
from sunhwan.tasks.common.encoder_decoder_settings import (
    EncoderDecoderConfig,
    EncoderDecoderModelConfig,
    EncoderDecoderTrainingConfig,
)
from sunhwan.tasks.common.examples import Example, first_ones, longest_note
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kind_task import TableTask
from sunhwan.tasks.common.input_kinds import complete_kind, fit_input_kind, input_kind_from_dict
from sunhwan.tasks.common.interface import Prepared
from sunhwan.tasks.common.nearest import nearest_of
from sunhwan.tasks.common.pairs import Found, find_pairs
from sunhwan.tasks.common.questions import Pair, Question, as_question, chunks
from sunhwan.tasks.common.recipe import complete_examples
from sunhwan.tasks.common.results import Alignment, Answer, Baselines, Review
from sunhwan.text import Vocabulary, build_vocabulary, vocabulary_from_dict

BEAM = 5
ALPHA = 1.0
TOGETHER = 32
"""Questions that are answered side by side."""
NEIGHBOURS = 20_000
"""Questions among which the baseline looks for the nearest one."""


class EncoderDecoderTask(TableTask):
    """Questions whose answer is a text, written token by token by an encoder-decoder.

    A subclass says which columns it reads and what reads a question (`reader`).

    Args:
        config: completed.
        columns: which are read, and which is the answer.
        input_kind: question → tensors, and the input layer for them.
        vocabulary: of the answers, with EOS.
        limit: tokens an answer has at most, EOS counted: as many as the longest of training.
    """

    scores_type: ClassVar[type[Any]] = EncoderDecoderScores
    options: ClassVar[tuple[str, ...]] = ("beam", "n", "temperature", "seed")
    answer_columns = ("output", "log_probability")
    loss_of_tokens: ClassVar[bool] = True

    def __init__(
        self,
        config: Config,
        columns: Columns,
        input_kind: InputKind,
        vocabulary: Vocabulary,
        limit: int,
    ) -> None:
        assert vocabulary.eos_id is not None
        self.config, self.columns, self.input_kind = config, columns, input_kind
        self.vocabulary, self.limit, self.eos = vocabulary, limit, vocabulary.eos_id
        network = own(config.model, EncoderDecoderModelConfig)
        self.model: EncoderDecoder = EncoderDecoder(
            network,
            self.reader(),
            len(vocabulary),
            eos=self.eos,
            attention=network.attention,
            input_feeding=network.input_feeding,
        )

    @property
    def temperature(self) -> float:
        """At which answers are drawn; 0: the likeliest is searched."""
        return max(own(self.config.task, EncoderDecoderConfig).temperature, 0.0)

    INPUTS: ClassVar[tuple[str, ...]]
    """Usual names of a column that is read."""
    TARGETS: ClassVar[tuple[str, ...]]
    """Usual names of the column of the answers."""

    @classmethod
    @abstractmethod
    def automatic(cls, config: Config, pairs: Sequence[Pair]) -> dict[str, Value]:
        """What `complete_examples` shall choose, by the training rows."""

    @abstractmethod
    def reader(self) -> Reader:
        """A fresh reader of what `input_kind.collate` makes → `Memory`; see `EncoderDecoder`."""

    def step_names(self, example: Example) -> list[str]:
        """What stands at each step that attention looks at."""
        return [str(step + 1) for step in range(len(example.inputs[0]))]

    @classmethod
    def find(cls, config: Config) -> tuple[Config, Found]:
        """The rows of the corpus, and the configuration with the kind of what is read."""
        found = find_pairs(config, cls.INPUTS, cls.TARGETS)
        return complete_kind(config, [pair.question for pair in found.train]), found

    @classmethod
    def prepare(cls, config: Config) -> Prepared:
        config, (columns, train, held_out, said) = cls.find(config)
        questions = [pair.question for pair in train]
        answers = [pair.answer for pair in train]
        texts = [cell for question in questions for cell in question.cells]
        texts = [*texts, *answers] if config.task.kind == "text" else answers
        config = complete_examples(config, texts, len(train), cls.automatic(config, train))
        text = config.text
        vocabulary = build_vocabulary(
            text.vocabulary,
            answers,
            min_count=text.min_count,
            max_size=text.max_size or None,
            unk=text.unknown == "unk",
            eos=True,
        )
        limit = 1 + max(len(vocabulary.encode(answer)) for answer in answers)
        input_kind = fit_input_kind(config, questions)
        if input_kind.sequences(len(columns.inputs)) > 1:
            raise ConfigError(
                f"a model to {cls.name} reads one column of {config.task.kind}, not "
                f"{' and '.join(columns.inputs)}: join them into one"
            )
        task = cls(config, columns, input_kind, vocabulary, limit)
        examples, validation = task.examples(train), task.examples(held_out)
        said = [*said, *longest_note(examples)]
        return Prepared(config, task, examples, validation or None, tuple(said))

    def examples(self, pairs: Iterable[Pair]) -> list[Example]:
        """Rows of question and answer → examples."""
        return [self._example(question, answer) for question, answer in pairs]

    def _example(self, question: Question, answer: str | None = None) -> Example:
        if answer is None:
            return Example(question.where, self.input_kind.read(question), None, question.cells)
        ids = [*self.vocabulary.encode(answer).tolist(), self.eos]
        raw = (*question.cells, answer)
        return Example(question.where, self.input_kind.read(question), torch.tensor(ids), raw)

    def batches(self, train: Sequence[Example], config: Config) -> Batches[Example, Any]:
        lengths = [e.steps + (0 if e.target is None else len(e.target)) for e in train]
        size, seed = config.data.batch_size, config.training.seed
        return Batches(train, lengths, size, self.collate, seed=seed)

    def collate(self, examples: Sequence[Example]) -> Written:
        nothing = torch.tensor([self.eos])
        targets = [nothing if e.target is None else e.target for e in examples]
        inputs = self.input_kind.collate([example.inputs[0] for example in examples])
        return Written(inputs, pad(targets))

    def loss(self, batch: Written, state: Any, training: TrainingConfig) -> Loss:
        return self.model.loss(
            batch.to(self.device),
            smoothing=training.label_smoothing,
            sampled=own(training, EncoderDecoderTrainingConfig).scheduled_sampling,
        )

    @torch.no_grad()
    def evaluate_data(
        self,
        data: Sequence[Example],
        *,
        limit: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> EncoderDecoderScores:
        data = first_ones(data, limit)
        nats, right, tokens = 0.0, 0, 0
        for _, batch in self.each_batch(data, interrupted=interrupted):
            found, gold = self.model(batch), batch.targets.values[batch.targets.is_real()]
            nats -= found.gather(1, gold.unsqueeze(1)).double().sum().item()
            right += int((found.argmax(1) == gold).sum())
            tokens += len(gold)
        some = [] if self.temperature else data[:GREEDY]
        texts = self.write(some, beam=1, interrupted=interrupted)
        said = [self.text(text) for text, *_ in texts]
        figures = {"exact": None, "chrf": None} | (self._figures(said, some) if some else {})
        return EncoderDecoderScores(
            nats / tokens, right / tokens, tokens=tokens, examples=len(data), **figures
        )

    def _figures(self, said: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """The share of answers that are right word for word, and their chrF."""
        same = sum(s == self.right(example) for s, example in zip(said, examples, strict=True))
        score = chrf(said, [example.raw[-1] for example in examples]).score
        return {"exact": same / len(examples), "chrf": score}

    def baselines(
        self, train: Sequence[Example], data: Sequence[Example], scores: Any, *, limit: int = 0
    ) -> Baselines | None:
        known, some = train[:NEIGHBOURS], first_ones(data, limit)[:GREEDY]
        nearest = nearest_of(self.input_kind.kind, known, some)
        if scores.chrf is None or nearest is None:
            return None
        said = [self.right(known[place]) for place in nearest]
        figures = ("chrf", "exact")
        notes: tuple[str, ...] = ()
        if len(known) < len(train):
            notes = (f"the nearest of the first {len(known):,} of {len(train):,} questions",)
        methods = {"the answer to the nearest question": self._figures(said, some)}
        own_figures = {figure: getattr(scores, figure) for figure in figures}
        return Baselines(figures, own_figures, methods, notes=notes)

    def write(
        self,
        examples: Sequence[Example],
        *,
        beam: int = BEAM,
        answers: int = 1,
        temperature: float = 0.0,
        seed: int = 1,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> list[list[Hypothesis]]:
        """What the model says to each question, the best first: see `beam_search`.

        Above temperature 0 the answers are drawn, see `draw`: the k-th of the i-th with the seed
        seed + answers · i + k, from 0 on.
        """
        found: list[list[Hypothesis]] = [[] for _ in examples]
        with torch.no_grad():
            for places, batch in self.each_batch(examples, interrupted=interrupted, size=TOGETHER):
                state = self.model.start(batch.inputs)
                for k in range(answers) if temperature else ():
                    seeds = [seed + answers * place + k for place in places]
                    drawn = draw(
                        self._step, state, seeds,
                        eos=self.eos, limit=self.limit, temperature=temperature, device=self.device,
                    )  # fmt: skip
                    for place, text in zip(places, drawn, strict=True):
                        found[place].append(text)
                if temperature:
                    continue
                texts = beam_search(
                    self._step,
                    state,
                    len(places),
                    eos=self.eos,
                    limit=self.limit,
                    beam=beam,
                    alpha=ALPHA,
                    answers=answers,
                    device=self.device,
                )
                for place, best in zip(places, texts, strict=True):
                    found[place] = best
        return found

    def _step(self, ids: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor | None]:
        """The model's step, which never says UNK."""
        log_p, state, weights = self.model.step(ids, state)
        if self.vocabulary.unk_id is not None:
            log_p[:, self.vocabulary.unk_id] = -torch.inf
        return log_p, state, weights

    def text(self, written: Hypothesis) -> str:
        """What was written, as text."""
        return self.vocabulary.decode(written.ids)

    def right(self, example: Example) -> str:
        """The right answer, as the vocabulary can say it."""
        assert example.target is not None
        return self.vocabulary.decode(example.target[:-1].tolist())

    def validation_sample(self, data: Sequence[Example] | None, length: int) -> str:
        """Two questions of validation, their answers, and what the model says."""
        some = list(data[:2]) if data else []
        return "\n".join(
            f"{self.input_kind.shown(example.raw[:-1])}\n= {example.raw[-1]}\n→ {self.text(text)}"
            for example, (text, *_) in zip(
                some, self.write(some, beam=1, temperature=self.temperature), strict=True
            )
        )

    def about(self) -> dict[str, Any]:
        writes = f"{len(self.vocabulary)} {self.vocabulary.kind}"
        return {"reads": self.input_kind.summary(), "writes": writes}

    def preprocessing(self) -> dict[str, Any]:
        return {
            **self.columns.to_dict(),
            "source": self.input_kind.to_dict(),
            "vocabulary": self.vocabulary.to_dict(),
            "limit": self.limit,
        }

    @classmethod
    def restored(cls, config: Config, preprocessing: Any) -> Self:
        try:
            columns = Columns.from_dict(preprocessing)
            input_kind = input_kind_from_dict(preprocessing["source"])
            vocabulary = vocabulary_from_dict(preprocessing["vocabulary"])
            limit = int(preprocessing["limit"])
        except (KeyError, TypeError, ValueError):
            raise StoreError("The stored inputs or limit are damaged") from None
        if vocabulary.eos_id is None or limit < 1:
            raise StoreError("The stored vocabulary has no EOS, or the limit is less than 1")
        return cls(config, columns, input_kind, vocabulary, limit)

    @property
    def main_vocabulary(self) -> Vocabulary:
        return super().main_vocabulary or self.vocabulary

    @property
    def subject(self) -> str:
        return "sunhwan.inspection.subjects.encoder_decoder:EncoderDecoderSubject"

    def review_data(self, data: Sequence[Example]) -> Review:
        """The figures with BLEU, chrF and the share of right answers, and the first answers.

        Drawn answers are not compared with the one that happens to be in the file.
        """
        heat = self.temperature
        some = data[:SHOWN] if heat else data
        said = [self.text(text) for text, *_ in self.write(some, temperature=heat)]
        shown = [self.input_kind.shown(example.raw[:-1]) for example in some[:SHOWN]]
        first = first_answers(some, shown, said)
        if heat:
            return Review(self.evaluate_data(data), [first], {})
        same = sum(s == self.right(example) for s, example in zip(said, data, strict=True))
        return beam_search_review(self.evaluate_data(data), data, said, same / len(data), first)

    def answers(
        self,
        questions: Iterable[Any],
        *,
        beam: int = BEAM,
        n: int = 1,
        temperature: float | None = None,
        seed: int = 1,
    ) -> Iterator[Answer]:
        """What the model writes to each question, by beam search; greedily with beam 1.

        Above temperature 0 n answers to each are drawn at random instead, with seeds from `seed` on:
        see `draw`. The temperature is that of the configuration unless one is given.

        Raises UsageError for an option out of range, and for n where nothing is drawn.
        """
        heat = self.temperature if temperature is None else temperature
        check_drawing(n, heat, seed)
        parts = len(self.columns.inputs)
        for some in chunks(as_question(question, parts) for question in questions):
            examples = [self._example(question) for question in some]
            answers = n if heat else beam
            found = self.write(examples, beam=beam, answers=answers, temperature=heat, seed=seed)
            for question, example, texts in zip(some, examples, found, strict=True):
                for one in [[text] for text in texts] if heat else [texts]:
                    yield self._answer(question, example, one)
            seed += n * len(some)

    def _answer(self, question: Question, example: Example, texts: Sequence[Hypothesis]) -> Answer:
        answers = [
            {"output": self.text(text), "log_probability": text.log_probability} for text in texts
        ]
        best = answers[0]
        asked = question.cells[0] if len(question.cells) == 1 else list(question.cells)
        values = {"input": asked, **best, "answers": answers}
        cells = (str(best["output"]), f"{best['log_probability']:.4f}", *question.cells)
        alignment = None
        if texts[0].attention is not None:
            names = self.step_names(example)
            pieces = self.vocabulary.token_texts(texts[0].ids)
            alignment = Alignment(names, pieces, texts[0].attention[:, : len(names)])
        return Answer(values, cells, str(best["output"]), alignment, named=best)
