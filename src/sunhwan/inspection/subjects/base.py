"""Subject: a trained model as inspection sees it, its steps and its predictions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from sunhwan.config import Config
from sunhwan.layers import Attention, Edit, Look, Recurrent, Traced, joined, observing
from sunhwan.models.mode import evaluating
from sunhwan.tasks import Task

if TYPE_CHECKING:
    from sunhwan.inspection.subjects.forecaster import ForecasterSubject


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


class StackRun(NamedTuple):
    """A recurrent stack at work on N passages.

    x: (N, T, D), what it read. lengths: (N), how many steps of each row are real. places: (N, P), the
    step with whose output each prediction was made.
    """

    x: Tensor
    traced: Traced
    lengths: Tensor
    places: Tensor


class Observation(NamedTuple):
    """Observation of a model on N passages: of each of P predictions −log p in nats, and its stacks' runs.

    real: (N, P), whether there is such a prediction; the loss is 0 where there is none.
    """

    losses: Tensor
    real: Tensor
    runs: dict[str, StackRun]


class Subject(ABC):
    """A model of any task with a recurrent stack; all is done in evaluation mode."""

    task: Task
    recurrents: dict[str, Recurrent]
    """Its recurrent stacks by name; the first is the one whose steps are those of a passage."""
    unit = "tokens"
    """What a step reads."""
    measure = "nats"
    """In what a prediction's loss is."""
    steps_ahead = 0
    """Steps at the end of a passage that are read whatever is known of the past: a horizon."""
    running_text = False
    """Whether passages are cut from one running text; else each is an example of its own."""
    predicts_each_step = False
    """Whether a prediction is made at every step of a passage, as of its own label."""
    needs_whole_question = False
    """Whether the answer is written after a question, or is a part of it, so that none can be cut short."""
    steps_to_predict = 1
    """The fewest steps with a prediction."""
    warm_up = 0
    """Steps to read before predictions are typical."""

    def as_forecaster(self) -> "ForecasterSubject | None":
        """The same where it forecasts a series, of which nothing is text or has a probability."""
        return None

    @property
    def main(self) -> str:
        """The name of the first stack."""
        return next(iter(self.recurrents))

    @abstractmethod
    def passages(self, text: str) -> list[Passage]:
        """A typed text → what the model reads; a question is answered by the model itself."""

    def to_encode(self, text: str) -> Passage:
        """The same, where only what is read counts and the answer may be any."""
        return self.passages(text)[0]

    def beside(self, passages: Sequence[Passage]) -> Tensor | None:
        """What the model says of each text beside its recurrent stacks, (N, L); None: nothing."""
        return None

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

    def continued(self, text: str) -> Passage:
        """Something typed, with a prediction to ask about: that of the answer given by the model."""
        (passage,) = self.passages(text)
        return passage

    def until(self, passage: Passage, prediction: int) -> tuple[Passage, int]:
        """The part of a passage that a prediction depends on, and the prediction's place in it."""
        return passage, prediction

    def step_predicted(self, prediction: int) -> int | None:
        """The step of the passage at which stands what is predicted; None where it is at none."""
        return prediction if self.predicts_each_step else None

    def predicts_blank(self, passage: Passage, prediction: int) -> bool:
        """Whether a blank is predicted."""
        return False

    def step_labels(self, passages: Sequence[Passage]) -> list[str]:
        """The label of each step of all passages; none where steps have no labels."""
        return []

    @property
    def attention(self) -> Attention | None:
        """The attention over what was read, where the model has one."""
        return None

    @property
    @abstractmethod
    def output_layer(self) -> nn.Module:
        """The layer that makes logits."""

    @property
    @abstractmethod
    def input_layers(self) -> tuple[int, list[nn.Module]]:
        """How many tokens there are to read, 0 where steps are none, and the layers that embed them."""

    @property
    def own_width(self) -> int | None:
        """How many columns of the first stack's input are the step's own; None: all."""
        return None

    @abstractmethod
    def mean_input(self, x: Tensor) -> Tensor:
        """The mean (D) of all tokens' vectors or, where a step is no token, of the steps x (T, D)."""

    @torch.no_grad()
    def log_p_without(
        self, passage: Passage, steps: range, mean: Tensor, prediction: int, run: StackRun
    ) -> Tensor:
        """log p of a prediction, once for each of some steps with its input replaced: (steps).

        mean: what replaces the first columns. run: of the first stack over the whole passage.
        """
        begun = 0

        def edit(x: Tensor) -> Tensor:
            # A decoder may read one step a call.
            nonlocal begun
            x = x.clone()
            for row, step in enumerate(steps):
                if begun <= step < begun + x.shape[1]:
                    x[row, step - begun, : len(mean)] = mean
            begun += x.shape[1]
            return x

        seen = self.observe([passage] * len(steps), Look.STATES, edit=edit)
        return -seen.losses[:, prediction]

    def steps(self, passage: Passage, stack: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Pieces and labels of what a stack reads of a passage, the first stack the passage itself."""
        return passage.pieces, passage.labels

    @abstractmethod
    def _predict(self, passages: Sequence[Passage], last: bool) -> tuple[Tensor, Tensor, list[Any]]:
        """losses and real (N, P); of each stack lengths (N) and places (N, P)."""

    def observe(
        self,
        passages: Sequence[Passage],
        look: Look = Look.GATES,
        *,
        edit: Edit | None = None,
        last: bool = False,
    ) -> Observation:
        """Let the model read the passages, in one batch.

        With gradients on, what is seen hangs together in PyTorch's graph. edit: changes what the
        first stack reads, (N, T, D). last: each row's last prediction alone, which is cheaper.
        """
        with evaluating(self.task.model), ExitStack() as open_:
            calls = [
                open_.enter_context(observing(stack, look, None if i else edit))
                for i, stack in enumerate(self.recurrents.values())
            ]
            losses, real, where = self._predict(passages, last)
        runs = {}
        for name, made, (lengths, places) in zip(self.recurrents, calls, where, strict=True):
            # Of a pair of texts the encoder reads both: the first is looked at.
            x, traced = made[0] if name == "encoder" else joined(made)
            runs[name] = StackRun(x, traced, lengths, places)
        return Observation(losses, real, runs)
