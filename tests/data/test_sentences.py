"""Batches of sentences: equal to one sentence at a time, whatever the padding; exact continuation."""

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sunhwan.api import load
from sunhwan.config import Config, with_source
from sunhwan.data import Block, Tokens, encode
from sunhwan.data.sentences import by_sentence, one_by_one, padded, sentence_batches
from sunhwan.errors import ConfigError, DataError
from sunhwan.metrics import evaluate_tokens
from sunhwan.models import LanguageModel
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import Document, Vocabulary, build_vocabulary
from sunhwan.training import Reporter, resume, train
from tests.serve.helpers import language

TEXT = "나는 산에서 웃고\n너는 강에서\n\n우리는 바다에서 노래한다\n달\n"
NETWORKS = [
    {"cell": "lstm"},
    {"cell": "gru", "num_layers": 2, "connection": "residual"},
    {"cell": "elman", "num_layers": 2, "connection": "dense", "layer_norm": True},
    {"cell": "mingru", "input": "one-hot"},
]


def tokens_of(eos: bool = False) -> tuple[Tokens, Vocabulary]:
    vocabulary = build_vocabulary("characters", [TEXT], eos=eos)
    return encode(vocabulary, [Document("a", TEXT), Document("b", "강은 흐른다\n산은")]), vocabulary


def gradient(model: LanguageModel, blocks: list[Block], **options: float) -> tuple[Tensor, Tensor]:
    """The mean over all tokens of the blocks, and its gradient with respect to all parameters."""
    count = sum(b.inputs.numel() if b.lengths is None else int(b.lengths.sum()) for b in blocks)
    model.zero_grad()
    total = torch.zeros((), dtype=torch.float64)
    for block in blocks:
        n = block.inputs.numel() if block.lengths is None else int(block.lengths.sum())
        loss = model.loss(block, **options).objective * n / count  # type: ignore[arg-type]
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("eos", [False, True])
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_a_batch_is_its_sentences_one_by_one(network: dict[str, object], eos: bool) -> None:
    tokens, vocabulary = tokens_of(eos)
    model = language(vocabulary, **network).model.double()
    alone = list(one_by_one(tokens, vocabulary))
    together = padded([torch.cat((b.inputs[0], b.targets[0, -1:])) for b in alone])
    assert together.lengths is not None
    assert together.lengths.tolist() == [b.inputs.shape[1] for b in alone]
    for options in ({}, {"activation": 2.0}, {"bptt_memory": "sqrt"}):
        wanted, got = (gradient(model, one, **options) for one in (alone, [together]))
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)


def test_padding_is_irrelevant() -> None:
    tokens, vocabulary = tokens_of()
    model = language(vocabulary, connection="dense", num_layers=2).model.double()
    alone = list(one_by_one(tokens, vocabulary))
    plain = padded([torch.cat((b.inputs[0], b.targets[0, -1:])) for b in alone])
    assert plain.lengths is not None
    behind = torch.arange(plain.inputs.shape[1]) >= plain.lengths.unsqueeze(1)
    other = plain._replace(
        inputs=torch.where(behind, 3, plain.inputs), targets=torch.where(behind, 5, plain.targets)
    )
    options = {"activation": 1.0, "temporal_activation": 2.0}
    for memory in ("full", "sqrt"):
        found = [gradient(model, [b], bptt_memory=memory, **options) for b in (plain, other)]  # type: ignore[arg-type]
        torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    whole = gradient(model, [plain], **options)
    pieces = gradient(model, [plain], bptt_memory="sqrt", **options)  # type: ignore[arg-type]
    torch.testing.assert_close(pieces, whole, rtol=1e-9, atol=1e-9)


def test_the_change_of_outputs_is_that_of_real_steps() -> None:
    tokens, vocabulary = tokens_of()
    model = language(vocabulary).model.double()
    alone = [b for b in one_by_one(tokens, vocabulary) if b.inputs.shape[1] > 1]
    together = padded([torch.cat((b.inputs[0], b.targets[0, -1:])) for b in alone])
    squares, pairs = 0.0, 0
    for block in alone:
        y, _ = model.read(block.inputs)
        squares += (y[1:] - y[:-1]).square().sum().item()
        pairs += (block.inputs.shape[1] - 1) * y.shape[2]
    loss = model.loss(together, temporal_activation=1.0)
    assert loss.terms == sum(b.inputs.numel() for b in alone), "what several processes weigh it by"
    assert (loss.objective - loss.nats).item() == pytest.approx(squares / pairs)


@pytest.mark.parametrize("eos", [False, True])
def test_every_pair_of_the_text_is_in_one_sentence(eos: bool) -> None:
    tokens, vocabulary = tokens_of(eos)
    wanted = Counter(zip(tokens.ids[:-1].tolist(), tokens.ids[1:].tolist(), strict=True))
    stream = sentence_batches(tokens, vocabulary, 3, seed=2)
    found: Counter[tuple[int, int]] = Counter()
    while stream.epoch < 1:
        block = next(stream)
        assert block.lengths is not None
        for row, targets, n in zip(block.inputs, block.targets, block.lengths, strict=True):
            found.update(zip(row[:n].tolist(), targets[:n].tolist(), strict=True))
            starter = vocabulary.display(int(row[0]))
            assert starter in ("⏎", "\n", "\\n", "<eos>", "나", "강"), starter
    assert found == wanted


def test_the_stream_continues_exactly() -> None:
    tokens, vocabulary = tokens_of()
    stream = sentence_batches(tokens, vocabulary, 2, seed=7)
    list(islice(stream, 3))
    state = stream.state()
    wanted = [block.inputs.tolist() for block in islice(stream, 6)]
    again = sentence_batches(tokens, vocabulary, 2, seed=7)
    again.restore(state)
    assert [block.inputs.tolist() for block in islice(again, 6)] == wanted


def test_scores_are_those_of_sentences_one_by_one() -> None:
    tokens, vocabulary = tokens_of()
    model = language(vocabulary).model
    scores = evaluate_tokens(model, by_sentence(tokens, vocabulary), rows=3)
    total = count = 0.0
    for block in one_by_one(tokens, vocabulary):
        total += model.loss(block).nats.item() * block.inputs.numel()
        count += block.inputs.numel()
    assert scores.tokens == count
    assert scores.loss == pytest.approx(total / count, rel=1e-5)
    assert evaluate_tokens(model, tokens).loss != pytest.approx(scores.loss, rel=1e-4)


def test_one_line_is_no_batch_of_sentences() -> None:
    vocabulary = build_vocabulary("characters", ["hello"])
    with pytest.raises(DataError, match="single sentence"):
        sentence_batches(encode(vocabulary, [Document("a", "hellohello")]), vocabulary, 2)


def test_other_tasks_refuse_it() -> None:
    config = Config().override({"task.name": "classify", "data.batches": "sentences"})
    with pytest.raises(ConfigError, match="language models"):
        with_source(config)


class Stop(Reporter):
    """Interrupts at step 4, as Ctrl-C does."""

    def step(self, report: object) -> None:
        if getattr(report, "step", 0) == 4:
            import signal

            signal.raise_signal(signal.SIGINT)


def test_a_run_learns_from_sentences_and_resumes(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text(TEXT * 20, encoding="utf-8")
    settings = {
        "text.corpus": str(file), "data.batches": "sentences", "data.batch_size": 8,
        "model.hidden_size": 4, "model.num_layers": 1, "training.steps": 8, "training.validations": 2,
        "training.sample_length": 4,
    }  # fmt: skip
    config = Config().override(settings)
    whole = train(config, tmp_path / "whole")
    train(config, tmp_path / "stopped", reporter=Stop())
    resumed = resume(tmp_path / "stopped")
    assert resumed.best == whole.best
    task, again = load(tmp_path / "whole"), load(tmp_path / "stopped")
    pairs = zip(task.model.parameters(), again.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert isinstance(task, LanguageModelTask)
    assert task.reads_sentences
    as_stream = LanguageModelTask(Config(), task.vocabulary, task.model)
    assert task.evaluate_text(TEXT).loss != as_stream.evaluate_text(TEXT).loss
