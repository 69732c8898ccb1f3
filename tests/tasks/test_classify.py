"""Many to one: what is read, what is said, and what is refused in one sentence."""

import json
import random
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

import sunhwan
from sunhwan.config import Config, ModelConfig
from sunhwan.data import pad
from sunhwan.errors import DataError, StoreError
from sunhwan.inspection.measures.attribution import attribute
from sunhwan.inspection.subjects import subject_of
from sunhwan.models import Classifier
from sunhwan.models.inputs import TokenInput
from sunhwan.store import Run
from sunhwan.tasks import Classify
from sunhwan.tasks.classify.review import label_errors
from sunhwan.tasks.common.pairs import split
from sunhwan.tasks.common.questions import Pair, Question
from sunhwan.training import train
from tests.conftest import Command
from tests.tasks.cases import reviews
from tests.tiers import and_deep

SMALL = (
    "--threads=1", "--set=model.hidden_size=12", "--set=model.embedding_size=8",
    "--set=data.batch_size=8", "--quiet",
)  # fmt: skip


def learn(command: Command, file: Path, out: Path, *options: object, steps: int = 60) -> Path:
    done = command(
        "train", "--task", "classify", file, "--out", out, "--steps", steps, *SMALL,
        "--set=training.learning_rate=0.02", *options,
    )  # fmt: skip
    assert done.code == 0, done.err
    return out


def test_it_learns_labels_it_can_see(command: Command, tmp_path: Path) -> None:
    run = learn(command, reviews(tmp_path), tmp_path / "run", steps=120)
    questions = tmp_path / "new.txt"
    questions.write_text("the 사과 9\nthe cow 3\nthe pear 55\n", encoding="utf-8")
    done = command("predict", run, questions, "--as", "tsv")
    header, *rows = [line.split("\t") for line in done.out.splitlines()]
    assert header[1:] == ["label", "probability"]
    labels = [row[1] for row in rows]
    assert labels == ["fruit", "animal", "fruit"]
    answers = [
        json.loads(line) for line in command("predict", run, questions, "--json").out.splitlines()
    ]
    assert [a["label"] for a in answers] == labels
    assert all(abs(sum(a["probabilities"].values()) - 1) < 1e-6 for a in answers)
    command("predict", run, questions, "--as", "tsv", "--out", tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text(encoding="utf-8") == done.out


def test_a_pair_is_read_by_one_encoder(command: Command, tmp_path: Path) -> None:
    lines = ["question,passage,same"]
    for number in range(60):
        first, second = "가나다라"[number % 4], "가나다라"[number // 4 % 4]
        lines.append(f"{first},{second},{'yes' if first == second else 'no'}")
    file = tmp_path / "pairs.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = ("--input", "question", "--input", "passage", "--target", "same")
    learned = ("--set=text.validation_share=0", "--set=text.vocabulary=characters")
    run = learn(command, file, tmp_path / "run", *options, *learned, steps=250)
    scores = json.loads(command("evaluate", run, file, "--json").out)
    assert scores["accuracy"] > 0.95
    assert scores["labels"] == ["no", "yes"]
    assert sum(map(sum, scores["confusion"])) == 60
    predictor = sunhwan.load(run)
    assert [a.values["label"] for a in predictor.predict([("가", "가"), "나\t다"])] == ["yes", "no"]
    lonely = tmp_path / "one.txt"
    lonely.write_text("가\t가\n나\n", encoding="utf-8")
    said = "one.txt, line 2: the model reads 2 parts, separated by tabs, and finds 1"
    assert said in command("predict", run, lonely).sentence


def test_frames_are_read_as_text_is(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = ["path\tlabel"]
    for number in range(40):
        steps = rng.integers(3, 9)
        tone = np.sin(np.arange(steps)[:, None] * (1.0, 2.5)[number % 2]) * [5.0, 300.0, 0.0]
        np.save(tmp_path / f"{number}.npy", (tone + rng.normal(size=(steps, 3))).astype("f4"))
        lines.append(f"{number}.npy\t{('low', 'high')[number % 2]}")
    file = tmp_path / "sounds.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = learn(command, file, tmp_path / "run", steps=100)
    assert json.loads(command("evaluate", run, file, "--json").out)["accuracy"] > 0.9
    assert "frames of 3 numbers" in command("info", run).out
    np.save(tmp_path / "wide.npy", np.zeros((4, 5), "f4"))
    (tmp_path / "wide.txt").write_text("wide.npy\n")
    assert (
        "5 features a frame, but the model reads 3"
        in command("predict", run, tmp_path / "wide.txt").sentence
    )
    (tmp_path / "gone.txt").write_text("nowhere.npy\n")
    assert (
        "gone.txt, line 1: there is no file 'nowhere.npy'"
        in command("predict", run, tmp_path / "gone.txt").sentence
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("text\tlabel\nx\ta\ny\ta\n", "is 'a': at least two"),
        ("text\tlabel\nx\ta\ny\t\n", "line 3: the column 'label' is empty"),
        ("text\tlabel\nx\ta\ny\n", "line 3"),
        ("text\tlabel\nx\ta\n\ny\tb\n", "line 3"),
        ("words\tname\nx\ta\ny\tb\n", "no column"),
        ("", "empty"),
    ],
    ids=["one class", "no label", "ragged", "empty line", "no column", "empty file"],
)
def test_a_wrong_file_is_one_sentence(
    command: Command, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "bad.tsv"
    file.write_text(text, encoding="utf-8")
    options = ("--target", "label") if "words" in text else ()
    done = command(
        "train", "--task", "classify", file, "--out", tmp_path / "run", "--strict", *options
    )
    assert "bad.tsv" in done.sentence
    assert said in done.sentence or said == "empty"
    assert not (tmp_path / "run").exists()


def test_a_label_unseen_in_training_is_refused_with_its_line(
    command: Command, tmp_path: Path
) -> None:
    run = learn(command, reviews(tmp_path), tmp_path / "run", steps=2)
    file = tmp_path / "new.tsv"
    file.write_text("text\tlabel\nx\tfruit\ny\tmineral\n", encoding="utf-8")
    sentence = command("evaluate", run, file).sentence
    assert "new.tsv, line 3" in sentence
    assert "'mineral'" in sentence
    assert "animal, fruit" in sentence
    file.write_text("words\tlabel\nx\tfruit\n", encoding="utf-8")
    assert "no column 'text'" in command("evaluate", run, file).sentence
    picture = tmp_path / "confusion.png"
    done = command("evaluate", run, tmp_path / "reviews.tsv", "--picture", picture)
    assert done.code == 0, done.err
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_equal_questions_never_cross_a_split() -> None:
    pairs = [Pair(Question((f"text {n % 40}",), f"line {n}"), str(n)) for n in range(400)]
    train, held_out = split(pairs, 0.25)
    cells = [{pair.question.cells for pair in side} for side in (train, held_out)]
    assert not cells[0] & cells[1]
    assert len(train) + len(held_out) == 400
    assert 0.1 < len(held_out) / 400 < 0.4
    assert split(pairs[::-1], 0.25)[1] == held_out[::-1]
    with pytest.raises(DataError, match="too few"):
        split(pairs[:1], 0.999999)


def test_rare_labels_weigh_more() -> None:
    config = Config().override(
        {
            "task.name": "classify",
            "model.hidden_size": 4, "model.num_layers": 1, "model.embedding_size": 3,
            "model.dropout": 0.0, "text.vocabulary": "characters",
        },
        "the test",
    )  # fmt: skip
    counts = Counter({"a": 90, "b": 10})
    for balance, ratio in (("sqrt", 3.0), ("inverse", 9.0)):
        task = _task(config.override({"task.balance": balance}))
        task.weigh(counts)
        weights = task._weights
        assert weights is not None
        assert weights[1] / weights[0] == pytest.approx(ratio)
        assert (90 * weights[0] + 10 * weights[1]).item() == pytest.approx(100)
    task = _task(config.override({"task.balance": "none"}))
    task.weigh(counts)
    assert task._weights is None


def _task(config: Config) -> Classify:
    from sunhwan.tasks.common.columns import Columns
    from sunhwan.tasks.common.input_kinds import TextKind

    source = TextKind.fit(["ab"], config.override({"text.unknown": "unk"}))
    return Classify(config, Columns(("text",), "label"), source, ["a", "b"])


POOLINGS = ("last", "mean", "max", "concat", "attention")


@pytest.mark.parametrize(
    ("pooling", "direction", "sequences"),
    and_deep(
        [
            (pooling, direction, 1 + (n + k) % 2)
            for n, pooling in enumerate(POOLINGS)
            for k, direction in enumerate(("forward", "both"))
        ],
        product(POOLINGS, ("forward", "both"), (1, 2)),
    ),
)
def test_gradients_and_padding(pooling: str, direction: str, sequences: int) -> None:
    torch.manual_seed(1)
    config = ModelConfig(
        cell="gru", hidden_size=3, num_layers=1, embedding_size=2, dropout=0.0,
        direction=direction,
    )  # fmt: skip
    model = Classifier(config, TokenInput(6, 2), 3, sequences=sequences, pooling=pooling).double()
    rows = [torch.tensor([1, 2, 3, 4]), torch.tensor([5]), torch.tensor([2, 2])]
    inputs = tuple(pad(rows[::step]) for step in (1, -1)[:sequences])
    probe = torch.randn(3, 3, dtype=torch.float64)

    def value() -> torch.Tensor:
        return (model(inputs) * probe).sum()

    value().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        way = torch.randn_like(parameter)
        with torch.no_grad():
            parameter += 1e-6 * way
            ahead = value()
            parameter -= 2e-6 * way
            behind = value()
            parameter += 1e-6 * way
        slope = ((ahead - behind) / 2e-6).item()
        assert slope == pytest.approx((parameter.grad * way).sum().item(), rel=1e-5, abs=1e-7), name
    together = model(inputs)
    for row in range(3):
        alone = tuple(pad([rows[::step][row]]) for step in (1, -1)[:sequences])
        assert torch.allclose(model(alone)[0], together[row])


def test_a_column_that_holds_no_labels_is_refused(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "swapped.tsv"
    rows = [f"the text {n} of many\t{'ab'[n % 2]}{n}" for n in range(200)]
    file.write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    sentence = command("train", "--task", "classify", file, "--out", tmp_path / "run").sentence
    assert "different labels among" in sentence
    assert "swapped.tsv" in sentence
    assert "in the place of 'label' with --target" in sentence


@pytest.fixture(scope="module")
def confident(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run on labels of which a fifth is wrong, whose confidence is tempered, and its table."""
    folder = tmp_path_factory.mktemp("confident")
    table = folder / "noisy.csv"
    pairs = [
        (f"the {'ab'[n % 2]}{n % 19} thing {n}", "xy"[(n % 2) ^ (n % 5 == 0)]) for n in range(400)
    ]
    table.write_text("text,label\n" + "".join(f"{t},{a}\n" for t, a in pairs), encoding="utf-8")
    settings = {
        "task.name": "classify", "data.source": str(table), "text.validation_share": 0.3,
        "training.steps": 90, "training.threads": 1, "model.hidden_size": 12,
        "model.embedding_size": 8, "data.batch_size": 8, "training.learning_rate": 0.02,
    }  # fmt: skip
    run = folder / "run"
    train(Config().override(settings), run)
    return run, table


def test_the_temperature_is_kept_and_its_confidence_told(
    confident: tuple[Path, Path], command: Command, tmp_path: Path
) -> None:
    run, table = confident
    task = sunhwan.load(run)
    assert isinstance(task, Classify)
    temperature = task.model.temperature
    assert temperature != 1.0
    done = json.loads(command("evaluate", run, table, "--json").out)
    assert 0 <= done["calibration_error"] < 1
    assert sum(b["examples"] for b in done["reliability"]) == done["examples"] == 400
    picture = tmp_path / "review.png"
    shown = command("evaluate", run, table, "--no-baselines", "--picture", picture).out
    assert "calibration error" in shown
    assert picture.read_bytes().startswith(b"\x89PNG")
    # A model of before has no temperature, and is as it was.
    stored = task.preprocessing()
    assert stored.pop("temperature") == temperature
    before = Classify.restored(task.config, stored)
    assert before.model.temperature == 1.0
    before.model.load_state_dict(task.model.state_dict())
    examples = task.read(table)[:20]
    cold = before.log_probabilities(examples)
    assert torch.allclose(
        torch.log_softmax(cold / temperature, -1), task.log_probabilities(examples), atol=1e-6
    )
    with pytest.raises(StoreError, match="temperature is damaged"):
        Classify.restored(task.config, stored | {"temperature": 0})


def test_a_label_that_the_model_is_sure_is_another_is_doubted() -> None:
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.95, 0.05], [0.2, 0.8], [0.3, 0.7], [0.55, 0.45]])
    targets = torch.tensor([0, 0, 1, 1, 1, 1])
    # The third is surer than the first two are on average, the last is not.
    assert label_errors(p.double().log(), targets) == [2]
    assert label_errors(p.double().log(), p.argmax(1)) == []


def test_below_a_probability_there_is_no_label(
    confident: tuple[Path, Path], command: Command
) -> None:
    run, table = confident
    rows = [json.loads(r) for r in command("predict", run, table, "--json").out.splitlines()]
    level = sorted(row["probability"] for row in rows)[200]
    some = command("predict", run, table, "--json", "--at-least", level).out.splitlines()
    for row, found in zip(rows, map(json.loads, some), strict=True):
        assert found["label"] == (row["label"] if row["probability"] >= level else None)
        assert found["probabilities"] == row["probabilities"]
    table_out = command("predict", run, table, "--as", "csv", "--at-least", level).out
    assert {line.split(",")[-2] for line in table_out.splitlines()[1:]} == {"", "x", "y"}
    wrong = command("predict", run, table, "--at-least", "80")
    assert wrong.code == 2
    assert "from 0 to 1" in wrong.err


def test_evaluate_and_train_stand_beside_baselines(
    confident: tuple[Path, Path], command: Command, tmp_path: Path
) -> None:
    run, table = confident
    done = command("evaluate", run, table)
    assert "TF-IDF + logistic regression" in done.out
    found = json.loads(command("evaluate", run, table, "--json").out)["baselines"]
    figures = found["methods"]["the most frequent label"]
    labels = [line.split(",")[1] for line in table.read_text().splitlines()[1:]]
    train = [e.raw for e in Classify.prepare(Run(run).config()).train]
    known = dict(line.split(",") for line in table.read_text().splitlines()[1:])
    often = Counter(known[text] for (text,) in train).most_common(1)[0][0]
    assert figures["accuracy"] == pytest.approx(labels.count(often) / 400)
    logged = [event for event in Run(run).events() if event["event"] == "baselines"]
    assert set(logged[0]["methods"]) == {"the most frequent label", "TF-IDF + logistic regression"}
    # The model folder alone does not know its data; and data that changed is not taken for it.
    alone = json.loads(command("evaluate", run / "model", table, "--json").out)
    assert "baselines" not in alone
    assert "only a run folder" in alone["notes"][-1]
    other = tmp_path / "other.csv"
    other.write_text(table.read_text(), encoding="utf-8")
    kept = table.read_text()
    try:
        table.write_text(kept + "brand new words,x\n" * 40, encoding="utf-8")
        changed = json.loads(command("evaluate", run, other, "--json").out)
    finally:
        table.write_text(kept, encoding="utf-8")
    assert "is not what it was" in changed["notes"][-1]


def sentences(folder: Path, count: int, words: tuple[str, ...]) -> Path:
    """A table of sentences of six words each."""
    rng = random.Random(1)
    lines = ["label\ttext"]
    for number in range(count):
        lines.append(f"{'xy'[number % 2]}\t{' '.join(rng.choices(words, k=6))} {number % 7}")
    path = folder / "sentences.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


ENGLISH = ("good", "bad", "film", "plot", "very", "not", "the", "a")


def kind_of(table: Path, **settings: object) -> tuple[str, int, tuple[str, ...]]:
    values = {"task.name": "classify", "data.source": str(table), **settings}
    prepared = Classify.prepare(Config().override(values))
    return (
        prepared.config.task.kind,
        prepared.config.model.embedding_size,
        prepared.notes,
    )


def test_many_sentences_of_words_that_come_again_are_read_by_words(tmp_path: Path) -> None:
    table = sentences(tmp_path, 700, ENGLISH)
    kind, size, notes = kind_of(table)
    assert (kind, size) == ("words", 128)
    assert any("--set task.kind=text" in note for note in notes)
    for asked in ({"task.kind": "text"}, {"text.vocabulary": "characters"}):
        kind, size, notes = kind_of(table, **asked)
        assert (kind, size) == ("text", 32)
        assert not any("--set task.kind=text" in note for note in notes)
    asked = {"task.kind": "words", "model.embedding_size": 16}
    kind, size, notes = kind_of(table, **asked)
    assert (kind, size) == ("words", 16)
    assert not any("--set task.kind=text" in note for note in notes)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (300, ENGLISH),  # too few for most words to come again
        (700, ("영화", "재미", "정말", "배우", "연기")),  # Korean
        (700, tuple(f"w{n}" for n in range(50_000))),  # words that come but once
    ],
)
def test_other_texts_are_read_by_characters(
    count: int, words: tuple[str, ...], tmp_path: Path
) -> None:
    assert kind_of(sentences(tmp_path, count, words))[0] == "text"


def test_a_classifier_of_words_is_looked_into_word_by_word(tmp_path: Path) -> None:
    table = sentences(tmp_path, 700, ENGLISH)
    settings = {"task.name": "classify", "data.source": str(table), "model.hidden_size": 8}
    task = Classify.prepare(Config().override(settings)).task
    task.model.eval()
    subject = subject_of(task)
    (passage,) = subject.passages("a very good film")
    assert passage.pieces == ("a ", "very ", "good ", "film")
    found = attribute(subject, passage)
    assert found.labels == ("a", "very", "good", "film")
    assert np.abs(found.occlusion).max() > 0
    assert len(subject.read(table)) == 700
