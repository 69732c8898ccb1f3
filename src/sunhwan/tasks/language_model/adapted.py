"""Review of a language model that adapts to the text, beside the figures of the one that does not."""

from sunhwan.data import Tokens
from sunhwan.generation import Adaptation, was_tuned_on
from sunhwan.metrics import perplexity_text
from sunhwan.tasks.common.results import Review
from sunhwan.tasks.language_model.task import LanguageModelTask

TUNED_HERE = (
    "auto was tuned on text that is measured here: the figures of the adapted model flatter it; measure on "
    "another text"
)


def with_adapted(review: Review, task: LanguageModelTask, adaptation: Adaptation) -> Review:
    """The review with the figures of a copy that adapts behind its own, never in their place."""
    scores = task.evaluate_read(review.data, adaptation)
    rows = [
        *review.table(),
        ("perplexity, adapted", perplexity_text(scores.loss, 3)),
        ("bits per character, adapted", f"{scores.bits_per_character:.4f}"),
    ]
    cache = adaptation.cache._asdict() if adaptation.cache else None
    steps = adaptation._asdict() if adaptation.rate else {"rate": 0.0}
    adapted = {**steps, "cache": cache, **scores.to_dict()}
    return review._replace(rows=rows, values={**review.values, "adapted": adapted})


def with_tuning(review: Review, validation: Tokens) -> Review:
    """The review of figures with tuned settings, and a note where they were tuned on this very text."""
    if not was_tuned_on(validation, review.data):
        return review
    return review._replace(notes=[*review.notes, TUNED_HERE])
