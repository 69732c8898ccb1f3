"""A trained model as an onlooker sees it: what it reads step by step, and what it predicts of that."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.config import Config
from sunhwan.data import encode
from sunhwan.errors import UsageError
from sunhwan.generation import start_tokens
from sunhwan.inspection.pieces import pieces_of
from sunhwan.inspection.watching import Edit, joined, watching
from sunhwan.layers import Look, Recurrent, Traced
from sunhwan.models.encoder_decoder import SequenceReader
from sunhwan.models.mode import evaluating
from sunhwan.tasks import Classify, EncoderDecoderTask, LanguageModelTask, Tag, Task
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kinds import TextKind
from sunhwan.tasks.common.interface import Example, ExampleTask
from sunhwan.tasks.common.questions import Pair, Question, question_of
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.text import load_corpus


class Passage(NamedTuple):
    """A stretch that a model reads in one go, from its initial state on.

    text: as the model can say it, "" of what is no text. pieces: what each of its T steps adds to
    the text: "" at a token that only ends a character begun before. labels: each step's printable
    name. where: file and line. given: what the model takes.
    """

    text: str
    pieces: tuple[str, ...]
    labels: tuple[str, ...]
    where: str
    given: Any


class Stack(NamedTuple):
    """A recurrent stack at work on N passages.

    x: (N, T, D), what it read. lengths: (N), how many steps of each row are real. places: (N, P), the
    step with whose output each prediction was made.
    """

    x: Tensor
    traced: Traced
    lengths: Tensor
    places: Tensor


class Seen(NamedTuple):
    """What a model did with N passages: of each of P predictions −log p in nats, and the stacks.

    real: (N, P), whether there is such a prediction; the loss is 0 where there is none.
    """

    losses: Tensor
    real: Tensor
    stacks: dict[str, Stack]


class Subject(ABC):
    """A model of any task that reads or writes tokens; all is done in evaluation mode."""

    task: Task
    stacks: dict[str, Recurrent]
    """Its recurrent stacks by name; the first is the one whose steps are those of a passage."""
    unit = "tokens"
    """What a step reads."""

    @property
    def main(self) -> str:
        """The name of the first stack."""
        return next(iter(self.stacks))

    @abstractmethod
    def passages(self, text: str) -> list[Passage]:
        """What somebody typed → what the model reads; a question is answered by the model itself."""

    @abstractmethod
    def read(self, path: Path) -> list[Passage]:
        """A file of the kind the model learned from."""

    @abstractmethod
    def held_out(self, config: Config) -> list[Passage]:
        """What a run of this configuration kept for validation, read again from its corpus.

        Raises UsageError where it kept nothing, another SunhwanError where the corpus has gone.
        """

    @abstractmethod
    def windows(self, passages: Sequence[Passage], length: int, count: int) -> list[Passage]:
        """At most `count` stretches of at most `length` steps, evenly spread.

        Of a text the stretches are cut out of it; of examples the ones that are short enough.
        """

    @abstractmethod
    def predicted(self, passage: Passage) -> list[str]:
        """A name for each of the passage's predictions, as it is in the data."""

    def steps(self, passage: Passage, stack: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Pieces and labels of what a stack reads of a passage, the first stack the passage itself."""
        return passage.pieces, passage.labels

    @abstractmethod
    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        """losses and real (N, P); of each stack lengths (N) and places (N, P)."""

    def see(
        self,
        passages: Sequence[Passage],
        look: Look = Look.GATES,
        *,
        edit: Edit | None = None,
        last: bool = False,
    ) -> Seen:
        """Let the model read the passages, in one batch.

        With gradients on, what is seen hangs together in PyTorch's graph. edit: changes what the
        first stack reads, (N, T, D). last: each row's last prediction alone, which is cheaper.
        """
        with evaluating(self.task.model), ExitStack() as open_:
            calls = [
                open_.enter_context(watching(stack, look, None if i else edit))
                for i, stack in enumerate(self.stacks.values())
            ]
            losses, real, where = self._predict(passages, last)
        stacks = {}
        for name, made, (lengths, places) in zip(self.stacks, calls, where, strict=True):
            # Of a pair of texts the encoder reads both: the first is looked at.
            x, traced = made[0] if name == "encoder" else joined(made)
            stacks[name] = Stack(x, traced, lengths, places)
        return Seen(losses, real, stacks)


class TextSubject(Subject):
    """A language model: each token is predicted from the output at the one before it."""

    task: LanguageModelTask

    def __init__(self, task: LanguageModelTask) -> None:
        self.task, self.stacks = task, {"recurrent": task.model.recurrent}
        self.unit = {"characters": "characters", "words": "words"}.get(
            task.vocabulary.kind, "tokens"
        )

    def passage(self, ids: Tensor, where: str) -> Passage:
        """Ids (T) → a passage."""
        vocabulary, numbers = self.task.vocabulary, ids.tolist()
        names = [vocabulary.display(token) for token in range(len(vocabulary))]
        return Passage(
            vocabulary.decode(numbers),
            tuple(pieces_of(vocabulary, numbers)),
            tuple(names[token] for token in numbers),
            where,
            ids,
        )

    def passages(self, text: str) -> list[Passage]:
        vocabulary = self.task.vocabulary
        ids = [*start_tokens(vocabulary), *vocabulary.encode(text).tolist()]
        found = self.passage(torch.tensor(ids, dtype=torch.int64), "the text")
        if not start_tokens(vocabulary):
            return [found]
        # What is read before the text is a step, but no part of it.
        pieces = ("", *found.pieces[1:])
        return [found._replace(text="".join(pieces), pieces=pieces)]

    def read(self, path: Path) -> list[Passage]:
        return [self.passage(self.task.read(path).ids, str(path))]

    def held_out(self, config: Config) -> list[Passage]:
        text = config.text
        if text.validation:
            documents = load_corpus(text.validation).documents
        else:
            _, documents = load_corpus(text.corpus).split(text.validation_share)
        if not any(document.text for document in documents):
            raise UsageError("the run kept no text for validation: name a file")
        tokens = encode(self.task.vocabulary, documents, "the validation text")
        return [self.passage(tokens.ids, "the validation text")]

    def windows(self, passages: Sequence[Passage], length: int, count: int) -> list[Passage]:
        steps = sum(len(passage.given) for passage in passages)
        found = []
        for passage in passages:
            T = len(passage.given)
            last = max(T - length, 0)
            # Not all but the same, where the text is short.
            most = last // min(length, 8) + 1
            own = max(1, min(round(count * T / max(steps, 1)), most))
            starts = sorted({round(last * (k + 0.5) / own) for k in range(own)})
            found += [self.cut(passage, start, start + length) for start in starts]
        return found[:count]

    def cut(self, passage: Passage, start: int, end: int) -> Passage:
        """The steps start … end − 1."""
        pieces = passage.pieces[start:end]
        where = f"{passage.where}, from token {start}" if start else passage.where
        text, labels = "".join(pieces), passage.labels[start:end]
        return Passage(text, pieces, labels, where, passage.given[start:end])

    def predicted(self, passage: Passage) -> list[str]:
        return list(passage.labels[1:])

    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        model, device = self.task.model, self.task.device
        lengths = torch.tensor([len(p.given) for p in passages])
        N, T = len(passages), max(int(lengths.max()), 1)
        ids = torch.zeros(N, T, dtype=torch.int64)
        for row, passage in zip(ids, passages, strict=True):
            row[: len(passage.given)] = passage.given
        ids, lengths = ids.to(device), lengths.to(device)
        y = model.read(ids)[0].transpose(0, 1)
        places = torch.arange(T - 1, device=device).expand(N, T - 1)
        real = places < lengths.unsqueeze(1) - 1
        targets = ids[:, 1:]
        if last and T > 1:
            at = (lengths - 2).clamp(min=0).unsqueeze(1)
            places, real, targets = at, real.any(1, keepdim=True), targets.gather(1, at)
        N, P = places.shape
        read = y[torch.arange(N, device=device).unsqueeze(1), places]
        losses = functional.cross_entropy(
            model.output(read).flatten(0, 1), targets.flatten(), reduction="none"
        )
        losses = torch.where(real, losses.view(N, P), 0)
        return losses, real, [(lengths, places)]


class ExampleSubject(Subject):
    """A model of questions that are apart from each other: a passage is a question."""

    task: ExampleTask

    @property
    def source(self) -> InputKind:
        """What the model reads."""
        source: InputKind = self.task.input_kind  # type: ignore[attr-defined]
        return source

    def of_example(self, example: Example) -> Passage:
        """A question with its answer → a passage."""
        pieces, labels = self._pieces(example)
        return Passage("".join(pieces), tuple(pieces), tuple(labels), example.where, example)

    def _pieces(self, example: Example) -> tuple[list[str], list[str]]:
        source, steps = self.source, example.inputs[0]
        if isinstance(source, TextKind):
            ids = steps.tolist()
            return pieces_of(source.vocabulary, ids), source.vocabulary.token_texts(ids)
        if isinstance(source, WordsKind):
            words = list(example.raw[: len(steps)])
            return [word + " " * (i < len(words) - 1) for i, word in enumerate(words)], words
        return [""] * len(steps), [str(step + 1) for step in range(len(steps))]

    def read(self, path: Path) -> list[Passage]:
        return [self.of_example(example) for example in self.task.read(path)]

    def held_out(self, config: Config) -> list[Passage]:
        # It makes a fresh model too, which draws random numbers.
        with torch.random.fork_rng(devices=[]):
            prepared = type(self.task).prepare(config)
        if not prepared.validation:
            raise UsageError("the run kept no examples for validation: name a file")
        files = [config.text.validation] if config.text.validation else config.text.corpus
        # Encoded anew: the vocabulary is the model's, which need not be that of its corpus.
        found = (
            self._pair(example, prepared.task, _folder(example, files))
            for example in prepared.validation
        )
        return [self.of_example(example) for example in self._examples(found)]

    def _pair(self, example: Example, task: Task, folder: Path) -> Pair:
        *cells, answer = example.raw
        return Pair(Question(tuple(cells), example.where, folder), answer)

    def _examples(self, pairs: Iterable[Pair]) -> list[Example]:
        examples: list[Example] = self.task.examples(pairs)  # type: ignore[attr-defined]
        return examples

    def windows(self, passages: Sequence[Passage], length: int, count: int) -> list[Passage]:
        short = [p for p in passages if 0 < len(p.labels) <= length] or list(passages)
        every = max(len(short) / max(count, 1), 1)
        return [short[int(k * every)] for k in range(min(count, len(short)))]

    def _batch(self, passages: Sequence[Passage]) -> Any:
        batch = self.task.collate([passage.given for passage in passages])
        return batch.to(self.task.device)


class LabelSubject(ExampleSubject):
    """A classifier: one prediction, made when all is read."""

    task: Classify

    def __init__(self, task: Classify) -> None:
        self.task, self.stacks = task, {"encoder": task.model.encoder.recurrent}

    def passages(self, text: str) -> list[Passage]:
        question = question_of(text, len(self.task.columns.inputs), "the question")
        example = Example(question.where, self.source.read(question), None, question.cells)
        guess = self.task.log_probabilities([example])[0].argmax()
        return [self.of_example(example._replace(target=guess))]

    def predicted(self, passage: Passage) -> list[str]:
        return [self.task.labels[int(passage.given.target)]]

    def _pair(self, example: Example, task: Task, folder: Path) -> Pair:
        assert isinstance(task, Classify)
        assert example.target is not None
        question = Question(example.raw, example.where, folder)
        return Pair(question, task.labels[int(example.target)])

    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        batch = self._batch(passages)
        losses = functional.cross_entropy(
            self.task.model(batch.inputs), batch.labels, reduction="none"
        )
        lengths = batch.inputs[0].lengths
        real = torch.ones_like(losses, dtype=torch.bool).unsqueeze(1)
        places = (lengths - 1).clamp(min=0).unsqueeze(1)
        return losses.unsqueeze(1), real, [(lengths, places)]


class TagSubject(ExampleSubject):
    """A tagger: a prediction a step, −log softmax of what the step emits, also before a CRF."""

    task: Tag

    def __init__(self, task: Tag) -> None:
        self.task, self.stacks = task, {"encoder": task.model.encoder.recurrent}
        self.unit = "words" if isinstance(task.input_kind, WordsKind) else "steps"

    def passages(self, text: str) -> list[Passage]:
        words = tuple(text.split())
        (answer,) = self.task.predict([Question(words if self.unit == "words" else (text,))])
        found = [tag for _, tag in answer.rows]
        inputs = self.source.read(Question((text,)))
        target = torch.tensor([self.task.labels.index(tag) for tag in found], dtype=torch.int64)
        return [
            self.of_example(Example("the sentence", inputs, target, (*words, "\t".join(found))))
        ]

    def predicted(self, passage: Passage) -> list[str]:
        return str(passage.given.raw[-1]).split("\t")

    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        batch = self._batch(passages)
        emissions, lengths = self.task.model(batch.inputs), batch.inputs.lengths
        losses = functional.cross_entropy(
            emissions.transpose(1, 2), batch.labels, ignore_index=-1, reduction="none"
        )
        places = torch.arange(losses.shape[1], device=losses.device).expand_as(losses)
        real = batch.labels >= 0
        if last:
            places = (lengths - 1).clamp(min=0).unsqueeze(1)
            losses, real = losses.gather(1, places), real.gather(1, places)
        return losses, real, [(lengths, places)]


class WritingSubject(ExampleSubject):
    """An encoder-decoder: each token of the answer from those before it, by teacher forcing."""

    task: EncoderDecoderTask

    def __init__(self, task: EncoderDecoderTask) -> None:
        self.task, model = task, task.model
        self.stacks = {"decoder": model.decoder.recurrent}
        if isinstance(model.reader, SequenceReader):
            self.stacks = {"encoder": model.reader.encoder.recurrent} | self.stacks

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


def _folder(example: Example, files: Sequence[str]) -> Path:
    """The folder of that file which an example is from: there are the files that it names."""
    own = [file for file in files if example.where.startswith(file)]
    return Path(max(own, key=len, default=files[0])).parent


def subject_of(task: Task) -> Subject:
    """The model of a task, to be looked into; UsageError for one that reads no sequence of tokens."""
    if isinstance(task, LanguageModelTask):
        return TextSubject(task)
    if isinstance(task, EncoderDecoderTask):
        return WritingSubject(task)
    if isinstance(task, Classify) and task.input_kind.kind in ("text", "frames"):
        return LabelSubject(task)
    if isinstance(task, Tag):
        return TagSubject(task)
    raise UsageError(
        f"there is nothing to look into step by step in a model to {task.name} "
        f"{task.config.task.kind or 'numbers'}: inspect one that reads or writes text"
    )
