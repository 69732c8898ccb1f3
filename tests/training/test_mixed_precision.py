"""Training with products in bfloat16: loss, state and weights stay in float32, for every task."""

from pathlib import Path
from typing import Any

import pytest
import torch

from sunhwan.config import Config
from sunhwan.errors import ConfigError
from sunhwan.models.loss import Loss
from sunhwan.ops import precision
from sunhwan.training import Trainer, start, train
from tests.tasks.test_laws import NAMES, config

OF_LANGUAGE = ("full", "sampled")


def steps_of(settings: Config, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Loss]:
    """The losses of a run's steps."""
    found: list[Loss] = []
    loss_of = Trainer._loss_of

    def noted(trainer: Trainer, place: int, part: Any) -> Loss:
        found.append(loss_of(trainer, place, part))
        assert all(p.dtype == torch.float32 for p in trainer.model.parameters())
        assert all(f.dtype == torch.float32 for s in found[-1].state or () for f in s)
        return found[-1]

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_loss_of", noted)
        patch.setattr(start, "multiplies_bfloat16", lambda device: True)
        train(settings, folder)
    return found


def language_model(softmax: str, folder: Path, **changes: Any) -> Config:
    text = folder / "text.txt"
    text.write_text("물은 아래로 흐르고 강은 바다로 간다\n" * 40, encoding="utf-8")
    values = {
        "text.corpus": str(text),
        "text.vocabulary": "words",
        "model.hidden_size": 16,
        "model.softmax": softmax,
        "training.threads": 1,
        "training.sample_length": 0,
    }
    return Config().override({**values, **changes}, "the test")


@pytest.mark.parametrize("name", [*NAMES, *OF_LANGUAGE])
def test_loss_and_state_stay_in_float32(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = language_model if name in OF_LANGUAGE else config
    found = {}
    for mixed in (False, True):
        settings = made(
            name,
            tmp_path,
            **{
                "training.steps": 2,
                "training.baselines": False,
                "training.fast_products": False,
                "training.mixed_precision": mixed,
            },
        )
        found[mixed] = steps_of(settings, tmp_path / f"run-{mixed}", monkeypatch)
    for full, mixed in zip(*found.values(), strict=True):
        assert mixed.objective.dtype == mixed.nats.dtype == torch.float32
        # Eight bits of a number: the losses are near each other, and not the same.
        assert 0 < abs(mixed.nats.item() - full.nats.item()) < 0.01 * abs(full.nats.item())


def test_a_processor_without_units_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_processor", lambda: frozenset({"avx2"}))
    settings = language_model("full", tmp_path, **{"training.mixed_precision": True})
    with pytest.raises(ConfigError, match="no units for bfloat16 were found on cpu"):
        train(settings, tmp_path / "run")


@pytest.mark.parametrize(
    ("words", "opened"),
    [({"GenuineIntel"}, False), ({"GenuineIntel", "amx_bf16"}, True), ({"AuthenticAMD"}, True)],
)
def test_fast_products_where_they_are_faster(
    words: set[str], opened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_processor", lambda: frozenset(words))
    setting: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = setting.fp32_precision
    with precision.fast_products():
        assert (setting.fp32_precision == "bf16") == opened
    assert setting.fp32_precision == before
