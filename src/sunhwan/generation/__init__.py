"""Generation: one core that writes text for the command line, Python, validation and the server."""

from sunhwan.generation.adaptation import (
    Adaptation,
    AdaptiveStepper,
    evaluate_adapted,
    tuned,
    was_tuned_on,
)
from sunhwan.generation.choice import bits_lost, engine_for, stepper_for
from sunhwan.generation.engine import Engine
from sunhwan.generation.job import Job, JobUpdate, TokenScore
from sunhwan.generation.lines import LineBreak
from sunhwan.generation.neural_cache import Cache
from sunhwan.generation.prompt import DECODER_LOOKBACK, PromptContext, start_tokens
from sunhwan.generation.sampling import (
    PRECISIONS,
    Sampling,
    SamplingFilters,
    filtered_probabilities,
    next_token_probabilities,
    sample_at,
)
from sunhwan.generation.scoring import (
    ScoredLine,
    ScoredToken,
    score_lines,
    scored_line,
    scoring_job,
)
from sunhwan.generation.stepper import (
    ModelStepper,
    RowRequest,
    RowResult,
    Stepper,
    next_token_logits,
)
from sunhwan.generation.support import unsupported
from sunhwan.generation.text import Sample, sample, samples, stream

__all__ = [
    "DECODER_LOOKBACK",
    "PRECISIONS",
    "Adaptation",
    "AdaptiveStepper",
    "Cache",
    "Engine",
    "Job",
    "JobUpdate",
    "LineBreak",
    "ModelStepper",
    "PromptContext",
    "RowRequest",
    "RowResult",
    "Sample",
    "Sampling",
    "SamplingFilters",
    "ScoredLine",
    "ScoredToken",
    "Stepper",
    "TokenScore",
    "bits_lost",
    "engine_for",
    "evaluate_adapted",
    "filtered_probabilities",
    "next_token_logits",
    "next_token_probabilities",
    "sample",
    "sample_at",
    "samples",
    "score_lines",
    "scored_line",
    "scoring_job",
    "start_tokens",
    "stepper_for",
    "stream",
    "tuned",
    "unsupported",
    "was_tuned_on",
]
