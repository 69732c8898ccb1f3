"""A label for every step: the words' spelling, the loss of both output layers, padding, gradients."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from sunhwan.config import ModelConfig
from sunhwan.data import Ragged, pad
from sunhwan.models import Tagger
from sunhwan.models.inputs import FrameInput, WordInput
from sunhwan.models.tagger import NO_LABEL, Tagged

LABELS = ("B-이름", "I-이름", "O")
WORDS = [[[3, 1, 2], [0, 4]], [[2, 0, 3, 1], [3, 1, 2], [1, 2, 2]]]
"""Two sentences; of each word the id and the ids of its letters."""


def words(sentences: Sequence[Sequence[Sequence[int]]]) -> Ragged:
    """Sentences of words, with −1 behind the letters."""
    width = max([2, *(len(word) for sentence in sentences for word in sentence)])
    rows = [
        torch.tensor([[*word, *[-1] * (width - len(word))] for word in sentence], dtype=torch.int64)
        for sentence in sentences
    ]
    return pad([row.view(-1, width) for row in rows])


def word_input(**options: float) -> WordInput:
    torch.manual_seed(1)
    return WordInput(4, 5, 6, 3, "gru", **options).double()


def config() -> ModelConfig:
    return ModelConfig(
        hidden_size=4,
        num_layers=1,
        embedding_size=3,
        dropout=0.0,
        direction="both",
    )


def plainly(layer: WordInput, word: Sequence[int]) -> torch.Tensor:
    """The vector of one word, read alone."""
    letters = layer.letters.weight[list(word[1:])]
    onward, _ = layer.onward(letters.unsqueeze(0))
    back, _ = layer.back(letters.flip(0).unsqueeze(0))
    return torch.cat((layer.words.weight[word[0]], onward[0, -1], back[0, -1]))


def test_words_are_their_vectors_and_their_spelling_with_the_right_gradient() -> None:
    layer = word_input()
    found = layer(words(WORDS))
    assert found.shape == (2, 3, layer.output_size)
    weights = torch.randn(found.shape, dtype=torch.float64)
    expected = torch.stack([
        weights[n, t] @ plainly(layer, word)
        for n, sentence in enumerate(WORDS)
        for t, word in enumerate(sentence)
    ]).sum()  # fmt: skip
    real = words(WORDS).is_real()
    ours = (found * weights)[real].sum()
    torch.testing.assert_close(ours, expected)
    parameters = list(layer.parameters())
    for ours_, theirs in zip(
        torch.autograd.grad(ours, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        torch.testing.assert_close(ours_, theirs)


def test_no_words_and_words_without_letters() -> None:
    layer = word_input()
    for sequences in (words([[], []]), words([[]])):
        assert layer(sequences).shape == (*sequences.values.shape[:2], layer.output_size)
    found = layer(words([[[2], [3, 1]], []]))
    assert found[0, 0, layer.words.embedding_dim :].eq(0).all()
    assert found[0, 1, layer.words.embedding_dim :].ne(0).all()
    found.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in layer.parameters())


def test_what_stands_behind_a_row_is_not_read() -> None:
    layer = word_input()
    sequences = words(WORDS)
    spoiled = sequences.values.clone()
    spoiled[0, 2] = 10**6
    real = sequences.is_real()
    expected = layer(sequences)[real]
    assert layer(Ragged(spoiled, sequences.lengths))[real].equal(expected)


def test_in_training_some_words_are_unknown() -> None:
    layer = word_input(word_dropout=0.5)
    many = words([[[3, 1, 2]] * 400])
    size = layer.words.embedding_dim
    vectors = layer(many)[0, :, :size]
    dropped = (vectors == layer.words.weight[0]).all(1)
    assert 120 < int(dropped.sum()) < 280
    assert (vectors[~dropped] == layer.words.weight[3]).all()
    # Their letters are read as ever.
    assert (layer(many)[0, :, size:].std(0) < 1e-12).all()
    assert (layer.eval()(many)[0, :, :size] == layer.words.weight[3]).all()


def batch(labels: Sequence[Sequence[int]]) -> Tagged:
    rows = [torch.tensor(row, dtype=torch.int64) for row in labels]
    return Tagged(words(WORDS), pad(rows, NO_LABEL).values)


def tagger(output_layer: str) -> Tagger:
    layer = word_input()
    model = Tagger(config(), layer, LABELS, output_layer).double()
    if model.crf is not None:
        torch.nn.init.normal_(model.crf.transitions)
    return model


def log_probability(model: Tagger, emissions: torch.Tensor, labels: Sequence[int]) -> torch.Tensor:
    """log p(labels) of one row, over all labellings one by one."""
    if model.crf is None:
        return torch.log_softmax(emissions, -1)[range(len(labels)), list(labels)].sum()

    def score(path: Sequence[int]) -> torch.Tensor:
        crf = model.crf
        assert crf is not None
        inside = sum(crf.transitions[a, b] for a, b in itertools.pairwise(path))
        steps = emissions[range(len(path)), list(path)].sum()
        return crf.start[path[0]] + inside + steps + crf.end[path[-1]]

    paths = itertools.product(range(len(LABELS)), repeat=len(labels))
    return score(labels) - torch.stack([score(path) for path in paths]).logsumexp(0)


@pytest.mark.parametrize("output_layer", ["softmax", "crf"])
def test_the_loss_is_nats_a_token_and_its_gradient_is_right(output_layer: str) -> None:
    model = tagger(output_layer)
    data = batch([[0, 1], [2, 0, 1]])
    loss = model.loss(data).nats
    emissions = model(data.inputs)
    expected = -(
        log_probability(model, emissions[0, :2], [0, 1])
        + log_probability(model, emissions[1], [2, 0, 1])
    ) / 5  # fmt: skip
    torch.testing.assert_close(loss, expected)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        place = int(parameter.grad.abs().argmax())
        flat, epsilon = parameter.detach().view(-1), 1e-6
        with torch.no_grad():
            flat[place] += epsilon
            above = model.loss(data).nats.item()
            flat[place] -= 2 * epsilon
            below = model.loss(data).nats.item()
            flat[place] += epsilon
        slope = (above - below) / (2 * epsilon)
        assert abs(slope - parameter.grad.view(-1)[place].item()) < 1e-7, name


def test_a_step_without_a_label_is_left_out_and_with_a_crf_its_sequence() -> None:
    model = tagger("softmax")
    known = batch([[0, NO_LABEL], [2, 0, 1]])
    emissions = model(known.inputs)
    total, steps = model.nats(emissions, known)
    left = log_probability(model, emissions[0, :1], [0])
    left = left + log_probability(model, emissions[1], [2, 0, 1])
    assert int(steps) == 4
    torch.testing.assert_close(total, -left)
    model = tagger("crf")
    emissions = model(known.inputs)
    total, steps = model.nats(emissions, known)
    assert int(steps) == 3
    torch.testing.assert_close(total, -log_probability(model, emissions[1], [2, 0, 1]))


def test_a_smoothed_objective() -> None:
    model = tagger("softmax")
    data = batch([[0, 1], [2, 0, 1]])
    nats, objective, *_ = model.loss(data, 0.3)
    log_p = torch.log_softmax(model(data.inputs), -1)[data.inputs.is_real()]
    torch.testing.assert_close(objective, 0.7 * nats - 0.3 * log_p.mean())


@pytest.mark.parametrize("output_layer", ["softmax", "crf"])
def test_padding_and_other_rows_change_nothing(output_layer: str) -> None:
    torch.manual_seed(2)
    model = Tagger(config(), FrameInput(2, 3), LABELS, output_layer)
    rows = [torch.randn(length, 2) for length in (5, 0, 3)]
    together = pad(rows)
    emissions = model(together)
    labels = model.decode(emissions, together.lengths)
    for n, row in enumerate(rows):
        alone = model(pad([row]))
        torch.testing.assert_close(emissions[n, : len(row)], alone[0])
        assert model.decode(alone, torch.tensor([len(row)]))[0].equal(labels[n, : len(row)])
    spoiled = together.values.clone()
    spoiled[0] = torch.nan
    found = model(Ragged(spoiled, together.lengths))
    assert found[2, :3].equal(emissions[2, :3])


def test_a_crf_says_nothing_that_bio_forbids() -> None:
    torch.manual_seed(3)
    model = Tagger(config(), FrameInput(2, 3), LABELS, "crf")
    sequences = pad([10 * torch.randn(12, 2) for _ in range(40)])
    best = model.decode(5 * torch.randn(40, 12, 3), sequences.lengths)
    inside = best == LABELS.index("I-이름")
    assert inside.any()
    assert not inside[:, 0].any()
    assert not (inside[:, 1:] & (best[:, :-1] == LABELS.index("O"))).any()


def test_sequences_without_steps_have_no_loss() -> None:
    for output_layer in ("softmax", "crf"):
        model = tagger(output_layer)
        empty = Tagged(words([[], []]), torch.full((2, 0), NO_LABEL))
        loss = model.loss(empty).nats
        assert loss.item() == 0
        assert model.decode(model(empty.inputs), empty.inputs.lengths).shape == (2, 0)


def test_all_that_is_learned_beside_is_read_once_a_batch() -> None:
    """With dropout, what is shown and what is minimised are of the same masks."""
    model = Tagger(config(), word_input(), LABELS, further=(4,)).double()
    model.tokenizer = Tagger(replace(config(), dropout=0.5), word_input(), LABELS).double()
    runs = dict.fromkeys(("first", "further", "tokenizer"), 0)

    def counted(name: str) -> Callable[..., None]:
        def count(*_: object) -> None:
            runs[name] += 1

        return count

    for name, part in zip(runs, (model.encoder, model.further[0], model.tokenizer), strict=True):
        part.register_forward_hook(counted(name))
    known = batch([[0, 2], [2, 0, 1]])
    known = known._replace(more=known.labels[None], characters=known)
    nats, objective, *_ = model.loss(known, 1e-12)
    assert set(runs.values()) == {1}
    torch.testing.assert_close(nats, objective)
