"""Settings of a language model left to "auto": the softmax here, the others by `tasks.common.recipe`."""

from sunhwan.config import Config, Value
from sunhwan.data.survey import Survey
from sunhwan.models.softmax import CUTOFFS
from sunhwan.tasks.common.recipe import VALIDATION_TOKENS, complete_language, words_known
from sunhwan.tasks.language_model.settings import LanguageModelConfig
from sunhwan.text import Corpus

MANY_WORDS = 10_000
BY_EMBEDDING = ("", "embedding")
"""Inputs that have vectors of words: auto becomes an embedding."""
FEWEST_SAMPLES, MOST_SAMPLES, WORDS_A_SAMPLE = 2_048, 8_192, 16


def complete(config: Config, corpus: Corpus | Survey) -> Config:
    """The configuration with every "auto" replaced.

    - softmax: `sampled` of over 10,000 words where the budget is a time, for a step over all of them takes
      several times as long; else `full`, as with sgd and one-hot input, for which there is no other.
    - tied: embedding and output layer are one where the softmax is sampled, unless the embedding has a size
      of its own or a layer's input stands beside its output.
    - samples: a sixteenth of the words, at least 2,048 and at most 8,192.
    - validation: on 131,072 tokens; of a sampled softmax, whose validation computes all scores, on fewer as
      the words are more, 16,384 at least.
    """
    model = config.model
    if not isinstance(model, LanguageModelConfig):  # from Python, where it may be that of any task
        return complete_language(config, corpus)
    known, training = words_known(config.text, corpus), config.training
    timed = not (training.steps or training.epochs)
    able = training.optimizer != "sgd" and model.input in BY_EMBEDDING
    many = config.text.vocabulary == "words" and known > MANY_WORDS
    softmax = model.softmax or ("sampled" if many and timed and able else "full")
    samples = model.softmax_samples or min(
        MOST_SAMPLES, max(FEWEST_SAMPLES, known // WORDS_A_SAMPLE)
    )
    outputs = {"sampled": samples, "adaptive": min(CUTOFFS[0], known)}.get(softmax, 0)
    tied = model.tied
    if tied == "":
        apart = (
            model.embedding_size or model.connection == "dense" or model.input not in BY_EMBEDDING
        )
        tied = softmax == "sampled" and not apart
    chosen: dict[str, Value] = {
        "model.softmax": softmax,
        "model.softmax_samples": samples,
        "model.tied": tied,
    }
    if training.validation_tokens < 0 and softmax == "sampled":
        share = MANY_WORDS / max(known, MANY_WORDS)
        chosen["training.validation_tokens"] = max(16_384, int(VALIDATION_TOKENS * share))
    return complete_language(config.override(chosen), corpus, outputs)


def said(asked: Config, completed: Config) -> list[str]:
    """Sentences on what was chosen: a sampled softmax, and vectors that are tied."""
    before, after = asked.model, completed.model
    if not isinstance(before, LanguageModelConfig) or not isinstance(after, LanguageModelConfig):
        return []
    notes = []
    if not before.softmax and after.softmax == "sampled":
        notes.append(
            f"of so many words, {after.softmax_samples:,} that are drawn for each block are learned from; "
            "model.softmax=full takes all, and longer"
        )
    if not before.tied and after.tied:
        notes.append(
            "each word has one vector, by which it is read and written; model.tied=false gives it two"
        )
    return notes
