"""The one training loop: batches → model → guard → optimisers → log, validation, checkpoint."""

import math
import time
from dataclasses import astuple
from pathlib import Path
from typing import Any, cast

from torch import Tensor, autocast, bfloat16

from sunhwan.cells import State
from sunhwan.config import Config
from sunhwan.errors import StoreError
from sunhwan.layers import detach
from sunhwan.models.loss import Loss
from sunhwan.store import Run, save_model
from sunhwan.store.model import load_weights, weights
from sunhwan.tasks import Learner, Scores, Task
from sunhwan.training.average import Average
from sunhwan.training.budget import Speed, fit_to_clock, plan_by_steps, time_to_measure
from sunhwan.training.carried import (
    part_of,
    random_tensors,
    restore_random,
    state_of_rows,
    state_tensors,
)
from sunhwan.training.guard import check_finite, clip
from sunhwan.training.interruption import Interruption
from sunhwan.training.optimizers import Optimizers
from sunhwan.training.processes import Processes, SummedLoss
from sunhwan.training.reporter import Reporter, StepReport
from sunhwan.training.result import Result
from sunhwan.training.schedule import Plan, Schedule
from sunhwan.training.spectra import SpectrumLog
from sunhwan.training.step_log import StepLog


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
        task: Learner,
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
        self._interruption = Interruption()
        self._step_log = StepLog(run, config.training)
        self._spectra = SpectrumLog(run, self.model, self.device.type)
        self._speed = Speed()
        self.plan = plan_by_steps(config.training, self.stream.steps)

    # The public face: fit, and what a checkpoint is made of.

    def fit(self) -> Result:
        """Train to the end of the budget, or until interrupted; the run folder holds the outcome."""
        with self._interruption.awaited():
            self._restore()
            try:
                self.reporter.begin(self.facts())
                stopped = self._loop()
            except Exception:
                self.reporter.failed()
                raise
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
        carried = state_tensors(self._states, self.processes)
        generators = random_tensors(self.processes, self.device)
        tensors = {f"model.{name}": tensor for name, tensor in weights(self.model).items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors.items()}
        tensors |= {f"state.{name}": tensor for name, tensor in carried.items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self._average.state().items()}
        tensors |= {f"random.{name}": tensor for name, tensor in generators.items()}
        return tensors, {
            "optimizer": optimizer_values,
            "stream": self.stream.state(),
            "schedule": self.schedule.state(),
            "plan": list(astuple(self.plan)),
            "window": self._step_log.losses,
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
        load_weights(self.model, part_of(tensors, "model."), self.run.checkpoint_folder)
        self.optimizers.restore(part_of(tensors, "optimizer."), state["optimizer"])
        fields = part_of(tensors, "state.")
        if fields:
            kinds = [layer.cell.state_type for layer in cast(Any, self.model).recurrent.stack]
            for place, part in enumerate(self._own):
                rows = self.stream.rows(part, self._parts)  # type: ignore[attr-defined]
                self._states[place] = state_of_rows(fields, kinds, rows, self.device)
        self._average.restore(part_of(tensors, "average."))
        self._restore_random(part_of(tensors, "random."), state["step"])
        self.stream.restore(state["stream"])
        self.schedule = Schedule.restored(state["schedule"])
        self.plan = Plan(*state["plan"])
        self._step_log.losses = list(state["window"])
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

    def _restore_random(self, tensors: dict[str, Tensor], step: int) -> None:
        own = self.config.training.seed + step
        restore_random(tensors, self.processes, self.device, own)

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
            measuring = time_to_measure(self.plan, training, self.step, self.seconds)
            interrupted, measuring, due = self.processes.any(
                self._interruption.asked, first and measuring, first and due
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
        factor = self.schedule.factor(self.step, self.plan, training)
        learning_rate = training.learning_rate * factor
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
        with autocast(self.device.type, bfloat16, self.config.training.mixed_precision):
            found = self.task.loss(part, self._states[place], self.config.training)
        # The state is carried over the block's border; the gradient is cut here.
        self._states[place] = None if found.state is None else detach(found.state)
        return found

    def _report(self, loss: float, norm: float, clipped: bool, learning_rate: float) -> None:
        if not self.processes.is_first:
            return
        report = StepReport(
            step=self.step,
            total=self.plan.total,
            loss=loss,
            grad_norm=norm,
            clipped=clipped,
            learning_rate=learning_rate,
            epoch=self.stream.epoch,
            seconds=self.seconds,
            tokens_per_second=self._speed.tokens_per_second(self.tokens_seen),
            budget_seconds=60 * self.config.training.minutes or None,
        )
        self._step_log.add(report, self.plan.log_every)
        self.reporter.step(report)

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
            limit=max(self.config.training.validation_tokens, 0),
            interrupted=lambda: self._interruption.asked,
        )

    def _write_validation(self, scores: Scores | None, improved: bool) -> None:
        if scores is not None:
            self.run.log(
                "validation", step=self.step, **scores.to_dict(), seconds=round(self.seconds, 3)
            )
        self._spectra.write(self.step, self.tokens_seen)
        if improved:
            self.keep_model()
        if scores is not None:
            self.reporter.validated(self.step, scores, improved)
        self._write_sample()

    def keep_model(self) -> None:
        """Write the model as it is, the best so far, to where `load_model` reads it."""
        facts = {
            "corpus": self._corpus,
            "step": self.step,
            "tokens_seen": self.tokens_seen,
            **self.task.model_facts(),
            "validation": None if self.best is None else self.best.to_dict(),
        }
        save_model(self.run.model_folder, cast(Task, self.task), facts)

    def _write_sample(self) -> None:
        length = self.config.training.sample_length
        sample = self.task.validation_sample(self.validation_data, length) if length else ""
        if sample:
            self.run.add_sample(f"step {self.step}", sample)
            self.reporter.sample(sample)

    def _plan_by_clock(self, validation_seconds: float) -> None:
        training = self.config.training
        if not training.minutes:
            return
        pace = self._speed.seconds_per_step(self.step, validation_seconds)
        if fit_to_clock(self.plan, training, self.step, self.seconds, pace, validation_seconds):
            if self.processes.is_first:
                self.run.log("plan", step=self.step, total=self.plan.total)
            self._speed.restart(self.step, self.tokens_seen)

    def _restore(self) -> None:
        tensors, state, skipped = self.processes.from_first(self.run.load_checkpoint)
        for message in skipped:
            self.reporter.say(f"a checkpoint was skipped: {message}")
        if self.processes.is_first:
            self.run.rewind_logs(state.get("lengths", {}))
            self._spectra.recount()
        self.processes.check_alike(self._data_digest, self.config.sources)
        if state:
            self.restore(tensors, state)
            return
        if self.processes.is_first:
            self._spectra.write(self.step, self.tokens_seen)
        if self.processes.count > 1:
            self._restore_random({}, 0)
            self.processes.share_weights(self.model)
            # What one of them carries is lost with it: there must be something to go back to.
            self.save_checkpoint()
