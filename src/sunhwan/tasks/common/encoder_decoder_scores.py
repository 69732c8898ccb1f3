"""Figures of tasks whose answers are texts."""

from typing import Any, NamedTuple

GREEDY = 100
"""Examples that an evaluation lets the model answer, one likeliest token after the other."""


class EncoderDecoderScores(NamedTuple):
    """loss: mean cross-entropy of a token in nats, and accuracy: share of tokens ranked first, each
    after the right ones. exact: of `examples`, or the first 100, the share answered word for word,
    greedily; None where answers are drawn. tokens: how many were scored, EOS among them. chrf: of the
    same answers as `exact`, between 0 and 100; None where it was not computed."""

    loss: float
    accuracy: float
    exact: float | None
    tokens: int
    examples: int
    chrf: float | None = None

    @property
    def rank(self) -> float:
        # What is searched, not drawn, gets better long after its loss got worse.
        return self.loss if self.exact is None else 1e-4 * min(self.loss, 100.0) - self.accuracy

    def to_dict(self) -> dict[str, Any]:
        return self._asdict()

    def summary(self) -> str:
        exact = "" if self.exact is None else f"  exact {self.exact:.4f}"
        exact += "" if self.chrf is None else f"  chrF {self.chrf:.2f}"
        return f"loss {self.loss:.4f}  accuracy {self.accuracy:.4f}{exact}"

    def table(self) -> list[tuple[str, str]]:
        rows = [
            ("loss", f"{self.loss:.4f} nats per token"),
            ("accuracy", f"{self.accuracy:.4f} of tokens, each after the right ones"),
            ("tokens", f"{self.tokens:,}"),
            ("examples", f"{self.examples:,}"),
        ]
        if self.exact is not None:
            exact = f"{self.exact:.4f} of the first {min(self.examples, GREEDY)}, greedily"
            rows.insert(2, ("exact", exact))
        if self.chrf is not None:
            rows.insert(3, ("chrF", f"{self.chrf:.2f} of the same answers"))
        return rows
