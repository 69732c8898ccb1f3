"""One to one: a vector, an image or labels → a label, as a sequence of one step."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import torch

import sunhwan
from sunhwan.data import Ragged
from sunhwan.tasks import Classify
from sunhwan.training import Reporter
from tests.conftest import Command

SMALL = (
    "--threads=1", "--set=model.hidden_size=12", "--set=model.embedding_size=8",
    "--set=data.batch_size=8", "--set=training.learning_rate=0.02", "--quiet",
)  # fmt: skip


def learn(command: Command, file: Path, out: Path, *options: object, steps: int = 100) -> Classify:
    done = command(
        "train", "--task", "classify", file, "--out", out, "--steps", steps, *SMALL, *options
    )
    assert done.code == 0, done.err
    task = sunhwan.load(out)
    assert isinstance(task, Classify)
    return task


def flowers(folder: Path) -> Path:
    """Two lengths, and of which of three kinds a flower is."""
    rng = np.random.default_rng(1)
    lines = ["id,petal,sepal,꽃"]
    for number in range(90):
        kind = number % 3
        petal, sepal = rng.normal((1, 4, 7)[kind], 0.5), rng.normal((300, 100, 300)[kind], 10)
        lines.append(f"{number},{petal:.2f},{sepal:.1f},{('장미', '백합', '붓꽃')[kind]}")
    file = folder / "flowers.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_a_vector_has_a_label(command: Command, tmp_path: Path) -> None:
    file, run = flowers(tmp_path), tmp_path / "run"
    task = learn(command, file, run, "--target", "꽃")
    assert (task.config.task.kind, task.columns.inputs) == ("vector", ("petal", "sepal"))
    scores = json.loads(command("evaluate", run, file, "--json").out)
    assert scores["accuracy"] > 0.95
    answers = [a.values["label"] for a in task.predict([("1", "300"), "4\t100", ("7", "3e2")])]
    assert answers == ["장미", "백합", "붓꽃"]
    questions = tmp_path / "new.tsv"
    questions.write_text("1\t300\n4\tfew\n", encoding="utf-8")
    assert "new.tsv, line 2: 'few' is not a number" in command("predict", run, questions).sentence
    for option in ("-n", "--temperature", "--seed"):
        said = command("predict", run, questions, option, "2").sentence
        assert said == f"sunhwan: {option}: a model to classify writes nothing"


def test_its_sequence_has_one_step(command: Command, tmp_path: Path) -> None:
    task = learn(command, flowers(tmp_path), tmp_path / "run", "--target", "꽃", steps=1)
    examples = task.read(tmp_path / "flowers.csv")
    batch = task.collate(examples[:5])
    (inputs,) = batch.inputs
    assert inputs.values.shape == (5, 1, 2)
    assert inputs.lengths.tolist() == [1] * 5
    # Whatever the pooling, of one step it is that step.
    task.model.eval()
    y = task.model.encoder(inputs)
    assert y.shape[:2] == (5, 1)
    torch.testing.assert_close(task.model.pooling(y, inputs.lengths), y[:, 0])
    # A row's numbers reach no other row, NaN included.
    broken = inputs.values.clone()
    broken[2] = torch.nan
    found = task.model([Ragged(broken, inputs.lengths)])
    kept = [0, 1, 3, 4]
    torch.testing.assert_close(found[kept], task.model([inputs])[kept])
    assert found[2].isnan().all()


def test_an_image_has_a_label(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = ["image\tlabel"]
    for number in range(40):
        pixels = rng.integers(0, 80, (8, 8))
        pixels[:, :4] += 100 * (number % 2)
        PIL.Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png\t{('dark', '밝음')[number % 2]}")
    file = tmp_path / "images.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    task = learn(command, file, tmp_path / "run", "--set=task.image_size=4", steps=60)
    assert task.config.task.kind == "vector"
    assert json.loads(command("evaluate", tmp_path / "run", file, "--json").out)["accuracy"] == 1


def test_labels_have_a_label(command: Command, tmp_path: Path) -> None:
    """Exclusive or: neither of the two decides alone."""
    rows = [(a, b, "다름" if a != b else "같음") for a in "가나" for b in "가나"] * 10
    lines = ["first,second,label", *(",".join(row) for row in rows)]
    file = tmp_path / "xor.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    task = learn(
        command, file, tmp_path / "run", "--input", "first", "--input", "second",
        "--set=task.kind=labels", "--set=text.validation_share=0",
    )  # fmt: skip
    answers = [a.values["label"] for a in task.predict([row[:2] for row in rows[:4]])]
    assert answers == [row[2] for row in rows[:4]]


def test_texts_and_pairs_are_still_texts(tmp_path: Path) -> None:
    class Quiet(Reporter):
        pass

    file = tmp_path / "t.tsv"
    file.write_text(
        "text\tlabel\n" + "".join(f"{n}\t{n % 2}\n" for n in range(20)), encoding="utf-8"
    )
    config = sunhwan.Config().override(
        {
            "task.name": "classify",
            "data.source": str(file),
            "training.steps": 1,
            "model.hidden_size": 4,
        }
    )
    run = sunhwan.train(config, tmp_path / "run", reporter=Quiet()).run
    # A column that is named for texts is one, whatever its cells look like.
    assert sunhwan.load(run).config.task.kind == "text"
