"""Spectrum of W_h in the log of a run, and how often it is computed."""

import math
from typing import Any

from torch import nn

from sunhwan.layers import Recurrent
from sunhwan.layers.spectra import recurrent_blocks, recurrent_spectra
from sunhwan.store import Run

SHARE = 0.01
"""Of what training computes, as much may go to spectra."""
FREE = 1e9
"""Operations that are nothing beside a validation: some milliseconds."""
WORK = {"cpu": 120.0, "cuda": 12_000.0}
"""How many times H³ operations training makes while one thread finds the eigenvalues and the norm of an
(H, H) matrix, on two cores or an accelerator."""


class SpectrumLog:
    """The spectra that a run has written, and those that it still writes. device: "cpu", "cuda" …"""

    def __init__(self, run: Run, model: nn.Module, device: str) -> None:
        self._run, self._model, self._device = run, model, device
        self._written = 0

    def recount(self) -> None:
        """Begin with those that the log of the run holds."""
        self._written = sum(event["event"] == "spectrum" for event in self._run.events())

    def write(self, step: int, tokens: int) -> None:
        """Measure once more, if it pays."""
        if spectra_pay(self._model, self._device, self._written, tokens):
            blocks = spectra_of(self._model)
            if blocks:
                self._run.log("spectrum", step=step, blocks=blocks)
                self._written += 1


def spectra_of(model: nn.Module) -> list[dict[str, Any]]:
    """Radius and norm of every block of W_h in a model, ready for JSON; None: not finite."""
    return [
        {"stack": name} | {key: _plain(value) for key, value in block._asdict().items()}
        for name, recurrent in _stacks(model).items()
        for block in recurrent_spectra(recurrent)
    ]


def spectra_pay(model: nn.Module, device: str, measured: int, tokens: int) -> bool:
    """Whether to measure once more, when so many were and the model was trained on so many tokens.

    The first one always is, and those of small matrices; the others when all of them together take
    at most `SHARE` of the training so far. Nothing here looks at a clock, so a resumed run measures
    at the same steps.
    """
    layers = [layer for recurrent in _stacks(model).values() for layer in recurrent.stack]
    sizes = [len(W) for layer in layers for W in recurrent_blocks(layer).values()]
    cost = WORK.get(device, WORK["cuda"]) * sum(float(H) ** 3 for H in sizes)
    trained = 6.0 * tokens * sum(W.numel() for layer in layers for W in layer.matrices)
    return not measured or cost <= FREE or (measured + 1) * cost <= SHARE * trained


def _stacks(model: nn.Module) -> dict[str, Recurrent]:
    """The recurrent stacks by what they are to the model; those that spell words are left out."""
    found = {}
    for path, module in model.named_modules():
        *around, last = path.split(".")
        if isinstance(module, Recurrent) and last == "recurrent":
            found[around[-1] if around else last] = module
    return found


def _plain(value: Any) -> Any:
    """Numbers of 5 significant digits, beyond which a machine may compute another one."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.5g}") if math.isfinite(value) else None
