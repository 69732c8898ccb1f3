"""`sunhwan tune`: trials, pruning, going on, the best settings as a file."""

import json
import math
from pathlib import Path

import pytest

from sunhwan.config import Config
from sunhwan.errors import UsageError
from sunhwan.tuning import Choice, Range, Study, default_space, parse_space
from tests.conftest import TEXT, TINY, Command

pytest.importorskip("optuna")

SPACE = ("training.learning_rate=0.0001..0.05", "model.cell=elman,gru")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    text = tmp_path / "fox.txt"
    text.write_text(TEXT * 3, encoding="utf-8")
    settings = {
        "text.corpus": [str(text)], "training.steps": 6, "training.threads": 1, "model.hidden_size": 6,
        "training.sample_length": 0, "training.validations": 3, "data.batch_size": 2,
    }  # fmt: skip
    return Config().override(settings)


def test_the_first_trial_is_as_given_and_the_best_is_the_least(
    config: Config, tmp_path: Path
) -> None:
    study = Study(config, parse_space(SPACE, config), tmp_path / "study")
    ended = []
    while len(ended) < 8:
        assert study.run(study.cpu_seconds / 60 + 1e-9, ended=ended.append)
    assert study.trials == ended
    assert ended[0].settings == {}
    complete = [trial for trial in ended if trial.state == "complete"]
    assert study.best.rank == min(trial.rank for trial in complete)
    assert study.best.rank < max(trial.rank for trial in complete)
    for trial in ended[1:]:
        assert 0.0001 <= trial.settings["training.learning_rate"] <= 0.05
        assert trial.settings["model.cell"] in ("elman", "gru")
    kept = Config.load(tmp_path / "study" / "trials" / f"{study.best.number:04d}" / "config.toml")
    wanted = study.settings(study.best)
    assert kept.training.learning_rate == wanted.training.learning_rate or not study.best.settings
    assert kept.model.cell == wanted.model.cell


def test_a_study_that_goes_on_is_the_one_that_never_stopped(config: Config, tmp_path: Path) -> None:
    def trials(folder: Path, opened_anew: bool) -> list[tuple]:
        study = Study(config, parse_space(SPACE, config), folder)
        for _ in range(7):
            if opened_anew:
                study = Study(config, parse_space(SPACE, config), folder)
            study.run(study.cpu_seconds / 60 + 1e-9)
        return [(t.settings, t.state, t.rank) for t in study.trials]

    assert trials(tmp_path / "a", False) == trials(tmp_path / "b", True)


def test_a_trial_of_a_killed_process_is_made_again(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = parse_space(SPACE, config)
    study = Study(config, space, tmp_path / "study")
    study.run(1e-9)

    def killed(config: Config, *arguments: object, **options: object) -> None:
        asked.append((config.training.learning_rate, config.model.cell))
        raise KeyboardInterrupt

    asked: list[tuple] = []
    with monkeypatch.context() as patch:
        patch.setattr("sunhwan.tuning.study.train", killed)
        with pytest.raises(KeyboardInterrupt):
            study.run(math.inf)
    again = Study(config, space, tmp_path / "study")
    again.run(again.cpu_seconds / 60 + 1e-9)
    settings = again.trials[-1].settings
    assert [(settings["training.learning_rate"], settings["model.cell"])] == asked


def test_what_is_hopeless_is_pruned(config: Config, tmp_path: Path) -> None:
    """A learning rate of next to nothing is far behind the others at the first validation."""
    space = {"training.learning_rate": Range(0.01, 0.02, False, False)}
    study = Study(config, space, tmp_path / "study")
    while len(study.trials) < 5:
        study.run(study.cpu_seconds / 60 + 1e-9)
    study.space = {"training.learning_rate": Range(1e-9, 2e-9, False, False)}
    study.run(study.cpu_seconds / 60 + 1e-9)
    last = study.trials[-1]
    assert last.state == "pruned"
    assert last.rank > study.best.rank


def test_trials_that_fail_end_the_study_with_their_reason(config: Config, tmp_path: Path) -> None:
    study = Study(
        config.override({"text.corpus": [str(tmp_path / "gone.txt")]}),
        {"model.dropout": Range(0, 0.5, False, False)},
        tmp_path / "study",
    )
    with pytest.raises(UsageError, match=r"5 trials in a row failed, .*gone\.txt"):
        study.run(math.inf)


def test_the_command_goes_from_trials_to_a_table(
    command: Command, config: Config, tmp_path: Path
) -> None:
    out = tmp_path / "tuned"
    asked = (
        "tune", *config.sources, "--out", out, "--steps=6", "--seeds=2", "--cpu-minutes=0.02",
        *TINY[1:], "--set=training.learning_rate=0.000001", "--space=training.learning_rate=0.01..0.02",
    )  # fmt: skip
    done = command(*asked, "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert {variant["name"] for variant in report["variants"]} == {"given", "tuned"}
    assert report["variants"][0]["name"] == "tuned"
    assert 0.01 <= Config.load(out / "best.toml").training.learning_rate <= 0.02
    for name in ("trials.png", "comparison.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    trials = json.loads((out / "trials.json").read_text("utf-8"))
    assert len(trials) >= 2
    shown = command(*asked, "--language", "ko")
    assert "가장 좋은 시행" in shown.out
    assert json.loads((out / "trials.json").read_text("utf-8")) == trials
    assert "other settings" in command(*asked, "--set=model.dropout=0.1").sentence


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ("model.dropout", "section.key=value"),
        ("model.dropout=0.5..0.1", "the smaller one first"),
        ("model.dropout=0.1..2", "between -1 and 0.95"),
        ("model.hidden_size=1.5..8", "whole number"),
        ("model.hidden_size=8", "two values or more"),
        ("model.cell=gru,gru", "each once"),
        ("model.cell=gru,grru", "must be one of"),
        ("model.nothing=1,2", "unknown key"),
    ],
)
def test_spaces_that_cannot_be_searched_are_one_sentence(
    command: Command, tmp_path: Path, space: str, told: str
) -> None:
    out = tmp_path / "out"
    assert told in command("tune", "hello", "--steps=2", "--out", out, f"--space={space}").sentence
    assert not out.exists()


def test_spaces_are_read_as_they_are_meant(config: Config) -> None:
    space = parse_space(
        ["model.hidden_size=8..200", "model.dropout=0..0.5", "model.cell=gru,lstm"], config
    )
    assert space == {
        "model.hidden_size": Range(8, 200, True, True),
        "model.dropout": Range(0, 0.5, False, False),
        "model.cell": Choice(("gru", "lstm")),
    }
    assert default_space(config)["model.hidden_size"] == Range(3, 12, True, True)
