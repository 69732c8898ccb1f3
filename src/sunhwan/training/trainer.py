"""The one training loop: batches → model → guard → optimisers → log, validation, checkpoint."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.config import Config
from sunhwan.errors import StoreError
from sunhwan.layers import Recurrent, detach
from sunhwan.models.loss import Loss
from sunhwan.store import Run, save_model
from sunhwan.store.model import load_weights, weights
from sunhwan.tasks import Baselines, Scores, Task
from sunhwan.training.average import Average
from sunhwan.training.guard import check_finite, clip
from sunhwan.training.optimizers import Optimizers
from sunhwan.training.processes import Processes, SummedLoss
from sunhwan.training.reporter import Reporter, StepReport
from sunhwan.training.schedule import Plan, Schedule
from sunhwan.training.spectra import spectra_of, spectra_pay


@dataclass(frozen=True)
class Result:
    """How a training ended.

    stopped: "budget", "early stopping", "learned" or "interrupted"; best: the figures of the model that was
    kept, or None when there was no validation text; best_step: the step it is from. baselines: what
    simple methods reach on the same rows.
    """

    run: Path
    task: str
    steps: int
    tokens: int
    seconds: float
    stopped: str
    best: Scores | None
    best_step: int
    baselines: Baselines | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values, ready for JSON."""
        return {
            "run": str(self.run),
            "task": self.task,
            "steps": self.steps,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
            "best": None if self.best is None else self.best.to_dict(),
            "best_step": self.best_step,
            "baselines": None if self.baselines is None else self.baselines.to_dict(),
        }


class Trainer:
    """Trains one model in one run folder, from its start or from its newest checkpoint.

    Everything that shapes the future is in a checkpoint: weights, optimisers, schedule and plan,
    random generators, data position, carried state, the best figure so far. A run that is killed
    and resumed makes the same losses, weights and samples as one that is not.
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        task: Task,
        train: Any,
        validation: Any,
        *,
        reporter: Reporter | None = None,
        started: float | None = None,
        processes: Processes | None = None,
    ) -> None:
        """train, validation: data as the task takes it; no validation: None.

        started: the `time.perf_counter()` from which a budget in minutes counts.
        """
        self.run, self.config, self.task, self.model = run, config, task, task.model
        self.train_data, self.validation_data = train, validation
        self.reporter = reporter or Reporter()
        self.processes = processes or Processes()
        self.device = task.device
        self.optimizers = Optimizers(task.model, config.training)
        self.schedule = Schedule()
        self.plan = Plan()
        self._data_digest = task.data_digest(train, validation)
        self.stream = task.batches(train, config)
        # Of each batch the parts that this process computes, one after another, and all there are.
        own, first = config.training.accumulate, self.processes.rank * config.training.accumulate
        self._own, self._parts = range(first, first + own), self.processes.count * own
        self._states: list[list[State] | None] = [None] * own
        self._average = Average(task.model, config.training.average)
        self.step = 0
        self.best: Scores | None = None
        self.best_step = 0
        self.worse_validations = 0
        self.validation_pending = False
        self.learned = False
        self._since_validation = [0.0, 0]
        self._started = time.perf_counter() if started is None else started
        self._interrupted = False
        self._window: list[float] = []
        self._spectra = 0
        self._speed = _Speed()
        self._fix_plan_by_steps()

    # The public face: fit, and what a checkpoint is made of.

    def fit(self) -> Result:
        """Train to the end of the budget, or until interrupted; the run folder holds the outcome."""
        with self._signals():
            self._restore()
            self.reporter.begin(self.facts())
            try:
                stopped = self._loop()
            finally:
                self.reporter.end()
        return Result(
            run=self.run.folder,
            task=self.task.name,
            steps=self.step,
            tokens=self.tokens_seen,
            seconds=self.seconds,
            stopped=stopped,
            best=self.best,
            best_step=self.best_step,
        )

    @property
    def seconds(self) -> float:
        """Time spent on this run so far, earlier parts of a resumed run included."""
        return time.perf_counter() - self._started

    @property
    def _corpus(self) -> str:
        """The corpus by name: a model that is shipped must not tell its maker's folders."""
        return ", ".join(Path(source).name for source in self.config.sources)

    @property
    def tokens_seen(self) -> int:
        """How many tokens, or other steps of sequences, the model was trained on so far."""
        return self.stream.tokens

    def facts(self) -> dict[str, Any]:
        """What is being trained, on what: for displays and the model's card."""
        return {
            "task": self.task.name,
            "corpus": self._corpus,
            **self.task.data_facts(self.train_data),
            **self.task.about(),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "device": str(self.device),
            "step": self.step,
        }

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that resuming needs: tensors, and plain values."""
        optimizer_tensors, optimizer_values = self.optimizers.state()
        carried = self.processes.gathered(
            [[tuple(layer) for layer in state or ()] for state in self._states]
        )
        generators = self.processes.gathered(torch.get_rng_state())
        tensors = {f"model.{name}": tensor for name, tensor in weights(self.model).items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors.items()}
        for depth, layers in enumerate(zip(*chain(*carried), strict=True)):
            for index, fields in enumerate(zip(*layers, strict=True)):
                tensors[f"state.{depth}.{index}"] = torch.cat(fields)
        tensors |= {f"average.{name}": tensor for name, tensor in self._average.state().items()}
        tensors["random.cpu"] = generators[0]
        tensors |= {f"random.cpu.{rank}": g for rank, g in enumerate(generators[1:], 1)}
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        return tensors, {
            "optimizer": optimizer_values,
            "stream": self.stream.state(),
            "schedule": self.schedule.state(),
            "plan": list(astuple(self.plan)),
            "window": self._window,
            "best": None if self.best is None else list(self.best),
            "best_step": self.best_step,
            "worse_validations": self.worse_validations,
            "validation_pending": self.validation_pending,
            "learned": self.learned,
            "since_validation": self._since_validation,
            "seconds": self.seconds,
            "data": self._data_digest,
        }

    def restore(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Take back what `checkpoint()` gave; StoreError when the corpus is another one."""
        if state["data"] != self._data_digest:
            raise StoreError(
                f"the corpus of {self.run.folder} is not the one it was trained on: bring back "
                f"{', '.join(self.config.sources)} as it was, or start a new run"
            )
        load_weights(self.model, _part(tensors, "model."), self.run.checkpoint_folder)
        self.optimizers.restore(_part(tensors, "optimizer."), state["optimizer"])
        fields = _part(tensors, "state.")
        if fields:
            kinds = [layer.cell.state_type for layer in _recurrent(self.model).stack]
            for place, part in enumerate(self._own):
                rows = self.stream.rows(part, self._parts)  # type: ignore[attr-defined]
                self._states[place] = [
                    kind(
                        *(
                            fields[f"{i}.{k}"][rows].to(self.device)
                            for k in range(len(kind._fields))
                        )
                    )
                    for i, kind in enumerate(kinds)
                ]
        self._average.restore(_part(tensors, "average."))
        self._seed(tensors, state["step"])
        if "random.cuda" in tensors and self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        self.stream.restore(state["stream"])
        self.schedule = Schedule.restored(state["schedule"])
        self.plan = Plan(*state["plan"])
        self._window = list(state["window"])
        self.best = None if state["best"] is None else self.task.scores_type(*state["best"])
        self.best_step, self.step = state["best_step"], state["step"]
        self.worse_validations = state["worse_validations"]
        self.validation_pending = state["validation_pending"]
        self.learned = state.get("learned", False)
        self._since_validation = list(state.get("since_validation", [0.0, 0]))
        self._started = time.perf_counter() - state["seconds"]

    def save_checkpoint(self) -> None:
        """Write a checkpoint of this instant."""
        tensors, state = self.checkpoint()
        if self.processes.is_first:
            self.run.save_checkpoint(self.step, tensors, state)

    def _seed(self, tensors: dict[str, Tensor], step: int) -> None:
        """The random numbers of this process: those of a checkpoint, or its own where it has none."""
        rank = self.processes.rank
        name = f"random.cpu.{rank}" if rank else "random.cpu"
        if name in tensors:
            torch.set_rng_state(tensors[name])
        elif rank:
            torch.manual_seed((self.config.training.seed + 1_000_003 * rank + step) % 2**63)

    # The loop

    def _loop(self) -> str:
        training = self.config.training
        last_checkpoint = time.perf_counter()
        self._speed.restart(self.step, self.tokens_seen)
        while True:
            if self.validation_pending:
                try:
                    with self._average.in_place():
                        self._validate()
                except InterruptedError:
                    stopped = "interrupted"
                    break
            if 0 < training.early_stopping <= self.worse_validations:
                stopped = "early stopping"
                break
            if self.learned:
                stopped = "learned"
                break
            if self.plan.total is not None and self.step >= self.plan.total:
                stopped = "budget"
                break
            self._train_step()
            since = time.perf_counter() - last_checkpoint
            every = training.checkpoint_every
            due = self.step % every == 0 if every else since > training.checkpoint_seconds
            first = self.processes.is_first
            interrupted, measuring, due = self.processes.any(
                self._interrupted, first and self._time_to_measure(), first and due
            )
            self.validation_pending = self.plan.validation_due(self.step) or measuring
            if interrupted:
                stopped = "interrupted"
                break
            if due:
                self.save_checkpoint()
                last_checkpoint = time.perf_counter()
        self.save_checkpoint()
        return stopped

    def _train_step(self) -> None:
        training = self.config.training
        learning_rate = training.learning_rate * self.schedule.factor(
            self.step, self.plan, training
        )
        parts = self.stream.next_parts(self._own, self._parts)
        self.model.zero_grad(set_to_none=True)
        if self._parts == 1:
            found = self._loss_of(0, parts[0])
            found.objective.backward()  # type: ignore[no-untyped-call]
            value = found.nats.item()
        else:
            summed = SummedLoss()
            for place, part in enumerate(parts):
                if part is not None:
                    summed.add(self._loss_of(place, part))
            value = self.processes.mean_gradient(self.model, summed)
        clipped = clip(self.model.parameters(), training)
        check_finite(self.step + 1, value, clipped.norm, self.model, learning_rate)
        self.optimizers.step(learning_rate)
        self._average.update()
        self.step += 1
        self._since_validation = [self._since_validation[0] + value, self._since_validation[1] + 1]
        self._report(value, clipped.norm, clipped.acted, learning_rate)

    def _loss_of(self, place: int, part: Any) -> Loss:
        found = self.task.loss(part, self._states[place], self.config.training)
        # The state is carried over the block's border; the gradient is cut here.
        self._states[place] = None if found.state is None else detach(found.state)
        return found

    def _report(self, loss: float, norm: float, clipped: bool, learning_rate: float) -> None:
        if not self.processes.is_first:
            return
        self._window.append(loss)
        if clipped:
            limit = self.config.training.clip_norm or self.config.training.clip_value
            self.run.log("clip", step=self.step, grad_norm=norm, limit=limit)
        speed = self._speed.tokens_per_second(self.tokens_seen)
        if self.step % self.plan.log_every == 0:
            self.run.log(
                "step",
                step=self.step,
                loss=sum(self._window) / len(self._window),
                grad_norm=norm,
                learning_rate=learning_rate,
                epoch=self.stream.epoch,
                seconds=round(self.seconds, 3),
                tokens_per_second=round(speed),
            )
            self._window = []
        minutes = self.config.training.minutes
        self.reporter.step(
            StepReport(
                step=self.step,
                total=self.plan.total,
                loss=loss,
                grad_norm=norm,
                clipped=clipped,
                learning_rate=learning_rate,
                epoch=self.stream.epoch,
                seconds=self.seconds,
                tokens_per_second=speed,
                budget_seconds=60 * minutes if minutes else None,
            )
        )

    def _validate(self) -> None:
        begun = time.perf_counter()
        scores, value = None, math.inf
        if self.validation_data is not None:
            scores = self.processes.from_first(self._scores)
            value = scores.rank
            self.schedule.validated(value, self.config.training)
        # Without a validation text the newest model is the one to keep.
        improved = self.best is None or value < self.best.rank
        self.worse_validations = 0 if improved else self.worse_validations + 1
        if improved:
            self.best, self.best_step = scores, self.step
        if self.processes.is_first:
            self._write_validation(scores, improved)
        self.validation_pending = False
        total, steps = self._since_validation
        self.learned = steps > 0 and total / steps < self.config.training.stop_loss
        self._since_validation = [0.0, 0]
        self._plan_by_clock(time.perf_counter() - begun)
        self.plan = self.processes.from_first(lambda: self.plan)

    def _scores(self) -> Scores:
        return self.task.validate(
            self.validation_data,
            limit=self.config.training.validation_tokens,
            interrupted=lambda: self._interrupted,
        )

    def _write_validation(self, scores: Scores | None, improved: bool) -> None:
        if scores is not None:
            self.run.log(
                "validation", step=self.step, **scores.to_dict(), seconds=round(self.seconds, 3)
            )
        self._log_spectrum()
        if improved:
            self._save_model()
        if scores is not None:
            self.reporter.validated(self.step, scores, improved)
        self._write_sample()

    def _log_spectrum(self) -> None:
        if spectra_pay(self.model, self.device.type, self._spectra, self.tokens_seen):
            blocks = spectra_of(self.model)
            if blocks:
                self.run.log("spectrum", step=self.step, blocks=blocks)
                self._spectra += 1

    def _save_model(self) -> None:
        facts = {
            "corpus": self._corpus,
            "step": self.step,
            "tokens_seen": self.tokens_seen,
            **self.task.model_facts(),
            "validation": None if self.best is None else self.best.to_dict(),
        }
        save_model(self.run.model_folder, self.task, facts)

    def _write_sample(self) -> None:
        length = self.config.training.sample_length
        sample = self.task.validation_sample(self.validation_data, length) if length else ""
        if sample:
            self.run.add_sample(f"step {self.step}", sample)
            self.reporter.sample(sample)

    # The budget

    def _fix_plan_by_steps(self) -> None:
        training = self.config.training
        if training.steps:
            self.plan.total = training.steps
        elif training.epochs:
            self.plan.total = self.stream.steps(training.epochs)
        if self.plan.total is not None:
            self.plan.spread(training.validations, training)

    def _time_to_measure(self) -> bool:
        """On a time budget the first validation, after a twentieth of it, tells how fast this is."""
        budget = 60 * self.config.training.minutes
        return self.plan.total is None and self.step >= 5 and self.seconds > budget / 20

    def _plan_by_clock(self, validation_seconds: float) -> None:
        """Fit the number of steps to the time left, unless the plan fits it well enough already."""
        budget = 60 * self.config.training.minutes
        if not budget:
            return
        seconds_per_step = self._speed.seconds_per_step(self.step, validation_seconds)
        # At the end: a checkpoint, the picture of the curves, the interpreter's exit.
        left = max(budget - self.seconds - END_SECONDS, 0.0)
        if self.plan.total is not None and self.plan.validate_every is not None:
            steps_left = self.plan.total - self.step
            # The last validation falls on the last step.
            validations = -(-steps_left // self.plan.validate_every)
            spare = left - steps_left * seconds_per_step - validations * validation_seconds
            late = left < LATE * budget
            if not steps_left or -OVERRUN * budget < spare < (budget if late else SPARE * budget):
                return
        done = self.seconds / budget
        validations = math.ceil(self.config.training.validations * (1 - min(done, 1)))
        validations = min(validations, max(1, int(VALIDATION_SHARE * left / validation_seconds)))
        seconds = left - validations * validation_seconds
        self.plan.total = self.step + max(1, int(seconds / seconds_per_step))
        self.plan.spread(
            math.ceil(validations / (1 - self.step / self.plan.total)), self.config.training
        )
        if self.processes.is_first:
            self.run.log("plan", step=self.step, total=self.plan.total)
        self._speed.restart(self.step, self.tokens_seen)

    # Signals and restoring

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def interrupt(signum: int, frame: FrameType | None) -> None:
            self._interrupted = True

        previous = {}
        try:
            for name in (signal.SIGINT, signal.SIGTERM):
                previous[name] = signal.signal(name, interrupt)
        except ValueError:
            # Not the main thread: whoever runs us there handles signals.
            pass
        try:
            yield
        finally:
            for name, handler in previous.items():
                signal.signal(name, handler)

    def _restore(self) -> None:
        tensors, state, skipped = self.processes.from_first(self.run.load_checkpoint)
        for message in skipped:
            self.reporter.say(f"a checkpoint was skipped: {message}")
        if self.processes.is_first:
            self.run.rewind_logs(state.get("lengths", {}))
            self._spectra = sum(event["event"] == "spectrum" for event in self.run.events())
        self._check_shared()
        if state:
            self.restore(tensors, state)
            return
        if self.processes.is_first:
            self._log_spectrum()
        if self.processes.count > 1:
            self._seed({}, 0)
            self.processes.share_weights(self.model)
            # What one of them carries is lost with it: there must be something to go back to.
            self.save_checkpoint()

    def _check_shared(self) -> None:
        """StoreError where the processes have read different data."""
        if self.processes.count > 1 and len(set(self.processes.gathered(self._data_digest))) > 1:
            raise StoreError(
                "the processes of this training read different data: give each machine the same "
                f"files as {', '.join(self.config.sources)}"
            )


# Of a time budget: what the end takes; then, as shares of it, how far a plan may run over before it
# is shortened, how much it may leave unused before it is lengthened, when it is too late for that,
# and how much of the time left may go to validations.
END_SECONDS = 1.0
OVERRUN = 0.03
SPARE = 0.08
LATE = 0.15
VALIDATION_SHARE = 0.1


class _Speed:
    """Steps, tokens and seconds since this process began to train, validations left out."""

    def __init__(self) -> None:
        self.restart(0, 0)

    def restart(self, step: int, tokens: int) -> None:
        self._step, self._tokens = step, tokens
        self._begun, self._paused = time.perf_counter(), 0.0

    def seconds_per_step(self, step: int, pause: float = 0.0) -> float:
        """The mean so far; `pause` seconds more were not training."""
        self._paused += pause
        return self._elapsed / max(step - self._step, 1)

    def tokens_per_second(self, tokens: int) -> float:
        return (tokens - self._tokens) / self._elapsed

    @property
    def _elapsed(self) -> float:
        return max(time.perf_counter() - self._begun - self._paused, 1e-6)


def _recurrent(model: Any) -> Recurrent:
    """The stack whose state a stream carries."""
    found: Recurrent = model.recurrent
    return found


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
