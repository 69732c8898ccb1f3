"""One to many: vectors, images and labels are described; tunes are written."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import sunhwan
from sunhwan.config import Config
from sunhwan.data import read_tunes
from sunhwan.errors import DataError
from sunhwan.tasks import Describe
from sunhwan.tasks.common.columns import Columns
from sunhwan.tasks.common.pairs import split
from sunhwan.tasks.common.questions import Pair, Question
from sunhwan.tasks.describe.reading import read_described
from tests.conftest import Command

SMALL = (
    "--threads=1", "--set=model.hidden_size=16", "--set=model.embedding_size=16",
    "--set=data.batch_size=8", "--set=model.dropout=0", "--quiet",
)  # fmt: skip


def learn(
    command: Command, file: Path | str, out: Path, *options: object, steps: int = 150
) -> Path:
    done = command(
        "train", "--task", "describe", file, "--out", out, "--steps", steps, *SMALL,
        "--set=training.learning_rate=0.02", *options,
    )  # fmt: skip
    assert done.code == 0, done.err
    return out


def shapes(folder: Path, count: int = 40) -> list[tuple[str, str]]:
    """Images of a bright half, and what they show."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(count):
        image = rng.integers(0, 60, (9, 7))
        upper = bool(number % 2)
        image[slice(0, 4) if upper else slice(5, 9)] += 150
        name = f"그림{number}.png"
        PIL.Image.fromarray(image.astype(np.uint8)).save(folder / name)
        rows.append((name, "위가 밝다" if upper else "아래가 밝다"))
    return rows


def test_numbers_are_described(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = ["id,높이,너비,설명"]
    for number in range(80):
        high, wide = rng.uniform(1, 9, 2)
        lines.append(f"{number},{high:.2f},{wide:.2f},{'높다' if high > wide else '넓다'}")
    file = tmp_path / "boxes.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = learn(command, file, tmp_path / "run")
    predictor = sunhwan.load(run)
    assert isinstance(predictor, Describe)
    # The numbers of the rows say nothing, and are not read.
    assert predictor.columns == Columns(("높이", "너비"), "설명")
    answers = predictor.predict([("9", "1"), "1.5\t8"])
    assert [answer.text for answer in answers] == ["높다", "넓다"]
    questions = tmp_path / "new.csv"
    questions.write_text("너비,높이\n1,9\n8,1.5\n", encoding="utf-8")
    done = command("predict", run, questions, "--as", "tsv")
    assert [line.split("\t")[:3] for line in done.out.splitlines()] == [
        ["너비", "높이", "output"], ["1", "9", "높다"], ["8", "1.5", "넓다"],
    ]  # fmt: skip
    figures = json.loads(command("evaluate", run, file, "--json").out)
    assert figures["exact_by_beam_search"] > 0.9
    lines[3] = "2,많이,1,넓다"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "boxes.csv, line 4: '많이' is not a number" in command("evaluate", run, file).sentence


def test_images_are_described(command: Command, tmp_path: Path) -> None:
    rows = shapes(tmp_path)
    file = tmp_path / "captions.tsv"
    file.write_text("".join(f"{name}\t{text}\n" for name, text in rows), encoding="utf-8")
    run = learn(command, file, tmp_path / "run", "--set=task.image_size=6")
    assert command("predict", run, tmp_path / rows[0][0]).out == rows[0][1] + "\n"
    questions = tmp_path / "names.txt"
    questions.write_text(f"{rows[1][0]}\n{rows[2][0]}\n", encoding="utf-8")
    assert command("predict", run, questions).out.splitlines() == [rows[1][1], rows[2][1]]
    (tmp_path / rows[0][0]).write_bytes(b"no image")
    assert rows[0][0] in command("predict", run, tmp_path / rows[0][0]).sentence


def test_arrays_are_described(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 0.2, (40, 5, 5))
    x[::2, :2] += 0.8
    x[1::2, 3:] += 0.8
    file = tmp_path / "images.npz"
    np.savez(file, x=x, text=np.array(["top", "바닥"] * 20))
    run = learn(command, file, tmp_path / "run")
    settings = sunhwan.load(run).config.task
    assert (settings.kind, settings.image_size, settings.temperature) == ("vector", 5, 0.0)
    questions = tmp_path / "new.npz"
    np.savez(questions, x=x[:3])
    assert command("predict", run, questions).out.split() == ["top", "바닥", "top"]
    assert json.loads(command("evaluate", run, file, "--json").out)["exact"] == 1
    assert "new.npz has no texts" in command("evaluate", run, questions).sentence
    assert "new.npz has no texts" in command("train", "--task=describe", questions).sentence
    np.savez(questions, x=x[:3, :, :4])
    assert "row 1 has 20 numbers, but 25 are needed" in command("predict", run, questions).sentence


def test_labels_are_described(command: Command, tmp_path: Path) -> None:
    lines = ["animal\tnumber\ttext"]
    for number in range(40):
        animal, count = ("개", "소", "닭")[number % 3], (1, 2)[number // 3 % 2]
        lines.append(f"{animal}\t{count}\t{animal} {'하나' if count == 1 else '둘'}")
    file = tmp_path / "animals.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = learn(
        command, file, tmp_path / "run", "--set=task.kind=labels", "--set=text.validation_share=0"
    )
    answers = sunhwan.load(run).predict([("개", "2"), ("닭", "1")])
    assert [answer.text for answer in answers] == ["개 둘", "닭 하나"]
    questions = tmp_path / "q.txt"
    questions.write_text("소\t2\n말\t1\n", encoding="utf-8")
    assert command("predict", run, questions).sentence.startswith(
        f"sunhwan: {questions}, line 2: '말' was not seen in training, which knew 개, 닭, 소"
    )


TUNE = "X:{0}\nT:tune {0}\nM:{1}\nL:1/8\nK:{2}\n{3}\n\n"


def tunes(folder: Path) -> Path:
    """Tunes of two metres and keys, of like bars."""
    rng = np.random.default_rng(1)
    file = folder / "tunes.abc"
    bars = {"2/4": ["{0}2 {1}2", "{0}{1} {0}2"], "3/4": ["{0}2 {1}2 {0}2", "{1}4 {0}2"]}
    scale = {"G": "GBd", "D": "DFA"}
    text = ""
    for number in range(64):
        metre, key = ("2/4", "3/4")[number % 2], ("G", "D")[number // 2 % 2]
        body = [
            str(rng.choice(bars[metre])).format(*rng.choice(list(scale[key]), 2)) for _ in "1234"
        ]
        text += TUNE.format(number, metre, key, "|".join(body) + "|]")
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.slow
def test_tunes_are_drawn(command: Command, tmp_path: Path) -> None:
    file = tunes(tmp_path)
    run = learn(command, file, tmp_path / "run", "--set=model.hidden_size=32", steps=200)
    task = sunhwan.load(run)
    assert (task.config.task.temperature, task.config.model.dropout) == (0.6, 0)
    questions = tmp_path / "q.tsv"
    questions.write_text("2/4\tG\n3/4\tD\n", encoding="utf-8")
    out = tmp_path / "out.abc"
    command(
        "predict", run, questions, "-n", "3", "--seed", "5", "--temperature", "0.5", "--out", out
    )
    written = read_tunes(out)
    assert [tune.fields["X"] for tune in written] == list("123456")
    assert [(t.fields["M"], t.fields["K"]) for t in written] == [("2/4", "G")] * 3 + [
        ("3/4", "D")
    ] * 3
    for tune in written[:3]:
        assert set(tune.body) & set("FAf") == set()
    # Another seed, other tunes; the same seed, the same; at temperature 0 the likeliest.
    one, two, again = (command("predict", run, questions, "--seed", s).out for s in (1, 2, 1))
    assert one == again != two
    likeliest = [
        command("predict", run, questions, "--temperature", "0", *o).out
        for o in ((), ("--seed", "2"))
    ]
    assert likeliest[0] == likeliest[1]
    # A drawn tune is no guess at the one in the file: nothing is compared.
    figures = json.loads(command("evaluate", run, file, "--json").out)
    assert figures["exact"] is None
    assert "bleu" not in figures
    # The tunes of a file are questions too.
    values = [json.loads(line) for line in command("predict", run, file, "--json").out.splitlines()]
    assert [v["input"] for v in values[:3]] == [["2/4", "G"], ["3/4", "G"], ["2/4", "D"]]
    assert values[0]["tune"].startswith("X:1\nT:2/4 in G\nM:2/4\nL:1/8\nK:G\n")


def test_what_is_drawn_is_not_learned_by_heart(tmp_path: Path) -> None:
    file = str(tunes(tmp_path))

    def chosen(**given: object) -> tuple[float, float, float]:
        values = {f"task.{name}" if name == "temperature" else f"training.{name}": value
                  for name, value in given.items()}  # fmt: skip
        plain = {"task.name": "describe", "data.source": file, "model.hidden_size": 4}
        config = Describe.prepare(Config().override(plain | values)).config
        return config.task.temperature, config.model.dropout, config.training.epochs

    assert chosen() == (0.6, 0.5, 12)
    assert chosen(steps=3) == (0.6, 0.5, 0)
    assert chosen(temperature=0.0) == (0.0, 0.2, 40)


def test_the_digits_that_are_tested_are_not_learned() -> None:
    learned = read_described(Path("digits"), Config())
    prepared = Describe.prepare(
        Config().override({"task.name": "describe", "data.source": "digits", "training.steps": 1})
    )
    task = prepared.task
    tested = task.read(Path("digits"))
    assert len(learned.pairs) + len(tested) == 1797
    assert 0.17 < len(tested) / 1797 < 0.23
    known = {pair.question.cells for pair in learned.pairs}
    assert known.isdisjoint(example.raw[:-1] for example in tested)
    assert len(prepared.train) + len(prepared.validation) == len(learned.pairs)
    assert [question.cells for question in task.questions(Path("digits"))] == [
        example.raw[:-1] for example in tested
    ]


def test_digits_are_the_default(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("train", "--task", "describe", "--out", "run", "--steps", 2, "--threads=1")
    assert done.code == 0, done.err
    assert "images of handwritten digits" in done.out
    assert sunhwan.load("run").config.task.image_size == 8


def test_what_is_read_is_chosen_by_what_is_there(tmp_path: Path) -> None:
    def chosen(text: str, **given: object) -> tuple[Columns, str]:
        file = tmp_path / "t.csv"
        file.write_text(text, encoding="utf-8")
        config = Config().override({f"task.{name}": value for name, value in given.items()})
        found = read_described(file, config)
        return found.columns, found.kind

    plain = "a,b,said\n1,2,one\n3,4,two\n"
    assert chosen(plain) == (Columns(("a", "b"), "said"), "vector")
    assert chosen(plain, input="b") == (Columns(("b",), "said"), "vector")
    assert chosen(plain, kind="labels") == (Columns(("a", "b"), "said"), "labels")
    assert chosen("x,y,text,note\n1,2,a,b\n")[0] == Columns(("x", "y"), "text")
    assert chosen("x,y,text,note\n1,2,a,b\n", target="note")[0] == Columns(("x", "y"), "note")
    assert chosen("colour,size,caption\nred,xl,a\n")[0] == Columns(("colour", "size"), "caption")
    assert chosen("1,2,a\n3,4,b\n") == (Columns(("1", "2"), "3"), "vector")
    assert chosen("a.png,가\nb.png,나\n") == (Columns(("1",), "2"), "vector")
    with pytest.raises(DataError, match="only the column 'text'"):
        chosen("text\na\n")


def test_what_cannot_be_described_is_refused(command: Command, tmp_path: Path) -> None:
    file = tunes(tmp_path)
    table = tmp_path / "t.csv"
    table.write_text("a,text\n1,x\n2,y\n", encoding="utf-8")
    train = ("train", "--task=describe", "--steps=1")
    assert "different things to describe" in command(*train, file, table).sentence
    assert "reads no frames" in command(*train, table, "--set=task.kind=frames").sentence
    table.write_text("a,text\n1,x\n2,\n", encoding="utf-8")
    assert "line 3: the column 'text' is empty" in command(*train, table, "--strict").sentence
    assert "none.csv" in command(*train, tmp_path / "none.csv").sentence


def test_a_label_that_only_validation_would_have_is_learned() -> None:
    rows = [Pair(Question((f"열{number}",)), f"{number}") for number in range(50)]
    train, held_out = split(rows, 0.5, labels=True)
    assert (len(train), held_out) == (50, [])
    common = [Pair(Question(("열",)), f"{number}") for number in range(50)]
    train, held_out = split([*common, *rows], 0.5, labels=True)
    assert {pair.question.cells for pair in held_out} == {("열",)}
    assert 15 < len(held_out) < 35
    assert len(train) + len(held_out) == 100


def test_rows_of_a_numpy_file_are_described(command: Command, tmp_path: Path) -> None:
    rows = [f"{n % 2},{n},{('low', 'high')[n % 2]}" for n in range(40)]
    (tmp_path / "x.csv").write_text("\n".join(["tone,size,said", *rows]), encoding="utf-8")
    run = learn(command, tmp_path / "x.csv", tmp_path / "run", steps=2)
    np.save(tmp_path / "x.npy", np.array([[0, 2], [1, 3], [1, 1]], np.float32))
    done = command("predict", run, tmp_path / "x.npy")
    assert (done.code, len(done.out.splitlines())) == (0, 3), done.err
