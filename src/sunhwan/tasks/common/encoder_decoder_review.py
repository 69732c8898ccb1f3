"""Review of an encoder-decoder: BLEU, chrF and right answers by beam search, and the first answers."""

from collections.abc import Sequence
from typing import Any

from sunhwan.metrics import bleu, chrf
from sunhwan.tasks.common.encoder_decoder_scores import EncoderDecoderScores
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.results import Listing, Review

SHOWN = 10


def beam_search_review(
    scores: EncoderDecoderScores,
    data: Sequence[Example],
    said: Sequence[str],
    exact: float,
    first: Listing,
) -> Review:
    """The review of the answers to `data`, of which the share `exact` is right word for word."""
    right = [example.raw[-1] for example in data]
    measured = {"bleu": bleu(said, right), "chrf": chrf(said, right)}
    rows = [(m.name, f"{m.score:.2f}", m.signature) for m in measured.values()]
    rows.append(("exact", f"{exact:.4f}", "share of answers that are right word for word"))
    figures = Listing("by beam search", ("figure", "", "signature of sacrebleu"), rows)
    values: dict[str, Any] = {name: m.score for name, m in measured.items()}
    values["exact_by_beam_search"] = exact
    values["signatures"] = {name: m.signature for name, m in measured.items()}
    return Review(scores, [figures, first], values)


def first_answers(data: Sequence[Example], asked: Sequence[str], said: Sequence[str]) -> Listing:
    """The first answers beside the right ones; asked: the first questions, as they are shown."""
    rows = [
        (example.where, question, example.raw[-1], answer)
        for example, question, answer in zip(data, asked, said, strict=False)
    ]
    return Listing("the first answers", ("where", "asked", "right", "said"), rows)
