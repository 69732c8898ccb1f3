"""Resets in a call of one step give what they give inside a longer call, bit for bit, and are checked."""

import pytest
import torch

from sunhwan import Recurrent
from sunhwan.errors import ShapeError

N, T, D, H = 5, 6, 3, 8


@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru", "lstm_layer_norm"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_one_step_at_a_time_is_the_whole(cell: str, bidirectional: bool) -> None:
    torch.manual_seed(0)
    layer = Recurrent(
        cell, D, H, num_layers=2, learned_initial_state=True, bidirectional=bidirectional
    )
    for one in layer.parameters():
        torch.nn.init.normal_(one, std=0.5)
    x, resets = torch.randn(N, T, D), torch.rand(N, T) < 0.4
    steps = range(1) if bidirectional else range(T)
    start = Recurrent(cell, D, H, num_layers=2, bidirectional=bidirectional).initial_state(N)
    state = [type(fields)(*(torch.randn_like(f) for f in fields)) for fields in start]
    wanted, last = layer(x[:, : len(steps)], state, resets=resets[:, : len(steps)])
    outputs = []
    for t in steps:
        output, state = layer(x[:, t : t + 1], state, resets=resets[:, t : t + 1])
        outputs.append(output)
    output = torch.cat(outputs, 1)
    torch.testing.assert_close(output, wanted)
    torch.testing.assert_close(state[0], last[0])


def test_no_gradient_passes_a_reset() -> None:
    layer = Recurrent("gru", D, H)
    h = torch.randn(2, H, requires_grad=True)
    state = [layer.initial_state(2)[0]._replace(h=h)]
    resets = torch.tensor([[True], [False]])
    layer(torch.randn(2, 1, D), state, resets=resets)[0].sum().backward()
    assert h.grad is not None
    assert not h.grad[0].any()
    assert h.grad[1].all()


@pytest.mark.parametrize("resets", [torch.ones(2, 2), torch.ones(3, 1), "yes", torch.ones(2, 1)])
def test_wrong_resets_are_refused(resets: object) -> None:
    with pytest.raises(ShapeError, match="resets"):
        Recurrent("gru", D, H)(torch.randn(2, 1, D), resets=resets)  # type: ignore[arg-type]
