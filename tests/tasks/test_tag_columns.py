"""Several columns of a treebank at once: one encoder, a head each, lemmas by edit scripts."""

import json
import random
from pathlib import Path

import pytest

import sunhwan
from sunhwan.store import load_model
from sunhwan.tasks import Tag
from tests.conftest import Command
from tests.tasks.test_tag import SMALL

FORMS = {
    "s": ("NOUN", "Number=Plur"),
    "ing": ("VERB", "VerbForm=Part"),
    "ed": ("VERB", "Tense=Past"),
}
STEMS = [a + b for a in ("wa", "ro", "ti", "me", "lu") for b in ("lk", "nt", "rp", "mb")]


def inflected(path: Path, count: int = 60, seed: int = 1) -> Path:
    """CoNLL-U of made-up stems with endings that tell their part of speech and features."""
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        for number in range(1, rng.randint(3, 6)):
            stem, ending = rng.choice(STEMS), rng.choice(list(FORMS))
            upos, feats = FORMS[ending]
            cells = (number, stem + ending, stem, upos, "_", feats, 0, "dep", "_", "_")
            lines.append("\t".join(map(str, cells)))
        lines.append("")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joint")
    config = sunhwan.Config().override(
        {
            "task.name": "tag", "task.target": "upos,feats,lemma",
            "data.source": str(inflected(folder / "train.conllu")), "data.batch_size": 8,
            "text.validation": str(inflected(folder / "dev.conllu", 20, 2)),
            "model.hidden_size": 8, "model.embedding_size": 6, "model.letter_size": 8,
            "training.steps": 50, "training.learning_rate": 0.03, "training.threads": 1,
            "training.validations": 2,
        }
    )  # fmt: skip
    return sunhwan.train(config, folder / "run").run


def test_every_column_is_learned_told_and_written(joint: Path, command: Command) -> None:
    dev = joint.parent / "dev.conllu"
    figures = json.loads(command("evaluate", joint, dev, "--json").out)
    for name in ("upos", "feats", "lemma"):
        assert figures[f"{name}_accuracy"] > 0.95
    assert figures["upos_accuracy"] == figures["accuracy"]
    (answer,) = sunhwan.load(joint).predict(["walked zonting"])
    assert answer.rows == (
        ("walked", "VERB", "Tense=Past", "walk"), ("zonting", "VERB", "VerbForm=Part", "zont"),
    )  # fmt: skip
    assert answer.values["lemma"] == ["walk", "zont"]
    assert answer.conllu is not None
    assert answer.conllu[0][1:6] == ("walked", "walk", "VERB", "_", "Tense=Past")
    shown = command("evaluate", joint, dev).out
    assert "lemma" in shown
    assert "feats" in shown
    # What is written is read again, and everything in it is what was predicted.
    predicted = joint.parent / "predicted.conllu"
    command("predict", joint, dev, "--as", "conllu", "--out", predicted)
    again = json.loads(command("evaluate", joint, predicted, "--json").out)
    assert [again[f"{name}_accuracy"] for name in ("upos", "feats", "lemma")] == [1, 1, 1]


def test_damaged_columns_are_refused(joint: Path) -> None:
    task = load_model(joint).task
    assert isinstance(task, Tag)
    kept = task.preprocessing()
    script = kept["further"][1]["labels"][0]
    for further in (
        {}, [3], [{"name": "x"}], [{"name": "lemma", "scripts": True, "labels": [script, "[]"]}],
    ):  # fmt: skip
        with pytest.raises(sunhwan.SunhwanError, match="damaged"):
            Tag.restored(task.config, kept | {"further": further})


def test_the_columns_that_can_be_learned(joint: Path, command: Command, tmp_path: Path) -> None:
    train = (
        "train",
        "--task",
        "tag",
        joint.parent / "train.conllu",
        "--out",
        tmp_path / "run",
        *SMALL,
    )
    assert "xpos" in command(*train, "--target", "upos,xpos").sentence
    assert "twice" in command(*train, "--target", "upos,upos").sentence
    assert "leave deprel out" in command(*train, "--target", "upos,deprel").sentence
    assert command("export", joint, "--to", "c", "--out", tmp_path / "a.c").code == 2
    # A lemma alone is learned by edits, too, unless that is asked otherwise.
    for option, labels in (("true", 3), ("false", len(STEMS))):
        out = tmp_path / option
        done = command(
            "train", "--task", "tag", joint.parent / "train.conllu", "--out", out, "--steps", 2,
            "--target", "lemma", f"--set=task.edit_scripts={option}", *SMALL,
        )  # fmt: skip
        assert done.code == 0, done.err
        assert len(load_model(out).task.labels or ()) == labels
