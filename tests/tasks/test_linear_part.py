"""The linear model of n-grams beside a classifier's network."""

import math
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

import sunhwan
from sunhwan.config import Config
from sunhwan.data import pad
from sunhwan.errors import ConfigError, StoreError
from sunhwan.exporting import export
from sunhwan.inspection import encode_texts
from sunhwan.models.ngrams import BASE, PRIME, NgramLinear
from sunhwan.store import load_model, read_tensors, save_model
from sunhwan.tasks import Classify
from sunhwan.tasks.classify.ngrams import (
    FLOOR,
    FOLDS,
    PRIOR,
    GramCounts,
    _importance,
    _strength,
    fit_ngrams,
)
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.interface import Prepared
from sunhwan.tasks.common.pairs import share_of
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.training import resume, train
from tests.conftest import losses
from tests.tasks.test_laws import Stop, config

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


@pytest.fixture(scope="module")
def prepared(learned: tuple[Path, Path]) -> Prepared:
    return Classify.prepare(
        Config().override({"task.name": "classify", "data.source": str(learned[1])})
    )


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


def test_each_row_has_what_a_fit_without_it_says(prepared: Prepared) -> None:
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


def test_what_is_left_out_of_a_fit_changes_nothing_of_it(prepared: Prepared) -> None:
    task, rows = prepared.task, prepared.train
    fold = [int(FOLDS * share_of("\t".join(("fold", *row.raw)))) for row in rows]
    others = [row for row, k in zip(rows, fold, strict=True) if k != 2]
    asked = [row for row, k in zip(rows, fold, strict=True) if k == 2]
    part, _ = fit_ngrams(task.input_kind, others, len(task.labels))
    assert part.buckets == task.model.linear.buckets
    batch = task.collate(asked)
    assert torch.allclose(part(batch.inputs[0]), batch.left_out, atol=1e-4)


def test_n_grams_of_one_row_and_unseen_ones_count_nothing(tmp_path: Path) -> None:
    texts = ["good film", "good plot", "bad film", "bad plot", "bad unicorn"]
    config = Config().override({"text.vocabulary": "characters"})
    kind = WordsKind.fit([text.split() for text in [*texts, "zebra"]], config)

    def example(text: str, label: int) -> Example:
        inputs = (kind.encode(text, tmp_path, ""),)
        return Example("", inputs, torch.tensor(label), (text,))

    rows = [example(text, int(text.startswith("bad"))) for text in texts]
    part, _ = fit_ngrams(kind, rows, 2)
    assert int((part.frequency > 0).sum()) == len({"good", "bad", "film", "plot"})
    says = {
        text: part(kind.collate([kind.encode(text, tmp_path, "")]))[0]
        for text in ("bad", "bad unicorn", "zebra bad zebra", "zebra", "bad film", "")
    }
    assert says["bad"].argmax() == 1
    assert says["bad"].equal(says["bad unicorn"])
    assert torch.allclose(says["bad"], says["zebra bad zebra"])
    assert says["zebra"].equal(part.bias)
    assert says["bad film"][1] < says["bad"][1]
    alone, _ = fit_ngrams(kind, [example("good", 0), example("bad", 1), example("film", 1)], 2)
    assert torch.allclose(alone(kind.collate([rows[0].inputs[0]])).exp(), torch.tensor([1, 2]) / 3)


def test_a_run_with_it_resumes_to_the_same_bits(tmp_path: Path) -> None:
    changes = {"model.linear": "ngrams", "training.steps": 6, "training.validate_every": 2}
    settings = config("classify", tmp_path, **changes)
    train(settings, tmp_path / "straight")
    train(settings, tmp_path / "stopped", reporter=Stop(3))
    resume(tmp_path / "stopped")
    assert losses(tmp_path / "stopped") == losses(tmp_path / "straight")
    for where in ("model/model.safetensors", f"checkpoints/step-{6:012d}.safetensors"):
        ours, theirs = (read_tensors(tmp_path / run / where)[0] for run in ("stopped", "straight"))
        assert all(ours[key].equal(theirs[key]) for key in ours.keys() | theirs.keys())


def test_the_network_s_share_is_fitted_and_stored_within_its_output_layer(
    prepared: Prepared, tmp_path: Path
) -> None:
    task, rows = prepared.task, prepared.train[:200]
    model = task.model.eval()
    with torch.no_grad():
        model.output.weight.normal_(std=2)
    trained = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    inputs = task.collate(rows[:9]).inputs
    alone, linear = model.network(inputs), model.linear(inputs[0])
    scores = task.validate(rows)
    # A random network disturbs: it is turned down, and training does not see it.
    assert 0 < model.share < 0.8
    assert torch.allclose(
        model(inputs) * model.temperature, model.share * alone + linear, atol=1e-5
    )
    assert all(trained[name].equal(tensor) for name, tensor in model.state_dict().items())
    model.train()
    model.dropout.eval()
    model.encoder.eval()
    assert torch.allclose(model(inputs), alone + linear, atol=1e-5)
    model.eval()
    save_model(tmp_path / "model", task, {})
    again = load_model(tmp_path / "model").task
    assert isinstance(again, Classify)
    assert again.model.share == 1.0
    assert torch.allclose(again.model.output.weight, model.share * model.output.weight)
    assert torch.allclose(again.model(inputs), model(inputs), atol=1e-5)
    assert again.evaluate_data(rows).loss == pytest.approx(scores.loss, rel=1e-5)


@pytest.mark.parametrize(("wrong", "strength"), [(0.0, 40.0), (0.3, 10.0)])
def test_the_penalty_is_the_one_that_rows_left_out_ask_for(wrong: float, strength: float) -> None:
    rng = np.random.default_rng(1)
    counts = csr_matrix(rng.random((400, 60)) < 0.1, dtype=np.float32)
    targets = (counts @ rng.normal(size=60) > 0).astype(int)
    targets = np.where(rng.random(400) < wrong, 1 - targets, targets)
    rows = GramCounts(counts, np.arange(60), counts)
    best, said = _strength(rows, targets, 2, np.arange(400) % 5 > 0)
    assert best == strength
    assert said.shape == (80, 2)


def test_an_n_gram_counts_by_what_it_tells_of_the_label() -> None:
    """One of 40 rows all of one label, one of 40 of both, one of 4 of one label."""
    targets = np.arange(200) % 2
    has = np.stack(
        [(np.arange(200) < 80) & (targets == 0), np.arange(200) < 40, np.arange(200) % 50 == 0], 1
    )
    found = _importance(csr_matrix(has, dtype=np.float32), targets, 2)
    share = (40 + PRIOR / 2) / (40 + PRIOR)
    told = np.log(2) + share * np.log(share) + (1 - share) * np.log(1 - share)
    idf = np.log(201 / 41) + 1
    assert found[:2] == pytest.approx(idf * np.sqrt([FLOOR + told, FLOOR]))
    assert found[2] < idf * np.sqrt(FLOOR + np.log(2)) * (np.log(201 / 5) + 1) / idf


def test_pairs_have_none(tmp_path: Path) -> None:
    file = tmp_path / "pairs.tsv"
    file.write_text("one\ttwo\tlabel\n" + "a b\tc d\tx\nb a\td c\ty\n" * 20, encoding="utf-8")
    settings = {"task.name": "classify", "data.source": str(file), "task.input": ("one", "two")}
    with pytest.raises(ConfigError, match=r"model\.linear"):
        Classify.prepare(Config().override({**settings, "model.linear": "ngrams"}))
