"""The linear model of n-grams beside a classifier's network."""

import math
import random
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import sunhwan
from sunhwan.config import Config
from sunhwan.data import pad
from sunhwan.errors import ConfigError, StoreError
from sunhwan.exporting import export
from sunhwan.inspection import encode_texts
from sunhwan.models.ngrams import BASE, PRIME, NgramLinear
from sunhwan.tasks import Classify
from sunhwan.training import train

WORDS = ["good", "bad", "film", "plot", "very", "not", "the", "a", "really", "no", "was", "it"]


def table(folder: Path) -> Path:
    """Sentences that are of class y where "not" stands right before "good"."""
    rng, lines = random.Random(1), ["label\ttext"]
    for _ in range(700):
        words = rng.choices(WORDS, k=6)
        label = "y" if ("not", "good") in pairwise(words) else "x"
        if label == "x" and rng.random() < 0.5:
            words[2:4] = ["not", "good"]
            label = "y"
        lines.append(f"{label}\t{' '.join(words)}.")
    path = folder / "sentences.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("linear")
    settings = {
        "task.name": "classify", "data.source": str(table(folder)), "training.steps": 4,
        "training.threads": 1, "model.hidden_size": 8, "model.embedding_size": 4,
        "model.letter_size": 4, "training.baselines": False,
    }  # fmt: skip
    train(Config().override(settings), folder / "run")
    return folder / "run", folder / "sentences.tsv"


def test_the_logits_are_those_of_its_equation() -> None:
    torch.manual_seed(1)
    part = NgramLinear(64, 3, 2)
    for value in (part.weight, part.frequency, part.bias):
        value.copy_(torch.rand(value.shape))
    rows = [torch.tensor([3, 1, 3, 1]), torch.tensor([2]), torch.tensor([], dtype=torch.int64)]
    found = part(pad(rows))
    for row, logits in zip(rows, found, strict=True):
        steps = [token + 1 for token in row.tolist()]
        pairs = [(a * BASE + b) % PRIME for a, b in pairwise(steps)]
        places = [code % 64 for code in steps + pairs]
        norm = math.sqrt(sum(float(part.frequency[p]) ** 2 for p in places)) or 1.0
        expected = part.bias.clone()
        for place in places:
            expected += part.frequency[place] / norm * part.weight[place]
        assert torch.allclose(logits, expected, atol=1e-6)


def test_words_are_the_same_in_capitals_and_beside_marks() -> None:
    part = NgramLinear(64, 2, 2, ("�", "a", "b", "A", "(", "!"))

    def code(*letters: int) -> int:
        ids = torch.full((1, 1, 6), -1)
        ids[0, 0, : len(letters)] = torch.tensor(letters)
        return int(part._word_codes(ids))

    a, b, capital, bracket, shout = range(1, 6)
    assert code(a, b) == code(bracket, capital, b, shout) != code(b, a)
    assert len({code(a), code(shout), code(bracket), code(a, a), code(shout, shout)}) == 5


def test_it_is_fitted_kept_and_exported(learned: tuple[Path, Path], tmp_path: Path) -> None:
    run, file = learned
    task = sunhwan.load(run)
    assert isinstance(task, Classify)
    assert task.model.linear is not None
    assert "a linear model of n-grams" in str(task.facts())
    # The network has hardly begun to learn: pairs of words decide.
    assert task.evaluate(file).accuracy > 0.95
    assert export(task, tmp_path / "out").deviation < 1e-4
    stored = task.preprocessing()
    with pytest.raises(StoreError, match="linear part is damaged"):
        Classify.restored(task.config, stored | {"buckets": -1})


def test_a_text_s_vector_holds_its_logits_behind_the_network_s(learned: tuple[Path, Path]) -> None:
    task = sunhwan.load(learned[0])
    assert isinstance(task, Classify)
    (found,) = encode_texts(task, ["a good film"])
    K, L = task.model.pooling.output_size, len(task.labels)
    assert found.vector.shape == (K + L,)
    network, linear = torch.from_numpy(found.vector).split([K, L])
    with torch.no_grad():
        logits = (task.model.output(network) + linear) / task.model.temperature
    (said,) = task.predict(["a good film"])
    assert said.named["probability"] == pytest.approx(float(logits.softmax(0).max()), rel=1e-4)


def test_each_row_has_what_a_fit_without_it_says(learned: tuple[Path, Path]) -> None:
    prepared = Classify.prepare(
        Config().override({"task.name": "classify", "data.source": str(learned[1])})
    )
    rows = prepared.train[:100]
    batch = prepared.task.collate(rows)
    own = prepared.task.model.linear(batch.inputs[0])
    assert batch.left_out.shape == own.shape
    losses = [
        torch.nn.functional.cross_entropy(logits, batch.labels) for logits in (own, batch.left_out)
    ]
    assert losses[0] < losses[1]
    prepared.task.model.train()
    loss = prepared.task.loss(batch, None, prepared.config.training)
    loss.objective.backward()
    assert prepared.task.model.output.weight.grad.abs().max() > 0
    assert prepared.task.collate([rows[0]._replace(left_out=None), *rows[1:]]).left_out is None


def test_pairs_have_none(tmp_path: Path) -> None:
    file = tmp_path / "pairs.tsv"
    file.write_text("one\ttwo\tlabel\n" + "a b\tc d\tx\nb a\td c\ty\n" * 20, encoding="utf-8")
    settings = {"task.name": "classify", "data.source": str(file), "task.input": ("one", "two")}
    with pytest.raises(ConfigError, match=r"model\.linear"):
        Classify.prepare(Config().override({**settings, "model.linear": "ngrams"}))
