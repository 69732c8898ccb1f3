"""Blocks that overlap, k1 < k2: what the gradient is, where the state is carried on, exact continuation."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.config import Config, with_source
from sunhwan.data import Block, Streams, Tokens, encode
from sunhwan.errors import ConfigError, DataError
from sunhwan.layers import detach
from sunhwan.models import LanguageModel
from sunhwan.text import Document, build_vocabulary
from sunhwan.training import resume, train
from tests.conftest import losses
from tests.serve.helpers import language
from tests.tasks.test_laws import Stop

TEXT = "나는 산에서 웃고 너는 강에서 운다 "
VOCABULARY = build_vocabulary("characters", [TEXT])


def tokens() -> Tokens:
    return encode(VOCABULARY, [Document("a", TEXT), Document("b", "강은 흐른다 산은")])


def model_of(cell: str = "lstm") -> LanguageModel:
    return language(VOCABULARY, cell=cell, num_layers=2).model.double()


def gradient(model: LanguageModel, loss: Tensor) -> Tensor:
    model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("memory", ["full", "sqrt"])
def test_where_nothing_is_cut_the_blocks_have_the_gradient_of_the_whole_text(memory: str) -> None:
    model, text = model_of(), tokens()
    pairs = text.targets // 4 * 4
    whole = Block(
        text.ids[None, :pairs],
        text.ids[None, 1 : pairs + 1],
        text.is_start(torch.arange(pairs))[None],
    )
    wanted = gradient(model, pairs * model.loss(whole).nats)
    stream, state, found = Streams(text, 1, 4, bptt_length=pairs), None, torch.zeros(())
    for block in islice(stream, pairs // 4):
        loss = model.loss(block, state, bptt_memory=memory)
        found = found + gradient(model, 4 * loss.nats)
        assert loss.state is not None
        state = detach(loss.state)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("k1", "k2"), [(2, 7), (3, 4), (4, 4)])
def test_a_block_goes_back_k2_steps_from_the_state_that_the_text_has_there(
    k1: int, k2: int
) -> None:
    """Against autograd through one reading of all, cut k2 steps before a block's end."""
    model, rows, seed = model_of("gru"), 2, 5
    options = {"reset_probability": 0.3, "seed": seed}
    plain = list(islice(Streams(tokens(), rows, k1, **options), 9))  # type: ignore[arg-type]
    inputs, targets = (torch.cat([b[i] for b in plain], 1) for i in (0, 1))  # type: ignore[misc]
    no = torch.zeros(rows, k1, dtype=torch.bool)
    resets = torch.cat([no if b.resets is None else b.resets for b in plain], 1)
    assert resets[:, 1:].any()
    stream = Streams(tokens(), rows, k1, bptt_length=k2, **options)  # type: ignore[arg-type]
    state = None
    for number, block in enumerate(islice(stream, 9)):
        end = k1 * (number + 1)
        start = max(end - k2, 0)
        loss = model.loss(block, state, activation=0.5)
        assert loss.state is not None
        state = detach(loss.state)
        before = None
        if start:
            before = detach(model(inputs[:, :start], None, resets[:, :start])[1])
        y, _ = model.read(inputs[:, start:end], before, resets[:, start:end])
        y = y[-k1:]
        nats = functional.cross_entropy(
            model.output(y).flatten(0, 1), targets[:, end - k1 : end].T.flatten()
        )
        torch.testing.assert_close(loss.nats, nats, rtol=1e-11, atol=1e-11)
        got, wanted = (
            gradient(model, one) for one in (loss.objective, nats + 0.5 * y.square().mean())
        )
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT * 20)
    settings = Config().override(
        {
            "text.corpus": str(tmp_path / "text.txt"), "data.batch_size": 3, "data.block_length": 2,
            "data.bptt_length": 7, "data.reset_probability": 0.4, "model.hidden_size": 5,
            "training.steps": 12, "training.sample_length": 0, "training.threads": 1,
        }
    )  # fmt: skip
    train(settings, tmp_path / "straight")
    assert train(settings, tmp_path / "run", reporter=Stop(5)).steps == 5
    assert resume(tmp_path / "run").stopped == "budget"
    assert losses(tmp_path / "run") == losses(tmp_path / "straight")


def test_what_has_no_sense_is_refused() -> None:
    with pytest.raises(DataError, match=r"goes back 4 at least, not 3.*data\.bptt_length"):
        Streams(tokens(), 1, 4, bptt_length=3)
    for change, reason in (
        ({"data.batches": "sentences"}, "a sentence is read as a whole"),
        ({"task.name": "classify"}, "a setting of language models"),
    ):
        with pytest.raises(ConfigError, match=reason):
            with_source(Config().override({"data.bptt_length": 20, **change}))
