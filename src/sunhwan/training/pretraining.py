"""Pretraining: a language model learns the texts that a task reads, and the task begins with it."""

import dataclasses
from contextlib import nullcontext
from pathlib import Path

import torch

from sunhwan.atomic import reported
from sunhwan.config import Config, TrainingConfig
from sunhwan.errors import ConfigError, UsageError
from sunhwan.store import Run
from sunhwan.store.migrations import CHECKPOINT, migrated, stamp
from sunhwan.store.model import load_weights, weights
from sunhwan.store.tensors import read_tensors, write_tensors
from sunhwan.tasks import Prepared
from sunhwan.tasks.common.pretraining import Pretraining
from sunhwan.tasks.common.recipe import EXAMPLE_RATES, LEARNING_RATES
from sunhwan.training.processes import Processes
from sunhwan.training.reporter import Reporter
from sunhwan.training.result import Result
from sunhwan.training.trainer import Trainer
from sunhwan.training.transfer import take_over


class PretrainingTrainer(Trainer):
    """Trains the language model in a folder of its own inside the run folder."""

    def keep_model(self) -> None:
        write_tensors(self._kept, weights(self.model), stamp(CHECKPOINT) | {"step": self.step})

    def take_best(self) -> None:
        """Give the model the weights that had the least loss."""
        tensors, state = read_tensors(self._kept)
        found = migrated(CHECKPOINT, state, {"tensors": tensors, "state": state}, self._kept)
        load_weights(self.model, found["tensors"], self._kept)

    @property
    def _kept(self) -> Path:
        return self.run.folder / "language-model.safetensors"


def refuse_before_reading(config: Config) -> None:
    """ConfigError where a task that is to be pretrained has another beginning already, or needs none."""
    training = config.training
    if not training.pretrain:
        return
    if config.reads_running_text:
        raise ConfigError(
            "training.pretrain: a language model is itself what is learned first: leave --pretrain out"
        )
    for name, value in (
        ("training.start_from (--from)", training.start_from),
        ("text.vectors (--vectors)", config.text.vectors),
    ):
        if value:
            raise ConfigError(
                f"training.pretrain and {name} are two beginnings of one model: leave one of them out"
            )
    if training.steps == 1:
        raise ConfigError(
            "training.pretrain needs 2 training.steps, one to begin with, one to go on"
        )


def refuse_prepared(prepared: Prepared) -> None:
    """UsageError where the task reads no text, or single tokens."""
    task = prepared.task
    if not prepared.config.training.pretrain:
        return
    if task.pretraining_input is None:
        raise UsageError(
            f"the model to {task.name} reads no text for a language model to learn: leave "
            "--pretrain out"
        )
    if not Pretraining.texts(prepared.train)[0]:
        raise UsageError(
            "no text here has two tokens, and a language model learns what follows: leave --pretrain out"
        )


def budgets(training: TrainingConfig) -> tuple[TrainingConfig, TrainingConfig]:
    """The settings of the language model and of the task: their budgets add up to what was given.

    Minutes of both count from the start of the run. The language model's step size is greater by as much as
    that of one is by default.
    """
    share = training.pretrain
    steps = min(max(1, round(share * training.steps)), training.steps - 1) if training.steps else 0
    usual = LEARNING_RATES[training.optimizer] / EXAMPLE_RATES[training.optimizer]
    first = dataclasses.replace(
        training, minutes=share * training.minutes, steps=steps, epochs=share * training.epochs,
        learning_rate=usual * training.learning_rate,
    )  # fmt: skip
    rest = dataclasses.replace(
        training, steps=training.steps - steps, epochs=(1 - share) * training.epochs
    )
    return first, rest


def pretrain(
    run: Run, prepared: Prepared, reporter: Reporter, started: float | None, processes: Processes
) -> Result:
    """Train the language model, or the rest of it, and give the task what it has learned.

    A run that was stopped in here goes on from the newest checkpoint in its folder `pretraining`.
    """
    task, config = prepared.task, prepared.config
    input_kind = task.pretraining_input
    assert input_kind is not None, "refuse_prepared lets no other task pass"
    (part,) = task.pretrained_parts()
    seed, first = config.training.seed, budgets(config.training)[0]
    torch.manual_seed(seed)
    learner = Pretraining(task.config, input_kind, part.vocabulary)
    learner.model.to(task.device)
    texts, held_out = learner.texts(prepared.train)
    folder = Run(run.pretraining_folder)
    if processes.is_first:
        with reported(folder.folder):
            folder.checkpoint_folder.mkdir(parents=True, exist_ok=True)
        reporter.say(share_note(config.training))
    with folder if processes.is_first else nullcontext():
        trainer = PretrainingTrainer(
            folder, dataclasses.replace(config, training=first), learner,
            texts, held_out, reporter=reporter, started=started, processes=processes,
        )  # fmt: skip
        result = trainer.fit()
    if result.stopped != "interrupted" and processes.is_first:
        trainer.take_best()
        # The same whether or not there was a stop on the way here.
        torch.manual_seed(seed)
        reporter.say(take_over(learner, task).summary())
    return dataclasses.replace(result, run=run.folder, task=task.name, best=None, best_step=0)


def share_note(training: TrainingConfig) -> str:
    """What the language model has of the budget, in a sentence."""
    first = budgets(training)[0]
    if training.steps:
        share = f"{first.steps:,} of {training.steps:,} steps"
    elif training.epochs:
        share = f"{first.epochs:.3g} of {training.epochs:g} passes"
    else:
        share = f"{first.minutes:.3g} of {training.minutes:g} minutes"
    return f"pretraining: a language model of the texts to learn from, for {share}"
