"""Choice of the engine: which models the compiled step runs, and in which precision."""

import math
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.nn import functional

from sunhwan.errors import UsageError, did_you_mean
from sunhwan.generation.adaptation import SENTENCES_APART, Adaptation, AdaptiveStepper
from sunhwan.generation.engine import Engine
from sunhwan.generation.lines import LineBreak, LineStepper
from sunhwan.generation.sampling import PRECISIONS, SamplingFilters
from sunhwan.generation.stepper import ModelStepper, RowRequest, Stepper
from sunhwan.generation.support import unsupported
from sunhwan.models import LanguageModel
from sunhwan.ops.library import library


def engine_for(model: LanguageModel, precision: str = "auto") -> tuple[Engine | None, str]:
    """The engine that generates from a model, or None where PyTorch does; the reason in one clause.

    "auto" is fp16 where the processor reads it at full speed and a text of the model's own costs at
    most `MOST_LOST` more in it, and fp32 otherwise. UsageError where fp16 or int8 is asked for and
    cannot be had.
    """
    if precision not in ("auto", *PRECISIONS):
        near = did_you_mean(precision, ("auto", *PRECISIONS))
        raise UsageError(f"the precision must be auto, fp32, fp16 or int8, not {precision!r}{near}")
    if precision == "auto":
        reason = unsupported(model, "fp32")
        if reason:
            return None, reason
        fast = unsupported(model, "fp16") or _slow("fp16")
        whole = Engine(model, "fp32")
        if fast:
            return whole, fast
        half = Engine(model, "fp16")
        lost = bits_lost(whole, half)
        if not lost <= MOST_LOST:
            return whole, f"fp16 would cost {lost:.4f} bits a token"
        return half, f"half as many bytes to read, at {lost:.5f} bits a token"
    reason = unsupported(model, precision)
    if reason and precision != "fp32":
        raise UsageError(
            f"{precision} needs the compiled engine, but {reason}: leave out --precision"
        )
    return (None, reason) if reason else (Engine(model, precision), "asked for")


MOST_LOST = 0.001
"""Bits a token that fp16 may cost where no precision was asked for."""


def stepper_for(
    model: LanguageModel,
    precision: str = "auto",
    lock: AbstractContextManager[Any] | None = None,
    *,
    line_break: LineBreak | None = None,
    adaptation: Adaptation | None = None,
) -> Stepper:
    """The generator of a model: the engine of `engine_for`, or PyTorch under the lock.

    line_break: where the state begins anew. adaptation: to what is read; UsageError where it cannot be.
    """
    if adaptation is not None:
        if line_break is not None:
            raise UsageError(SENTENCES_APART)
        if precision not in ("auto", "fp32"):
            raise UsageError(f"a model adapts in fp32, not in {precision}: leave out --precision")
        return AdaptiveStepper(model, adaptation)
    stepper = engine_for(model, precision)[0] or ModelStepper(model, lock)
    return stepper if line_break is None else LineStepper(stepper, line_break)


def bits_lost(whole: Engine, less: Engine) -> float:
    """What a text that one engine draws costs more, in bits a token, as another one reads it."""
    uniforms = torch.rand(8, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    requests = [RowRequest([0], None, numbers, SamplingFilters()) for numbers in uniforms]
    drawn = [result.drawn for result in whole.run_rows(requests)]
    if any(-1 in row for row in drawn):
        return 0.0  # whatever the precision: it is refused where the text is written
    ids = torch.tensor([[0, *row[:-1]] for row in drawn])
    p, q = (engine(ids)[0].flatten(0, 1).double().log_softmax(1) for engine in (whole, less))
    # In expectation over what comes next, Σ p log(p / q), not over the one token that was drawn.
    nats = functional.kl_div(q, p, reduction="batchmean", log_target=True)
    return max(0.0, float(nats) / math.log(2))


def _slow(precision: str) -> str:
    found = library()
    fast = found is not None and found.dll.sunhwan_generates_fast(PRECISIONS.index(precision))
    return "" if fast else f"this processor has no instructions for {precision}"
