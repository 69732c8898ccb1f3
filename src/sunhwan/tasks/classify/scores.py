"""Scores of a classifier."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from sunhwan.metrics import macro_f1


class ClassifyScores(NamedTuple):
    """loss: mean cross-entropy in nats. accuracy: share of right labels. macro_f1: the mean of the
    labels' F1, each label alike however rare. examples: how many there were."""

    loss: float
    accuracy: float
    macro_f1: float
    examples: int

    @property
    def rank(self) -> float:
        """The loss less the figures: of few rows the figures alone would be luck."""
        return min(self.loss, 100.0) - (self.accuracy + self.macro_f1) / 2

    def to_dict(self) -> dict[str, Any]:
        return self._asdict()

    def summary(self) -> str:
        return f"loss {self.loss:.4f}  accuracy {self.accuracy:.4f}  macro F1 {self.macro_f1:.4f}"

    def table(self) -> list[tuple[str, str]]:
        return [
            ("accuracy", f"{self.accuracy:.4f}"),
            ("macro F1", f"{self.macro_f1:.4f}"),
            ("loss", f"{self.loss:.4f} nats per example"),
            ("examples", f"{self.examples:,}"),
        ]


def scores_of(found: Tensor, targets: Tensor) -> ClassifyScores:
    """The scores of log p(label | example), found (n, L), where the labels are targets (n)."""
    guesses = found.argmax(-1)
    return ClassifyScores(
        loss=-found.gather(1, targets.unsqueeze(1)).mean().item(),
        accuracy=(guesses == targets).double().mean().item(),
        macro_f1=macro_f1(targets.tolist(), guesses.tolist()),
        examples=len(targets),
    )


def agreement(right: Sequence[str], said: Sequence[str]) -> dict[str, float]:
    same = sum(r == s for r, s in zip(right, said, strict=True))
    numbers = {label: number for number, label in enumerate({*right, *said})}
    f1 = macro_f1([numbers[label] for label in right], [numbers[label] for label in said])
    return {"accuracy": same / max(len(right), 1), "macro_f1": f1}
