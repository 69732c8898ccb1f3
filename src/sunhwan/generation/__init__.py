"""Generation: one core that writes text for the command line, Python, validation and the server."""

from sunhwan.generation.choice import bits_lost, engine_for
from sunhwan.generation.engine import Engine, RowRequest
from sunhwan.generation.prompt import DECODER_LOOKBACK, PromptContext, Spelling, start_tokens
from sunhwan.generation.sampling import (
    PRECISIONS,
    Sampling,
    SamplingFilters,
    filtered_probabilities,
    next_token_probabilities,
    sample_at,
)
from sunhwan.generation.support import unsupported
from sunhwan.generation.text import Sample, next_token_logits, sample, samples, stream

__all__ = [
    "DECODER_LOOKBACK",
    "PRECISIONS",
    "Engine",
    "PromptContext",
    "RowRequest",
    "Sample",
    "Sampling",
    "SamplingFilters",
    "Spelling",
    "bits_lost",
    "engine_for",
    "filtered_probabilities",
    "next_token_logits",
    "next_token_probabilities",
    "sample",
    "sample_at",
    "samples",
    "start_tokens",
    "stream",
    "unsupported",
]
