"""Texts of a few sentences are memorised; "hello" with a few units; an end when all is learned."""

from pathlib import Path

import pytest

import sunhwan
from sunhwan.config import Config
from sunhwan.store import Run
from sunhwan.tasks import LanguageModelTask
from sunhwan.training import train
from tests.conftest import Command
from tests.tiers import and_deep

SENTENCES = "순환 신경망을 배웠다.\nThe dog likes to run in the park.\nI play the guitar.\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "my.txt"
    path.write_text(SENTENCES, encoding="utf-8")
    return path


def prepared(**settings: object) -> tuple[Config, object, tuple[str, ...]]:
    found = LanguageModelTask.prepare(Config().override(settings))
    return found.config, found.validation, found.notes


def test_a_few_sentences_are_learned_by_heart_and_it_is_said(text: Path) -> None:
    config, validation, notes = prepared(**{"text.corpus": str(text)})
    assert validation is None
    assert (config.training.steps, config.model.dropout) == (600, 0.0)
    assert "memorised" in notes[-1]
    # A resumed run, whose configuration is complete, is the same.
    assert LanguageModelTask.prepare(config).config == config
    for asked in (
        {"training.steps": 50}, {"text.validation": str(text)}, {"text.validation_share": 0.2},
    ):  # fmt: skip
        config, validation, notes = prepared(**{"text.corpus": str(text), **asked})
        assert validation is not None
        assert not any("memorised" in note for note in notes)


def test_a_longer_text_keeps_its_tenth(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text(SENTENCES * 40, encoding="utf-8")
    _, validation, notes = prepared(**{"text.corpus": str(path)})
    assert validation is not None
    assert not any("memorised" in note for note in notes)


def test_it_ends_when_all_is_learned_and_writes_the_text(text: Path, tmp_path: Path) -> None:
    result = train(
        Config().override({"text.corpus": str(text), "training.threads": 1}), tmp_path / "run"
    )
    assert result.stopped == "learned"
    assert result.steps < 600
    (sample,) = sunhwan.load(result.run).sample("The dog", length=26, temperature=0)
    assert sample.text.startswith(" likes to run in the park.")
    config = Run(result.run).config()
    assert config.training.stop_loss == 0.01


def test_a_loss_of_nothing_never_ends_it_where_that_is_asked(text: Path, tmp_path: Path) -> None:
    settings = {
        "text.corpus": str(text), "training.steps": 20, "training.validate_every": 5,
        "model.hidden_size": 4, "training.threads": 1,
    }  # fmt: skip
    ends = [
        train(Config().override(settings | {"training.stop_loss": level}), tmp_path / name)
        for level, name in ((0.0, "never"), (100.0, "at_once"))
    ]
    assert [(end.stopped, end.steps) for end in ends] == [("budget", 20), ("learned", 5)]


@pytest.mark.parametrize("cell", and_deep(["gru"], ["elman", "lstm"]))
def test_hello_is_learned_by_three_units(cell: str, tmp_path: Path) -> None:
    settings = {
        "text.corpus": "hello", "model.cell": cell, "model.hidden_size": 3, "training.threads": 1,
        "training.validations": 1,
    }  # fmt: skip
    run = train(Config().override(settings), tmp_path / "run").run
    (sample,) = sunhwan.load(run).sample("h", length=9, temperature=0)
    assert sample.prompt + sample.text == "hellohello"


def test_a_cell_without_recurrent_matrices_learns_hello(command: Command, tmp_path: Path) -> None:
    done = command(
        "train", "hello", "--cell", "mingru", "--steps", 3, "--out", tmp_path / "run", "--quiet"
    )
    assert done.code == 0, done.err
