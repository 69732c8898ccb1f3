"""Generated text: `sample`, `samples` and `stream` of a language model."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from sunhwan.generation.adaptation import Adaptation, AdaptiveStepper
from sunhwan.generation.choice import stepper_for
from sunhwan.generation.job import Job, run
from sunhwan.generation.lines import LineBreak
from sunhwan.generation.prompt import PromptContext
from sunhwan.generation.sampling import Sampling, SamplingFilters
from sunhwan.generation.stepper import RowRequest, Stepper
from sunhwan.models import LanguageModel
from sunhwan.text import Vocabulary

TOGETHER = 64
"""Texts that are written side by side."""


class Sample(NamedTuple):
    """Generated text: its prompt, what the model wrote, and the seed that repeats it."""

    prompt: str
    text: str
    seed: int


def stream(
    model: LanguageModel,
    vocabulary: Vocabulary,
    prompt: str = "",
    *,
    line_break: LineBreak | None = None,
    adaptation: Adaptation | None = None,
    **options: Any,
) -> Iterator[str]:
    """Yield the generated text piece by piece, the prompt not included; the options of `Sampling`.

    At most `length` tokens, fewer when `until_eos` is set and the model ends the text, which one
    whose vocabulary has no EOS never does. UNK is never drawn, nor a letter that would change the
    prompt's last syllable. The same seed gives the same text; no other random number is touched.
    line_break: where the state begins anew, of a model that was trained line by line.
    adaptation: to the prompt, and by its cache to what is written.
    """
    sampling = Sampling(**options)
    context = PromptContext.of(vocabulary, prompt)
    stepper = _stepper(model, sampling, context, line_break, adaptation)
    return _pieces(stepper, Job(vocabulary, context, sampling))


def _pieces(stepper: Stepper, job: Job) -> Iterator[str]:
    for _ in run(stepper, [job]):
        piece = job.update().text
        if piece:
            yield piece
    if rest := job.update().text:  # the text of a job that no step was needed for
        yield rest


def samples(
    model: LanguageModel,
    vocabulary: Vocabulary,
    prompt: str = "",
    *,
    n: int = 1,
    line_break: LineBreak | None = None,
    adaptation: Adaptation | None = None,
    **options: Any,
) -> Iterator[Sample]:
    """n texts, with the seeds seed, seed + 1, …: each is what that seed gives alone."""
    sampling = Sampling(**options)
    replace(sampling, seed=sampling.seed + max(n, 1) - 1)  # or a UsageError now
    context = PromptContext.of(vocabulary, prompt)
    stepper = _stepper(model, sampling, context, line_break, adaptation)
    together = min(TOGETHER if stepper.gains_from_rows else 1, n)
    read, state = _read_before(stepper, context.ids) if together > 1 else (0, None)
    for start in range(0, n, max(together, 1)):
        seeds = range(sampling.seed + start, sampling.seed + min(start + together, n))
        jobs = [
            Job(vocabulary, context, replace(sampling, seed=seed), read=read, state=state)
            for seed in seeds
        ]
        for _ in run(stepper, jobs):
            pass
        for seed, job in zip(seeds, jobs, strict=True):
            yield Sample(prompt, job.update().text, seed)


def _stepper(
    model: LanguageModel,
    sampling: Sampling,
    context: PromptContext,
    line_break: LineBreak | None,
    adaptation: Adaptation | None,
) -> Stepper:
    stepper = stepper_for(model, sampling.precision, line_break=line_break, adaptation=adaptation)
    if isinstance(stepper, AdaptiveStepper) and adaptation is not None and adaptation.rate:
        stepper.learn(context.ids)
        stepper.forget()  # the prompt is read once more, by the weights that it made
    return stepper


def _read_before(stepper: Stepper, ids: list[int]) -> tuple[int, Any]:
    """Read all but the last token, once for several texts: how many these are, and the state."""
    state, last = None, max(len(ids) - 1, 0)
    nothing = torch.empty(0, dtype=torch.float64)
    for start in range(0, last, stepper.reading_alone):
        part = ids[start : min(start + stepper.reading_alone, last)]
        state = stepper.run_rows([RowRequest(part, state, nothing, SamplingFilters())])[0].state
    return last, state


def sample(
    model: LanguageModel, vocabulary: Vocabulary, prompt: str = "", *, n: int = 1, **options: Any
) -> list[Sample]:
    """`samples` in a list."""
    return list(samples(model, vocabulary, prompt, n=n, **options))
