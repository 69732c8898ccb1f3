"""The curves as TensorBoard events, beside whatever else watches."""

from pathlib import Path
from typing import Any

from sunhwan.errors import UsageError
from sunhwan.progress import Progress
from sunhwan.tasks import Scores
from sunhwan.training.reporter import Reporter, StepReport


class TensorBoardReporter(Reporter):
    """Writes loss, gradient norm, learning rate, validation figures and samples; passes all on.

    UsageError when TensorBoard is not installed.
    """

    def __init__(self, folder: Path, inner: Reporter) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UsageError(
                "training.tensorboard needs TensorBoard: pip install 'sunhwan[tensorboard]'"
            ) from None
        self._make, self._folder, self._inner = SummaryWriter, folder, inner
        self._writer: Any = None
        self._step = 0

    def reading(self, progress: Progress) -> None:
        self._inner.reading(progress)

    def begin(self, facts: dict[str, Any]) -> None:
        # Events after the checkpoint that a run resumes from did not happen.
        self._step = facts["step"]
        self._writer = self._make(str(self._folder), purge_step=self._step)
        self._inner.begin(facts)

    def step(self, report: StepReport) -> None:
        self._step = report.step
        for name in ("loss", "grad_norm", "learning_rate", "tokens_per_second"):
            self._writer.add_scalar(f"training/{name}", getattr(report, name), report.step)
        self._inner.step(report)

    def validated(self, step: int, scores: Scores, improved: bool) -> None:
        for name, value in scores.to_dict().items():
            if value is not None:
                self._writer.add_scalar(f"validation/{name}", value, step)
        self._inner.validated(step, scores, improved)

    def sample(self, text: str) -> None:
        self._writer.add_text("sample", f"```\n{text}\n```", self._step)
        self._inner.sample(text)

    def say(self, message: str) -> None:
        self._inner.say(message)

    def end(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._inner.end()
