"""The decoder: all steps at once against one step after the other, and against finite differences."""

import dataclasses
from typing import Any

import pytest
import torch
from torch.nn import functional

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged, pad
from sunhwan.errors import ConfigError
from sunhwan.models.decoder import Decoder, Memory

EOS, V, S, E = 1, 6, 5, 4
KINDS = ("additive", "dot", "general", "none")
CONFIG = ModelConfig(
    cell="gru",
    hidden_size=4,
    num_layers=1,
    embedding_size=3,
    dropout=0.0,
    learned_initial_state=False,
)


def decoder(attention: str = "additive", input_feeding: bool = False, **changes: Any) -> Decoder:
    torch.manual_seed(2)
    made = Decoder(
        dataclasses.replace(CONFIG, **changes), V, S, E,
        eos=EOS, attention=attention, input_feeding=input_feeding,
    ).double()  # fmt: skip
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return made


def memory(rows: int = 3) -> Memory:
    generator = torch.Generator().manual_seed(3)
    summary = torch.randn(rows, S, dtype=torch.float64, generator=generator)
    steps = torch.randn(rows, 5, E, dtype=torch.float64, generator=generator)
    return Memory(summary, steps, torch.tensor([5, 2, 3, 1])[:rows])


def targets() -> Ragged:
    return pad([torch.tensor([2, 3, 4, EOS]), torch.tensor([5, EOS]), torch.tensor([EOS])])


def by_steps(model: Decoder, row: list[int], read: Memory) -> list[torch.Tensor]:
    """log p of every token of one text, by `step`."""
    state, last, found = model.start(read), EOS, []
    for token in row:
        log_p, state, _ = model.step(torch.tensor([last]), state)
        found.append(log_p[0, token])
        last = token
    return found


def alone(read: Memory, row: int) -> Memory:
    """One row, without its padding."""
    assert read.steps is not None
    assert read.lengths is not None
    length = int(read.lengths[row])
    return Memory(
        read.summary[row : row + 1],
        read.steps[row : row + 1, :length],
        read.lengths[row : row + 1],
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("feeding", [False, True], ids=["", "input feeding"])
@pytest.mark.parametrize("cell", ["gru", "lstm", "slstm"])
def test_all_at_once_is_one_step_after_the_other(kind: str, feeding: bool, cell: str) -> None:
    model = decoder(attention=kind, input_feeding=feeding, cell=cell, num_layers=2)
    read, wanted = memory(), targets()
    parts = []
    for row, (values, length) in enumerate(zip(*wanted, strict=True)):
        ids = values[:length].tolist()
        parts += by_steps(model, ids, alone(read, row))
    loss = model.loss(wanted, read)
    assert torch.allclose(loss.nats, -torch.stack(parts).mean())
    assert loss.nats is loss.objective


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("feeding", [False, True], ids=["", "input feeding"])
def test_gradients(kind: str, feeding: bool) -> None:
    model = decoder(attention=kind, input_feeding=feeding, hidden_size=2 if kind != "dot" else 4)
    (summary, steps, lengths), wanted = memory(), targets()
    assert steps is not None
    inputs = (summary.requires_grad_(), steps.requires_grad_(), *model.parameters())

    def vectors(*_: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = model(wanted.values, Memory(summary, steps, lengths))
        return found[wanted.is_real()]

    # It moves the entries of what it is given, the parameters themselves.
    assert torch.autograd.gradcheck(vectors, inputs, fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("feeding", [False, True], ids=["", "input feeding"])
def test_nothing_behind_an_end_matters_not_even_nan(kind: str, feeding: bool) -> None:
    model = decoder(attention=kind, input_feeding=feeding)
    read, wanted = memory(), targets()
    assert read.steps is not None
    assert read.lengths is not None
    clean = model.loss(wanted, read).nats
    (gradient,) = torch.autograd.grad(clean, [model.first.weight])
    steps = read.steps.clone()
    for row, length in enumerate(read.lengths.tolist()):
        steps[row, length:] = torch.nan
    values = torch.where(wanted.is_real(), wanted.values, 3)
    dirty = model.loss(Ragged(values, wanted.lengths), read._replace(steps=steps)).nats
    assert dirty.equal(clean)
    assert torch.autograd.grad(dirty, [model.first.weight])[0].equal(gradient)


@pytest.mark.parametrize("kind", ["general", "none"])
def test_texts_about_one_input_side_by_side(kind: str) -> None:
    """Two texts about each input, in another order, and then of two of the inputs alone."""
    model = decoder(attention=kind, input_feeding=True, cell="lstm")
    read = memory()
    start = model.start(read).rows(torch.tensor([0, 0, 1, 1, 2, 2]))
    ids = torch.tensor([2, 3, 4, 5, 2, 0])
    log_p, state, weights = model.step(ids, start)
    for place, token in enumerate(ids.tolist()):
        own, _, seen = model.step(torch.tensor([token]), model.start(alone(read, place // 2)))
        assert torch.allclose(log_p[place], own[0])
        assert (weights is None) == (seen is None) == (kind == "none")
        if weights is not None and seen is not None:
            assert torch.allclose(weights[place, : seen.shape[1]], seen[0])
            assert weights[place, seen.shape[1] :].count_nonzero() == 0
    kept = state.rows(torch.tensor([5, 4, 0, 0]), torch.tensor([2, 0]))
    second, _, _ = model.step(torch.tensor([2, 2, 3, 4]), kept)
    for place, (history, row) in enumerate([([0, 2], 2), ([2, 2], 2), ([2, 3], 0), ([2, 4], 0)]):
        single = model.start(alone(read, row))
        for token in history:
            expected, single, _ = model.step(torch.tensor([token]), single)
        assert torch.allclose(second[place], expected[0])


def test_without_attention_the_summary_is_seen_at_every_step() -> None:
    model = decoder(attention="none")
    read = memory()
    state = model.start(read)
    ids = torch.tensor([2, 3, 4])
    forgetful = state._replace(summary=torch.zeros_like(state.summary))
    assert not torch.allclose(model.step(ids, state)[0], model.step(ids, forgetful)[0])
    # With nothing to attend to it is the same decoder, whatever the configuration says.
    assert Decoder(CONFIG, V, S, None, eos=EOS, attention="additive").attention is None
    bare = model.loss(targets(), Memory(read.summary)).nats
    assert bare.equal(model.loss(targets(), read).nats)


def test_smoothing_is_that_of_pytorch() -> None:
    model, wanted, read = decoder(), targets(), memory()
    vectors = model(wanted.values, read)[wanted.is_real()]
    gold = wanted.values[wanted.is_real()]
    loss = model.loss(wanted, read, smoothing=0.3)
    expected = functional.cross_entropy(model.output(vectors), gold, label_smoothing=0.3)
    assert torch.allclose(loss.objective, expected)
    assert torch.allclose(loss.nats, model.loss(wanted, read).nats)


def test_scheduled_sampling_reads_what_the_model_says() -> None:
    model, read = decoder(), memory()
    wanted = pad([torch.tensor([2, 3, 4, 5, 2, EOS])] * 3)
    state, last, found = model.start(read), torch.full((3,), EOS), []
    for t in range(6):
        log_p, state, _ = model.step(last, state)
        found.append(log_p.gather(1, wanted.values[:, t : t + 1]))
        last = log_p.argmax(1)
    assert torch.allclose(model.loss(wanted, read, sampled=1.0).nats, -torch.cat(found).mean())
    forced = model.loss(wanted, read).nats
    # A chance of next to nothing goes step by step, and changes nothing.
    assert torch.allclose(model.loss(wanted, read, sampled=1e-12).nats, forced)
    assert not torch.allclose(model.loss(wanted, read, sampled=1.0).nats, forced)


def test_dropout_and_tied_embeddings() -> None:
    model = decoder(tied=True, dropout=0.5, input_feeding=True, embedding_dropout=0.2).train()
    assert model.output.weight is model.inputs.embedding.weight
    torch.manual_seed(1)
    first = model.loss(targets(), memory()).nats
    assert not model.loss(targets(), memory()).nats.equal(first)
    torch.manual_seed(1)
    assert model.loss(targets(), memory()).nats.equal(first)
    model.eval()
    assert model.loss(targets(), memory()).nats.equal(model.loss(targets(), memory()).nats)


def test_no_parameter_is_idle() -> None:
    for kind in KINDS:
        model = decoder(attention=kind, learned_initial_state=True)
        model.loss(targets(), memory()).nats.backward()
        idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert idle == [], kind


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="one size"):
        decoder(attention="dot", hidden_size=3)
    with pytest.raises(ConfigError, match="embedding_size"):
        decoder(embedding_size=0)
