"""The moving average of the weights: its values, and that it is what is kept and resumed."""

from pathlib import Path

import torch
from torch import nn

from sunhwan.config import Config
from sunhwan.store import Run, load_model
from sunhwan.training import Reporter, StepReport, resume, train
from sunhwan.training.average import Average


def test_values_by_hand_and_the_weights_come_back() -> None:
    model = nn.Linear(2, 1, bias=False)
    average = Average(model, 0.5)
    weights, mean = [], model.weight.detach().double().clone()
    for step in range(1, 30):
        with torch.no_grad():
            model.weight += 0.1 * step
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * model.weight.detach().double()
        weights.append(model.weight.detach().clone())
    with average.in_place():
        torch.testing.assert_close(model.weight.detach().double(), mean, rtol=1e-6, atol=1e-6)
    assert torch.equal(model.weight, weights[-1])
    other = Average(nn.Linear(2, 1, bias=False), 0.5)
    other.restore(average.state())
    assert all(torch.equal(other.state()[name], value) for name, value in average.state().items())
    assert Average(model, 0.0).state() == {}


class Stop(Reporter):
    def step(self, report: StepReport) -> None:
        if report.step == 13:
            raise InterruptedError


def test_it_is_kept_and_resumed_to_the_bit(tmp_path: Path, text_file: Path) -> None:
    config = Config().override({
        "text.corpus": str(text_file), "model.hidden_size": 6, "data.batch_size": 4,
        "data.block_length": 8, "training.steps": 20, "training.validations": 2,
        "training.checkpoint_every": 5, "training.sample_length": 0, "training.average": 0.9,
    })  # fmt: skip
    plain = config.override({"training.average": 0.0})
    for run, chosen in (("straight", config), ("plain", plain)):
        train(chosen, tmp_path / run)
    try:
        train(config, tmp_path / "stopped", reporter=Stop())
    except InterruptedError:
        resume(tmp_path / "stopped")
    kept = {
        run: load_model(tmp_path / run).task.model.state_dict()
        for run in ("straight", "plain", "stopped")
    }
    ends = {run: Run.open(tmp_path / run).load_checkpoint()[0] for run in kept}
    for name, tensor in kept["straight"].items():
        assert torch.equal(tensor, kept["stopped"][name])
        # The weights learn as without an average, which alone is kept.
        assert torch.equal(ends["straight"][f"model.{name}"], ends["plain"][f"model.{name}"])
        assert not torch.equal(tensor, kept["plain"][name])
