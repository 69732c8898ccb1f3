"""Review of a language model that adapts to the text, beside the figures of the one that does not."""

from sunhwan.generation import Adaptation
from sunhwan.metrics import perplexity_text
from sunhwan.tasks.common.results import Review
from sunhwan.tasks.language_model.task import LanguageModelTask


def with_adapted(review: Review, task: LanguageModelTask, adaptation: Adaptation) -> Review:
    """The review with the figures of a copy that adapts behind its own, never in their place."""
    scores = task.evaluate_read(review.data, adaptation)
    rows = [
        *review.table(),
        ("perplexity, adapted", perplexity_text(scores.loss, 3)),
        ("bits per character, adapted", f"{scores.bits_per_character:.4f}"),
    ]
    cache = adaptation.cache._asdict() if adaptation.cache else None
    adapted = {"rate": adaptation.rate, "cache": cache, **scores.to_dict()}
    return review._replace(rows=rows, values={**review.values, "adapted": adapted})
