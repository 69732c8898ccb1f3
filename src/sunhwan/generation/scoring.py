"""Scoring: the log-probability of lines of text, token by token."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from sunhwan.generation.adaptation import Adaptation, AdaptiveStepper
from sunhwan.generation.choice import stepper_for
from sunhwan.generation.job import Job, advance
from sunhwan.generation.lines import LineBreak
from sunhwan.generation.prompt import PromptContext, start_tokens
from sunhwan.generation.sampling import Sampling
from sunhwan.models import LanguageModel
from sunhwan.text import Vocabulary, normalize


class ScoredToken(NamedTuple):
    """Token's printable text and its log-probability in nats."""

    text: str
    log_probability: float


class ScoredLine(NamedTuple):
    """Line of text, with the log-probability of each of its tokens given those before it."""

    text: str
    tokens: list[ScoredToken]

    @property
    def log_probability(self) -> float:
        """log p(line), in nats: the sum over its tokens."""
        return sum(token.log_probability for token in self.tokens)


def score_lines(
    model: LanguageModel,
    vocabulary: Vocabulary,
    lines: Sequence[str],
    *,
    end: bool = True,
    line_break: LineBreak | None = None,
    adaptation: Adaptation | None = None,
) -> Iterator[ScoredLine]:
    """The log-probability of each line, each read from the initial state.

    A line stands between two ends: EOS, or a line break where the vocabulary has no EOS. Its first
    token is predicted from the one, and the other is scored as its last token, so that the beginning
    of a sentence does not always beat the sentence. Where the vocabulary has neither, the first token
    goes unscored and so does the end. end: False leaves the end out.
    adaptation: each line is read by a model that has adapted to those before it.
    """
    stepper = stepper_for(model, "fp32", line_break=line_break, adaptation=adaptation)
    for line in map(normalize, lines):
        ids = vocabulary.encode(line).tolist()
        job = scoring_job(vocabulary, ids, end=end)
        while not job.done:
            advance(stepper, [job], reading=stepper.reading_alone)
        yield scored_line(vocabulary, line, job)
        if isinstance(stepper, AdaptiveStepper):
            ends = start_tokens(vocabulary)
            stepper.learn([*ends, *ids, *ends])


def scoring_job(vocabulary: Vocabulary, ids: Sequence[int], *, end: bool = True) -> Job:
    """A job that reads a line's tokens and scores each, see `score_lines`."""
    never = torch.zeros(len(vocabulary), dtype=torch.bool)
    ends = start_tokens(vocabulary)
    ids = [*ids, *(ends if end else ())]
    context = PromptContext([*ends, *ids], never, never, ids, "")
    return Job(vocabulary, context, Sampling(length=0), top=0, offsets=range(len(ids)))


def scored_line(vocabulary: Vocabulary, line: str, job: Job) -> ScoredLine:
    """The line that a job has scored."""
    scores = job.update().scores
    tokens = [
        ScoredToken(vocabulary.display(score.token), score.log_probability)
        for score in scores
        if score.log_probability is not None
    ]
    return ScoredLine(line, tokens)
