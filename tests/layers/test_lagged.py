"""Skip connections over time: the equation, its gradient, the state wherever a sequence is cut."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sunhwan import load
from sunhwan.cells import CELLS, Lagged
from sunhwan.config import Config
from sunhwan.errors import ConfigError
from sunhwan.inspection import unroll_text
from sunhwan.layers import Recurrent
from sunhwan.training import resume, train
from tests.conftest import losses
from tests.tasks.test_laws import Stop

N, T, D, H, LAG = 2, 8, 3, 4, 3


def layer_of(cell: str, **options: object) -> Recurrent:
    torch.manual_seed(1)
    made = Recurrent(cell, D, H, lag=LAG, dtype=torch.float64, **options)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return made.eval()


def by_hand(net: Recurrent, x: Tensor) -> Tensor:
    """The steps of the cell inside, each with h of LAG steps before beside its input."""
    (layer,) = net.stack
    assert isinstance(layer.cell, Lagged)
    state, outputs = layer.cell.of.state_type(*layer.initial_state(N)[:-1]), []
    for t in range(T):
        lagged = (
            outputs[t - LAG] if t >= LAG else layer.initial_state(N)[0] if t == LAG - 1 else None
        )
        lagged = torch.zeros_like(state[0]) if lagged is None else lagged
        given = torch.cat((x[:, t], lagged), 1)
        state = layer.cell.of.step(given, state, layer.parameters_of_cell)
        outputs.append(state[0])
    return torch.stack(outputs, 1)


def gradients(net: Recurrent, y: Tensor, x: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return list(torch.autograd.grad((y * weights).sum(), [x, *net.parameters()]))


@pytest.mark.parametrize("cell", CELLS)
def test_it_is_the_cell_with_its_past_beside_the_input(cell: str) -> None:
    net = layer_of(cell)
    x = torch.randn(N, T, D, dtype=torch.float64, requires_grad=True)
    wanted = by_hand(net, x)
    assert net.stack[0].W_x.shape[0] == D + net.output_size
    for backend in (None, "unrolled"):
        net.stack[0].backend = backend
        y, _ = net(x)
        torch.testing.assert_close(y, wanted, rtol=1e-9, atol=1e-10)
        for a, b in zip(gradients(net, y, x), gradients(net, wanted, x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-8)
            wanted = by_hand(net, x)


@pytest.mark.parametrize("cell", ["elman", "lstm_projected"])
def test_its_gradient_is_that_of_differences(cell: str) -> None:
    net = layer_of(cell, num_layers=2, learned_initial_state=True).requires_grad_(False)
    state = [tuple(torch.randn(N, f.shape[1], dtype=f.dtype, requires_grad=True) for f in one)
             for one in net.initial_state(N)]  # fmt: skip
    x = torch.randn(N, 5, D, dtype=torch.float64, requires_grad=True)
    flat = [field for one in state for field in one]

    def run(x: Tensor, *fields: Tensor) -> tuple[Tensor, ...]:
        each = iter(fields)
        y, last = net(x, [kind(*(next(each) for _ in kind._fields)) for kind in kinds])
        return y, *(field for one in last for field in one)

    kinds = [layer.cell.state_type for layer in net.stack]
    assert torch.autograd.gradcheck(run, (x, *flat))


@pytest.mark.parametrize("cell", ["lstm", "gru_layer_norm", "mingru"])
def test_the_state_is_exact_wherever_the_sequence_is_cut(cell: str) -> None:
    net = layer_of(cell, learned_initial_state=True)
    x = torch.randn(N, T, D, dtype=torch.float64)
    whole, end = net(x)
    for cut in range(1, T):
        first, state = net(x[:, :cut])
        second, last = net(x[:, cut:], state)
        torch.testing.assert_close(torch.cat((first, second), 1), whole)
        torch.testing.assert_close(last, end)
    resets = torch.zeros(N, T, dtype=torch.bool)
    resets[1, 4] = True
    fresh, _ = net(x, None, resets)
    torch.testing.assert_close(fresh[0], whole[0])
    torch.testing.assert_close(fresh[1, 4:], net(x[1:, 4:])[0][0])
    lengths = torch.tensor([T, 5])
    padded, last = net(x, lengths=lengths)
    alone, wanted = net(x[1:, :5])
    torch.testing.assert_close(padded[1, :5], alone[0])
    for field, own in zip(last[0], wanted[0], strict=True):
        torch.testing.assert_close(field[1], own[0])
    seen = net.trace(x, lengths=lengths).layers[0]["past"]
    torch.testing.assert_close(seen[:, -1], last[0][-1])
    torch.testing.assert_close(seen[1, 4], wanted[0][-1][0])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("나는 산에서 웃고 너는 강에서 운다 " * 20, encoding="utf-8")
    settings = Config().override(
        {
            "text.corpus": str(tmp_path / "text.txt"), "model.lag": 4, "model.hidden_size": 6,
            "model.embedding_size": 5, "data.block_length": 7, "training.steps": 12,
            "training.sample_length": 0, "training.threads": 1,
        }
    )  # fmt: skip
    train(settings, tmp_path / "straight")
    assert train(settings, tmp_path / "run", reporter=Stop(5)).steps == 5
    return resume(tmp_path / "run").run


def test_it_is_trained_resumed_written_and_looked_into(run: Path, tmp_path: Path) -> None:
    assert losses(run) == losses(tmp_path / "straight")
    task = load(run)
    (sample,) = task.sample("나는", length=20, seed=3)
    assert len(sample.text) > 10
    assert "4 steps at a time" in "\n".join(task.explain())
    ids = torch.from_numpy(task.vocabulary.encode("나는 산에서"))[None]
    whole, _ = task.model(ids)
    state, each = None, []
    for t in range(ids.shape[1]):
        logits, state = task.model(ids[:, t : t + 1], state)
        each.append(logits)
    torch.testing.assert_close(torch.cat(each, 1), whole)
    found = unroll_text(task, "나는 산에서")
    assert sum(step.backward[0].shares["W_x"].share for step in found.steps) == pytest.approx(1)


def test_a_layer_and_its_state_are_pickled() -> None:
    net = layer_of("lstm")
    x = torch.randn(N, T, D, dtype=torch.float64)
    _, state = net(x)
    again, back = pickle.loads(pickle.dumps((net, state)))
    torch.testing.assert_close(again(x, back)[0], net(x, state)[0], rtol=0, atol=0)


def test_what_has_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="lag must be at least 2, not 1"):
        Recurrent("lstm", D, H, lag=1)
    with pytest.raises(ConfigError, match="a lag needs all that was"):
        Recurrent("lstm", D, H, lag=2, zoneout=0.1)
