"""Reader and decoder together."""

from typing import Any

import pytest
import torch

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged, pad
from sunhwan.models.encoder_decoder import EncoderDecoder, SequenceReader, Written
from sunhwan.models.inputs import TokenInput

EOS, V = 1, 7
QUESTIONS = [torch.tensor([2, 3, 4, 5]), torch.tensor([5]), torch.tensor([2, 2])]
ANSWERS = [torch.tensor([6, EOS]), torch.tensor([2, 3, 4, EOS]), torch.tensor([EOS])]


def model(
    direction: str = "both",
    *,
    attention: str = "general",
    input_feeding: bool = False,
    **changes: Any,
) -> EncoderDecoder:
    torch.manual_seed(4)
    settings: dict[str, Any] = {"cell": "gru", "hidden_size": 3} | changes
    config = ModelConfig(
        num_layers=1, embedding_size=2, dropout=0.0, direction=direction, **settings
    )
    reader = SequenceReader(config, TokenInput(V, 2))
    return EncoderDecoder(
        config, reader, V, eos=EOS, attention=attention, input_feeding=input_feeding
    ).double()


def batch(rows: slice = slice(None)) -> Written:
    return Written(pad(QUESTIONS[rows]), pad(ANSWERS[rows]))


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_the_summary_is_where_each_direction_ended(direction: str) -> None:
    reader = model(direction).reader
    memory = reader(batch().inputs)
    y = memory.steps
    assert y.shape == (3, 4, reader.step_size)
    for row, length in enumerate(memory.lengths.tolist()):
        ends = [y[row, length - 1, :3]] + ([y[row, 0, 3:]] if direction == "both" else [])
        assert memory.summary[row].equal(torch.cat(ends))


@pytest.mark.parametrize("attention", ["additive", "general", "none"])
@pytest.mark.parametrize("feeding", [False, True], ids=["", "input feeding"])
def test_a_row_alone_and_among_others(attention: str, feeding: bool) -> None:
    made = model(attention=attention, input_feeding=feeding)
    together = made(batch()).split([2, 4, 1])
    for row in range(3):
        assert torch.allclose(made(batch(slice(row, row + 1))), together[row])
    assert torch.allclose(
        made.loss(batch()).nats,
        -torch.cat(together).gather(1, torch.cat(ANSWERS).unsqueeze(1)).mean(),
    )


def test_gradients() -> None:
    made = model(hidden_size=2)
    # It moves the entries of what it is given, the parameters themselves.
    parameters = tuple(made.parameters())
    assert torch.autograd.gradcheck(lambda *_: made(batch()), parameters, fast_mode=True)


def test_step_by_step_is_teacher_forcing() -> None:
    made = model()
    expected = made(batch(slice(1, 2)))
    state, last = made.start(batch(slice(1, 2)).inputs), EOS
    for token, row in zip(ANSWERS[1].tolist(), expected, strict=True):
        log_p, state, weights = made.step(torch.tensor([last]), state)
        assert torch.allclose(log_p[0], row)
        assert weights is not None
        assert torch.allclose(weights.sum(1), torch.ones(1, dtype=torch.float64))
        last = token


@pytest.mark.parametrize("attention", ["additive", "none"])
def test_questions_without_a_step(attention: str) -> None:
    made = model(attention=attention)
    nothing = torch.empty(0, dtype=torch.int64)
    for rows in ([nothing, QUESTIONS[0]], [nothing, nothing]):
        loss = made.loss(Written(pad(rows), pad(ANSWERS[:2]))).nats
        loss.backward()
        assert loss.isfinite()
        assert all(p.grad is None or p.grad.isfinite().all() for p in made.parameters())


def test_a_batch_moves_to_a_device() -> None:
    moved = batch().to(torch.device("meta"))
    assert isinstance(moved.inputs, Ragged)
    assert {t.device.type for t in (*moved.inputs, *moved.targets)} == {"meta"}
