"""Unaligned many to many: what is read, what is written, and what is refused in one sentence."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sunhwan
from sunhwan.errors import StoreError, UsageError
from sunhwan.metrics import bleu, chrf
from sunhwan.store import load_model
from sunhwan.tasks import Translate
from sunhwan.tasks.common.encoder_decoder_scores import EncoderDecoderScores
from tests.conftest import Command

SMALL = (
    "--threads=1", "--set=model.hidden_size=32", "--set=model.embedding_size=16",
    "--set=model.dropout=0", "--set=data.batch_size=16", "--set=training.learning_rate=0.02",
    "--set=text.vocabulary=characters", "--quiet",
)  # fmt: skip
HANGUL = "영일이삼사오육칠팔구"


def backwards(folder: Path, header: str = "source\ttarget") -> Path:
    """Digits and, in the opposite order, their Korean names: nothing stands where it stood."""
    rng = random.Random(1)
    lines = [header] if header else []
    for _ in range(400):
        digits = [rng.randrange(10) for _ in range(rng.randint(1, 4))]
        names = "".join(HANGUL[digit] for digit in reversed(digits))
        lines.append("".join(map(str, digits)) + "\t" + names)
    path = folder / "backwards.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def learn(command: Command, file: Path, out: Path, *options: object, steps: int = 2) -> Path:
    done = command(
        "train", "--task", "translate", file, "--out", out, "--steps", steps, *SMALL, *options
    )
    assert done.code == 0, done.err
    return out


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned to read backwards."""
    folder = tmp_path_factory.mktemp("learned")
    settings = dict(
        option.removeprefix("--set=").split("=") for option in SMALL if "--set" in option
    )
    config = sunhwan.Config().override(
        {
            "task.name": "translate",
            "data.source": str(backwards(folder)),
            "training.steps": 160,
            "training.validations": 2,
            **{name: json.loads(v) if v[0].isdigit() else v for name, v in settings.items()},
        }
    )
    return sunhwan.train(config, folder / "run").run


def test_it_reads_backwards(learned: Path, command: Command, tmp_path: Path) -> None:
    questions = tmp_path / "new.txt"
    questions.write_text("305\n7\n1249\n", encoding="utf-8")
    right = ["오영삼", "칠", "구사이일"]
    assert command("predict", learned, questions).out.splitlines() == right
    rows = command("predict", learned, questions, "--as", "tsv").out.splitlines()
    assert rows[0].split("\t")[1:] == ["output", "log_probability"]
    assert [row.split("\t")[:2] for row in rows[1:]] == [
        ["305", right[0]], ["7", right[1]], ["1249", right[2]],
    ]  # fmt: skip
    lines = command("predict", learned, questions, "--json", "--beam", 3).out.splitlines()
    for line, question, output in zip(lines, ("305", "7", "1249"), right, strict=True):
        answer = json.loads(line)
        assert (answer["input"], answer["output"]) == (question, output)
        assert answer["answers"][0] == {k: answer[k] for k in ("output", "log_probability")}
        assert len(answer["answers"]) == 3
        assert len({one["output"] for one in answer["answers"]}) == 3
        assert -1 < answer["log_probability"] < 0
    greedy = command("predict", learned, questions, "--beam", 1, "--json").out.splitlines()
    assert [json.loads(line)["output"] for line in greedy] == right
    assert [len(json.loads(line)["answers"]) for line in greedy] == [1, 1, 1]


def test_attention_is_the_alignment(learned: Path, command: Command, tmp_path: Path) -> None:
    (answer,) = sunhwan.load(learned).predict(["1249"])
    source, target, weights = answer.alignment
    assert (source, target) == (list("1249"), list("구사이일"))
    assert weights.shape == (4, 4)
    assert torch.allclose(weights.sum(1), torch.ones(4), atol=1e-5)
    (tmp_path / "new.txt").write_text("1249\n7\n", encoding="utf-8")
    picture = tmp_path / "attention.png"
    done = command("predict", learned, tmp_path / "new.txt", "--picture", picture)
    assert done.code == 0, done.err
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_evaluate_tells_bleu_and_chrf(learned: Path, command: Command, tmp_path: Path) -> None:
    file = backwards(tmp_path)
    figures = json.loads(command("evaluate", learned, file, "--json").out)
    assert figures["accuracy"] > 0.95
    assert figures["exact"] > 0.9
    assert figures["chrf"] > 90
    assert figures["bleu"] > 90
    assert "tok:char" in figures["signatures"]["bleu"]
    shown = command("evaluate", learned, file).out
    assert "chrF" in shown
    assert "backwards.tsv, line 2" in shown


def test_columns_are_found_named_and_turned_round(command: Command, tmp_path: Path) -> None:
    tatoeba = tmp_path / "kor.txt"
    tatoeba.write_text(
        "".join(f"Go {n}.\t가 {n}.\tby someone\n" for n in range(30)), encoding="utf-8"
    )
    run = learn(command, tatoeba, tmp_path / "headerless")
    assert load_model(run).task.preprocessing()["inputs"] == ["1"]
    assert load_model(run).task.preprocessing()["target"] == "2"
    chatbot = tmp_path / "chat.csv"
    lines = [f'질문 {n},"네, {n}요",0' for n in range(30)]
    chatbot.write_text("Q,A,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    codec = load_model(learn(command, chatbot, tmp_path / "chat")).task.preprocessing()
    assert (codec["inputs"], codec["target"]) == (["Q"], "A")
    named = tmp_path / "named.tsv"
    rows = "".join(f"Go {n}.\t가 {n}.\n" for n in range(30))
    named.write_text("english\tkorean\n" + rows, encoding="utf-8")
    for name, options, found in (
        ("there", (), ("english", "korean")),
        ("back", ("--input", "korean", "--target", "english"), ("korean", "english")),
        (
            "half",
            (
                "--input",
                "Korean",
            ),
            ("korean", None),
        ),
    ):
        if found[1] is None:
            done = command(
                "train", "--task", "translate", named, *options, "--out", tmp_path / name
            )
            assert "name one of them" in done.sentence
            continue
        codec = load_model(learn(command, named, tmp_path / name, *options)).task.preprocessing()
        assert (codec["inputs"], codec["target"]) == ([found[0]], found[1])


def test_vocabularies_are_of_each_side_alone(command: Command, tmp_path: Path) -> None:
    task = load_model(learn(command, backwards(tmp_path), tmp_path / "run")).task
    assert isinstance(task, Translate)
    codec = task.preprocessing()
    assert set("0123456789") < set(codec["source"]["vocabulary"]["tokens"])
    assert not set("0123456789") & set(codec["vocabulary"]["tokens"])
    assert codec["limit"] == 5
    assert codec["vocabulary"]["eos_id"] is not None
    assert codec["source"]["vocabulary"]["eos_id"] is None
    # UNK decodes to no text: it is never said, though a model may find it likeliest.
    with torch.no_grad():
        task.model.decoder.output.bias[task.vocabulary.unk_id] = 100.0
    assert all("\ufffd" not in answer.text for answer in task.predict(["12", "", "한글"]))


def test_sound_or_other_frames_become_text(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = ["file\ttranscript"]
    for number in range(60):
        word = rng.integers(0, 3, rng.integers(1, 4))
        frames = np.repeat(np.eye(3)[word], rng.integers(2, 5), 0) * 30 + rng.normal(size=3)
        np.save(tmp_path / f"{number}.npy", frames.astype("f4"))
        lines.append(f"{number}.npy\t{''.join('가나다'[w] for w in word)}")
    file = tmp_path / "speech.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = learn(command, file, tmp_path / "run", steps=60)
    assert "frames of 3 numbers" in command("info", run).out
    figures = json.loads(command("evaluate", run, file, "--json").out)
    assert figures["accuracy"] > 0.8
    (tmp_path / "some.txt").write_text("3.npy\n", encoding="utf-8")
    picture = tmp_path / "looked.png"
    done = command("predict", run, tmp_path / "some.txt", "--json", "--picture", picture)
    assert json.loads(done.out)["input"] == "3.npy"
    assert picture.is_file()


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("source\ttarget\nx\t가\ny\t\n", ("--strict",), "line 3: the column 'target' is empty"),
        ("source\ttarget\nx\t가\ny\n", (), "line 3"),
        ("text\tname\nx\t가\ny\t나\n", (), "no column"),
        ("source\ttarget\nx\t가\n", ("--target", "goal"), "no column 'goal'"),
        (
            "sentence1\tsentence2\tanswer\nx\ty\t가\nz\tz\t나\n",
            ("--input", "sentence1", "--input", "sentence2"),
            "join",
        ),
    ],
    ids=["no answer", "ragged", "no column", "named wrongly", "two inputs"],
)
def test_a_wrong_file_is_one_sentence(
    command: Command, tmp_path: Path, text: str, options: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "bad.tsv"
    file.write_text(text, encoding="utf-8")
    done = command(
        "train", "--task", "translate", file, "--out", tmp_path / "run", *options,
        "--set", "text.validation_share=0",
    )  # fmt: skip
    assert said in done.sentence
    assert not (tmp_path / "run").exists()


def test_wrong_options_are_one_sentence(learned: Path, command: Command, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("12\n", encoding="utf-8")
    new = tmp_path / "new.txt"
    assert "must be at least 1" in command("predict", learned, new, "--beam", 0).sentence
    plain = learn(command, backwards(tmp_path), tmp_path / "plain", "--set=model.attention=none")
    picture = tmp_path / "picture.png"
    assert "no attention" in command("predict", plain, new, "--picture", picture).sentence
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    sentence = command("predict", learned, tmp_path / "empty.txt", "--picture", picture).sentence
    assert "empty" in sentence
    file = tmp_path / "labels.tsv"
    file.write_text("text\tlabel\n" + "x\ta\ny\tb\n" * 20, encoding="utf-8")
    labels = tmp_path / "labels"
    done = command("train", "--task", "classify", file, "--out", labels, "--steps", 1, *SMALL)
    assert done.code == 0, done.err
    assert "--beam" in command("predict", labels, new, "--beam", 3).sentence
    assert "no attention" in command("predict", labels, new, "--picture", picture).sentence
    assert not picture.exists()
    with pytest.raises(UsageError, match="at least 1"):
        sunhwan.load(learned).predict(["12"], beam=0)


@pytest.mark.parametrize(
    "damage",
    [
        {"limit": "long"},
        {"limit": 0},
        {"source": None},
        {"vocabulary": {"kind": "bytes", "tokens": [], "unk_id": None, "eos_id": None}},
    ],
    ids=str,
)
def test_a_damaged_codec_is_refused(learned: Path, damage: dict[str, Any]) -> None:
    task = load_model(learned).task
    with pytest.raises(StoreError, match="stored"):
        Translate.restored(task.config, task.preprocessing() | damage)


def test_the_model_that_is_kept_is_the_one_that_writes_best() -> None:
    early = EncoderDecoderScores(2.0, 0.4, 0.1, 10, 10)
    assert early._replace(loss=3.0, accuracy=0.5).rank < early.rank
    assert early._replace(loss=1.9).rank < early.rank


def test_figures_of_sacrebleu() -> None:
    right = ["나는 학교에 간다.", "비가 온다."]
    assert bleu(right, right).score == pytest.approx(100)
    assert chrf(right, right).score == pytest.approx(100)
    assert "tok:char" in bleu(right, right).signature
    english = ["I go to school by bus.", "It rains in the city today."]
    assert "tok:13a" in bleu(english, english).signature
    assert chrf(["나는 학교에 갔다.", "비가 온다."], right).score < 100
    assert bleu(["I go to work by bus.", english[1]], english).score < 90
    assert "nc:6" in chrf(right, right).signature
