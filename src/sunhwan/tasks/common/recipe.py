"""The settings left to "auto", by written rules of the corpus and the budget.

The rules were found by measurement on two CPU cores (`python -m benchmarks.tinyshakespeare` measures
what they give) and are meant for a laptop; every one can be overruled by setting the key.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sunhwan.config import Config, TextConfig, Value
from sunhwan.data.survey import Survey
from sunhwan.errors import ConfigError
from sunhwan.text import Corpus
from sunhwan.text.hangul import HangulShare

DEFAULT_MINUTES = 3.0
ENOUGH_PASSES = 20
MIN_STEPS = 300
MANY = 20_000


def complete_language(config: Config, corpus: Corpus | Survey, outputs: int = 0) -> Config:
    """The configuration with every "auto" replaced; ConfigError when two budgets are given.

    outputs: how many words' scores a step computes for each token; 0: those of all that are known.

    - budget: 3 minutes, or as many steps as read a small text 20 times (300 at least), for more would
      only memorise it.
    - vocabulary: jamo when over a fifth of the characters are Hangul syllables, for then most
      syllables are too rare to learn one by one; else characters.
    - hidden size, in steps of 64: 256 between 1 and 3 minutes, less below (√minutes) and more beyond
      ((minutes / 3)^0.7), and at most 64 · √(tokens / 2000), for a small text carries a small model.
      A budget in steps or epochs counts as 3 minutes. Of words and subwords, whose output layer takes
      most of the time, the largest of these sizes, from 128 on, at which this machine, by the measured
      speed of a product, reads the text 3 times in the minutes that are given, or 6 times where a step
      computes the scores of few words alone (`_passes`).
    - dropout: with e = passes over the text · hidden size / 384, 0 up to e = 7, of words, whose vectors
      are many more weights, up to e = 3.5, then 0.35 for each doubling, 0.5 at most. Passes of a time
      budget: 5.4 million tokens a minute at 256 hidden units, falling with their square; of words and
      subwords no more than the machine reads.
    - embedding 64, of words and subwords 256, one layer, T = 64, N = 32; for a small text N =
      tokens / 8192, at least 8, for it needs steps more than steady ones; fewer yet where a block would
      hold all of it.
    - learning rate: 0.007 with muon, 0.004 with adam and adamw, 1 with sgd; 0.1 for up to 8 hidden
      units and 8 different characters, such as "hello", which at less stays half learned.
    - a text of up to 2,000 characters, without a budget or a validation of its own, is learned by
      heart: all of it, for 600 steps at most, without dropout.
    """
    data, training = config.data, config.training
    budgets = _budgets(config)
    automatic = {
        "text.vocabulary": kind_by(corpus.hangul),
        "text.unknown": "unk",
        "model.input": "embedding",
    }
    automatic |= {name: str(value) for name, value in corpus.suggested.items()}
    values = config.to_dict()
    for name, value in automatic.items():
        section, _, key = name.partition(".")
        values[section][key] = values[section][key] or value
    completed = Config.from_dict(values)
    text, model = completed.text, completed.model

    tokens = _tokens_of(text, corpus)
    minutes = training.minutes or DEFAULT_MINUTES
    known = words_known(text, corpus)
    embedding_size = 256 if known else 64
    data = dataclasses.replace(
        data,
        batch_size=data.batch_size or max(1, min(32, max(8, tokens // 8192), tokens // 64)),
        block_length=data.block_length or max(1, min(64, tokens - 1, data.bptt_length or 64)),
    )
    tokens_per_step = data.batch_size * data.block_length
    largest = _hidden_size(tokens, minutes)
    timed = not (training.steps or training.epochs)

    def passes_of_words(width: int) -> float:
        """How often this machine reads the text in the minutes, of words and subwords."""
        D = width if model.tied else min(width, embedding_size)
        muon = tokens_per_step if training.optimizer == "muon" else 0
        cost = _products_of_token(width, D, outputs or known, muon)
        return _products(minutes, bool(outputs)) / (cost * tokens)

    if known and timed and not model.hidden_size:
        wanted = WORD_PASSES * (2 if outputs else 1)
        sizes_down = range(largest, LEAST_OF_WORDS, -64)
        least = min(largest, LEAST_OF_WORDS)
        largest = next((w for w in sizes_down if passes_of_words(w) >= wanted), least)
    hidden_size = model.hidden_size or largest
    sizes = (hidden_size,) if isinstance(hidden_size, int) else hidden_size
    width = max(sizes)
    readable = minutes * TOKENS_PER_MINUTE * (256 / width) ** 2
    if known and timed:
        readable = min(readable, passes_of_words(width) * tokens)
    if not budgets:
        enough = max(MIN_STEPS, math.ceil(ENOUGH_PASSES * tokens / tokens_per_step))
        small = enough * tokens_per_step < readable
        budget = {"steps": enough} if small else {"minutes": DEFAULT_MINUTES}
        training = dataclasses.replace(training, **budget)
    learned = STOP_LOSS
    if by_heart(config, corpus):
        text = dataclasses.replace(text, validation_share=0.0)
        model = dataclasses.replace(model, dropout=max(model.dropout, 0.0))
        training, learned = dataclasses.replace(training, steps=BY_HEART_STEPS), BY_HEART_LOSS
    passes = training.epochs or (training.steps * tokens_per_step or readable) / tokens
    model = dataclasses.replace(
        model,
        hidden_size=hidden_size,
        num_layers=model.num_layers or max(len(model.cells), len(model.sizes)),
        embedding_size=model.embedding_size
        or (sizes[-1] if model.tied else min(embedding_size, width)),
        tied=bool(model.tied),
        dropout=model.dropout
        if model.dropout >= 0
        else _dropout(passes * width / 384, text.vocabulary == "words"),
    )
    usual = LEARNING_RATES[training.optimizer]
    if isinstance(corpus, Corpus) and max(width, _different_characters(corpus)) <= FEW:
        usual = max(usual, FEW_RATE)
    rate = training.learning_rate or usual
    smoothing = max(training.label_smoothing, 0.0)
    training = dataclasses.replace(
        training,
        learning_rate=rate,
        label_smoothing=smoothing,
        stop_loss=learned if training.stop_loss < 0 else training.stop_loss,
        validation_tokens=VALIDATION_TOKENS
        if training.validation_tokens < 0
        else training.validation_tokens,
    )
    return dataclasses.replace(config, text=text, data=data, model=model, training=training)


def by_heart(config: Config, corpus: Corpus | Survey) -> bool:
    """Whether a text is too short to keep a part apart, and none was asked for."""
    share = TextConfig().validation_share
    asked = config.text.validation or config.text.validation_share != share or _budgets(config)
    return not asked and not corpus.suggested and corpus.characters <= BY_HEART_CHARACTERS


def complete_examples(
    config: Config,
    cells: Sequence[str],
    count: int,
    automatic: Mapping[str, Value],
    *,
    least: int = 32,
) -> Config:
    """The configuration of a task of `count` separate examples with every "auto" replaced.

    automatic: the task's own choices for a large set. Of a smaller one:

    - batches of count / 64 rows, at least 8, for it needs steps more than steady ones;
    - hidden and embedding sizes that grow with √count, in steps of 32, at least 32;
      least: that of the hidden size where a task needs more.

    Of every set:

    - the hidden size grows with the budget, as (minutes / 3)^0.2 beyond 3 minutes;
    - vocabulary: characters; jamo of a mostly Korean set of fewer than 20,000 examples, in which
      most syllables are too rare to learn one by one;
    - budget: 3 minutes, or over a small set 40 passes unless the task says how many; the model that
      is kept is the best one.
    - learning rate: 0.003 with muon, 0.002 with adam and adamw, 0.1 with sgd.
    """
    small = min(1.0, math.sqrt(count / MANY))
    long = max(1.0, (config.training.minutes / 3) ** 0.2)
    chosen: dict[str, Any] = dict(automatic)
    sizes = ("model.hidden_size", small * long, least), ("model.embedding_size", small, 32)
    for name, factor, lowest in sizes:
        if name in chosen:
            chosen[name] = max(lowest, 32 * round(chosen[name] * factor / 32))
    if "data.batch_size" in chosen:
        chosen["data.batch_size"] = max(8, min(chosen["data.batch_size"], count // 64))
    chosen.setdefault("text.vocabulary", kind_of_text(cells) if count < MANY else "characters")
    chosen.setdefault("text.unknown", "unk")
    chosen.setdefault("model.tied", False)
    chosen.setdefault("training.label_smoothing", 0.0)
    chosen.setdefault("training.stop_loss", STOP_LOSS)
    chosen.setdefault("training.validation_tokens", VALIDATION_TOKENS)
    chosen["training.learning_rate"] = EXAMPLE_RATES[config.training.optimizer]
    small_budget = {"training.epochs": chosen.pop("training.epochs", 40)}
    if not _budgets(config):
        chosen |= small_budget if count < 2_000 else {"training.minutes": DEFAULT_MINUTES}
    cells_given = max(len(config.model.cells), len(config.model.sizes))
    chosen["model.num_layers"] = max(cells_given, int(chosen.get("model.num_layers", 1)))
    values = config.to_dict()
    for name, value in chosen.items():
        section, _, key = name.partition(".")
        if values[section][key] in ((-1.0,) if name in FROM_ZERO else ("", 0)):
            values[section][key] = value
    return Config.from_dict(values)


def _budgets(config: Config) -> list[float]:
    training = config.training
    budgets = [b for b in (training.minutes, training.steps, training.epochs) if b]
    if len(budgets) > 1:
        raise ConfigError("give one budget: training.minutes, training.steps or training.epochs")
    return budgets


FROM_ZERO = (
    "model.dropout", "training.label_smoothing", "training.stop_loss", "training.validation_tokens",
)  # fmt: skip
"""Settings in which 0 is a choice, and -1 is auto."""
STOP_LOSS = 0.001
"""Nats: what is left to learn is nothing that counts."""
VALIDATION_TOKENS = 131_072
BY_HEART_CHARACTERS, BY_HEART_STEPS, BY_HEART_LOSS = 2_000, 600, 0.01
FEW, FEW_RATE = 8, 0.1
TOKENS_PER_MINUTE = 5_400_000
HEAPS, WORD_PASSES, LEAST_OF_WORDS = 23, 3, 128
TOKENS_PER_CHARACTER = {
    "bytes": 1.0,
    "characters": 1.0,
    "jamo": 2.0,
    "words": 0.2,
    "subwords": 0.35,
}
EXAMPLE_RATES = {"muon": 0.003, "adam": 0.002, "adamw": 0.002, "sgd": 0.1}
LEARNING_RATES = {"muon": 0.007, "adam": 0.004, "adamw": 0.004, "sgd": 1.0}


def kind_of_text(texts: Iterable[str]) -> str:
    """Jamo where over a fifth of the characters are Hangul syllables, else characters."""
    share = HangulShare()
    for text in texts:
        share = share.with_text(text)
    return kind_by(share)


def kind_by(share: HangulShare) -> str:
    """The same of a share that was counted already."""
    return "jamo" if share.is_korean else "characters"


def _different_characters(corpus: Corpus) -> int:
    return len(
        {character for document in corpus.documents[:10] for character in document.text[:1_000]}
    )


def _hidden_size(tokens: int, minutes: float) -> int:
    by_budget = 256 * max(min(1.0, minutes**0.5), (minutes / 3) ** 0.7)
    by_text = 64 * math.sqrt(tokens / 2_000)
    return max(64, min(1024, 64 * round(float(min(by_budget, by_text)) / 64)))


def _tokens_of(text: TextConfig, corpus: Corpus | Survey) -> int:
    """About how many tokens a corpus has."""
    return max(round(corpus.characters * TOKENS_PER_CHARACTER[text.vocabulary]), 1)


def words_known(text: TextConfig, corpus: Corpus | Survey) -> int:
    """About how many words or subwords a vocabulary will have (Heaps 1978); 0 of smaller tokens."""
    if text.vocabulary not in ("words", "subwords"):
        return 0
    words = round(HEAPS * math.sqrt(_tokens_of(text, corpus)))
    most = words if text.vocabulary == "words" else 8_000
    return min(most, text.max_size or most)


def _products(minutes: float, sampled: bool) -> float:
    """Multiply-adds that this machine does in so many minutes of training.

    Half of those of plain products where the scores of few words are computed, for their rows are
    gathered from everywhere.
    """
    from sunhwan.tasks.common.machine_speed import products_a_second

    return 60 * minutes * products_a_second() * (0.5 if sampled else 1.0)


def _products_of_token(width: int, embedding_size: int, outputs: int, muon: int) -> float:
    """Multiply-adds of a token in training: forward, and twice as much backward.

    muon: the tokens of a step, over which the five products of each of its polynomial's five steps on
    W_x and W_h are shared (Jordan et al. 2024); 0: another optimizer.
    """
    H, gates = width, 4 * width
    products = 3 * (H * outputs + gates * (embedding_size + H))
    if not muon:
        return products
    orthogonal = sum(5 * (2 * gates * n * n + n**3) for n in (embedding_size, H))
    return products + orthogonal / muon


def _dropout(exposure: float, words: bool) -> float:
    least = 3.5 if words else 7
    return round(min(0.5, 0.35 * math.log2(max(exposure, least) / least)), 2)
