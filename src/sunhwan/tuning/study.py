"""A study: trials of training one after the other, kept in a folder and continued from there."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sunhwan.comparison.folder import claim
from sunhwan.config import Config
from sunhwan.errors import NonFiniteError, SunhwanError, UsageError
from sunhwan.tasks import Scores
from sunhwan.training import Reporter, train
from sunhwan.tuning.space import Space

STARTING = 5
"""Trials before the search learns from them, and before any is pruned."""
FAILURES = 5
"""Trials in a row that may fail before the study gives up."""


class Trial(NamedTuple):
    """One training: its settings, and how it ended.

    state: "complete", "pruned" or "failed"; rank: the criterion of validation, less is better, None
    where it was never validated; figures: by name.
    """

    number: int
    settings: dict[str, Any]
    state: str
    rank: float | None
    figures: dict[str, Any]
    cpu_seconds: float
    reason: str = ""


class Study:
    """A search for the settings with the least validation criterion, in a folder.

    Trials are chosen by the tree-structured Parzen estimator (Bergstra et al. 2011), and a trial is
    pruned when a validation is worse than the median of the others at that point. The first trial has
    the settings of the configuration itself. Everything is in the folder: a study that is opened again
    with the same configuration and space goes on.

    Raises UsageError: the folder holds something else, or Optuna is not installed.
    """

    def __init__(self, config: Config, space: Space, out: Path, *, seed: int = 1) -> None:
        try:
            import optuna
            from optuna.storages.journal import JournalFileBackend, JournalStorage
        except ImportError:
            raise UsageError("tuning needs Optuna: python -m pip install 'sunhwan[tune]'") from None
        if not space:
            raise UsageError("there is nothing to search: name a setting with --space")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.config, self.space, self.out = config, space, out
        axes = {name: [type(axis).__name__, *axis] for name, axis in space.items()}
        claim(out, "space.json", {"config": config.to_dict(), "space": axes, "seed": seed}, "study")
        self._optuna = optuna
        storage = JournalStorage(JournalFileBackend(str(out / "study.jsonl")))
        self._study = optuna.create_study(
            study_name="tune", storage=storage, load_if_exists=True, direction="minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTING),
        )  # fmt: skip
        self._seed = seed
        for trial in self._study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            # Left by a process that was stopped: the same settings are tried again.
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            self._study.enqueue_trial(trial.params, user_attrs=trial.user_attrs)

    @property
    def trials(self) -> list[Trial]:
        """The trials that ended, in their order."""
        return [
            Trial(trial.number, **trial.user_attrs["trial"])
            for trial in self._study.get_trials(deepcopy=False)
            if "trial" in trial.user_attrs
        ]

    @property
    def best(self) -> Trial:
        """The best of the complete trials; UsageError where there is none."""
        complete = [t for t in self.trials if t.state == "complete" and t.rank is not None]
        if not complete:
            raise UsageError(
                f"no trial in {self.out} was trained to its end: allow more --cpu-minutes"
            )
        return min(complete, key=lambda trial: trial.rank or 0.0)

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all trials."""
        return sum(trial.cpu_seconds for trial in self.trials)

    def run(
        self,
        cpu_minutes: float,
        *,
        ended: Callable[[Trial], None] = lambda trial: None,
    ) -> bool:
        """Make trials until they have taken so much processor time; False where interrupted.

        The trial at hand is not cut off at the end of the budget.
        """
        failures = 0
        while self.cpu_seconds < 60 * cpu_minutes:
            if not self._study.get_trials(deepcopy=False):
                self._study.enqueue_trial({}, user_attrs={"untouched": True})
            trial = self._one()
            if trial is None:
                return False
            ended(trial)
            failures = failures + 1 if trial.state == "failed" else 0
            if failures == FAILURES:
                raise UsageError(f"{failures} trials in a row failed, the last one: {trial.reason}")
        return True

    def settings(self, trial: Trial) -> Config:
        """The configuration of a trial."""
        return self.config.override(trial.settings, "the study")

    def _one(self) -> Trial | None:
        states = self._optuna.trial.TrialState
        count = len(self._study.get_trials(deepcopy=False))
        # A sampler of its own a trial: a study that goes on draws as one that never stopped.
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=self._seed + count, n_startup_trials=STARTING
        )
        asked = self._study.ask()
        untouched = asked.user_attrs.get("untouched", False)
        chosen = {} if untouched else {n: axis.suggest(asked, n) for n, axis in self.space.items()}
        begun, judge = time.process_time(), _Judge(asked)
        state, reason, best = states.COMPLETE, "", None
        folder = self.out / "trials" / f"{asked.number:04d}"
        try:
            config = self.config.override(chosen, "--space")
            config = config.override({"training.baselines": False})  # the same in every trial
            result = train(config, folder, reporter=judge, own_process=True)
            if result.stopped == "interrupted":
                return None
            best = result.best
        except _Pruned:
            state, best = states.PRUNED, judge.best
        except NonFiniteError as error:
            state, reason = states.PRUNED, str(error)
        except SunhwanError as error:
            state, reason = states.FAIL, str(error)
        if state == states.COMPLETE and best is None:
            raise UsageError(
                "there is nothing to validate on, so nothing to choose by: --validation"
            )
        told = Trial(
            number=asked.number,
            settings=chosen,
            state={"COMPLETE": "complete", "PRUNED": "pruned"}.get(state.name, "failed"),
            rank=None if best is None else best.rank,
            figures={} if best is None else best.to_dict(),
            cpu_seconds=time.process_time() - begun,
            reason=reason,
        )
        kept = told._asdict()
        del kept["number"]
        asked.set_user_attr("trial", kept)
        value = best.rank if state == states.COMPLETE and best else None
        self._study.tell(asked, value, state)
        return told


class _Pruned(BaseException):
    """A trial is not worth its time: no error, but a way out of the training loop."""


class _Judge(Reporter):
    """Tells the study of each validation, and ends the training when it says so."""

    def __init__(self, trial: Any) -> None:
        self.trial = trial
        self.validations = 0
        self.best: Scores | None = None

    def of_pretraining(self) -> Reporter:
        return Reporter()

    def validated(self, step: int, scores: Scores, improved: bool) -> None:
        self.best = scores if improved else self.best
        self.validations += 1
        self.trial.report(scores.rank, self.validations)
        if self.trial.should_prune():
            raise _Pruned
