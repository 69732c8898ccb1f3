"""Log of training steps: the mean loss of every few, and each step whose gradient was clipped."""

from sunhwan.config import TrainingConfig
from sunhwan.store import Run
from sunhwan.training.reporter import StepReport


class StepLog:
    """Writes steps to a run's log; losses: those of the steps since the last line."""

    def __init__(self, run: Run, training: TrainingConfig) -> None:
        self.run, self.limit = run, training.clip_norm or training.clip_value
        self.losses: list[float] = []

    def add(self, report: StepReport, every: int) -> None:
        """One step more; each `every` steps make a line."""
        self.losses.append(report.loss)
        if report.clipped:
            self.run.log("clip", step=report.step, grad_norm=report.grad_norm, limit=self.limit)
        if report.step % every:
            return
        self.run.log(
            "step",
            step=report.step,
            loss=sum(self.losses) / len(self.losses),
            grad_norm=report.grad_norm,
            learning_rate=report.learning_rate,
            epoch=report.epoch,
            seconds=round(report.seconds, 3),
            tokens_per_second=round(report.tokens_per_second),
        )
        self.losses = []
