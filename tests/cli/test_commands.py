"""Every command: what it prints, and what it answers to a mistake."""

import io
import json
import math
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

import sunhwan.plots
from sunhwan import __version__
from sunhwan.api import load
from sunhwan.cli.app import app
from sunhwan.config import Config
from sunhwan.config import settings as all_settings
from sunhwan.store import Run
from tests.conftest import TEXT, TINY, Command, draw_losses, losses

FIGURES = {
    "loss",
    "perplexity",
    "bits_per_character",
    "accuracy",
    "tokens",
    "characters",
    "unknown",
}


def test_train_ends_with_one_json_object(command: Command, text_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = command("train", text_file, "--out", out, "--steps", 12, "--json", "--seed=3", *TINY)
    assert done.code == 0, done.err
    *rest, last = done.out.splitlines()
    assert rest == [], "progress is on stderr"
    assert "step" in done.err
    report = json.loads(last)
    assert (report["run"], report["steps"], report["stopped"]) == (str(out), 12, "budget")
    assert report["tokens"] == 12 * 4 * 8
    assert report["seconds"] > 0
    assert set(report["best"]) == FIGURES
    assert 1 <= report["best_step"] <= 12
    events = losses(out)
    assert [e["step"] for e in events if e["event"] == "step"] == list(range(1, 13))
    best = min((e for e in events if e["event"] == "validation"), key=lambda e: e["loss"])
    assert best["loss"] == report["best"]["loss"]
    config = Run.open(out).config()
    assert (config.training.seed, config.model.hidden_size) == (3, 6)
    assert load(out).facts()["validation"] == report["best"]

    again = command("resume", out, "--json", "--quiet")
    assert (again.code, again.err) == (0, "")
    resumed = json.loads(again.out)
    assert {k: v for k, v in resumed.items() if k != "seconds"} == {
        k: v for k, v in report.items() if k != "seconds"
    }


def test_train_draws_the_picture(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the name of the run is no formula and in letters that few fonts have."""
    from sunhwan.cli import main

    monkeypatch.setattr(sunhwan.plots, "draw_losses", draw_losses)
    out = tmp_path / "$\\frac$ 한글 \U0001f600"
    arguments = ["train", str(text_file), "--out", str(out), "--steps=3", "--quiet", *TINY]
    monkeypatch.setattr(sys, "argv", ["sunhwan", *arguments])
    with pytest.raises(SystemExit) as exit:
        main()
    assert not exit.value.code
    picture = (out / "loss.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5000


def test_train_says_how_it_ended_and_what_is_next(
    command: Command, text_file: Path, tmp_path: Path
) -> None:
    done = command("train", text_file, "--out", tmp_path / "run", "--epochs", 0.5, *TINY)
    assert done.code == 0
    assert "stopped by budget" in done.out
    assert f"sunhwan sample {tmp_path / 'run'}" in done.out
    assert done.err == ""


def test_settings_come_from_file_and_options(
    command: Command, text_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[training]\nminutes = 5.0\nseed = 9\n[model]\ncell = 'elman'\n")
    out = tmp_path / "run"
    done = command(
        "train", text_file, "--config", file, "--steps=2", "--out", out, "--quiet", *TINY,
        "--set", "model.cell=ugrnn", "--set=training.momentum=0.5", "--seed=4",
    )  # fmt: skip
    assert done.code == 0, done.err
    config = Run.open(out).config()
    assert (config.training.minutes, config.training.steps) == (0, 2)
    assert (config.training.seed, config.training.momentum) == (4, 0.5)
    assert config.model.cell == "ugrnn"
    assert config.text.corpus == (str(text_file),)


def test_a_folder_under_runs_is_made_where_none_is_named(
    command: Command, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = json.loads(command("train", text_file, "--steps=1", "--json", *TINY).out)
    assert Path(report["run"]).parent == Path("runs")
    assert (tmp_path / report["run"] / "config.toml").exists()


@pytest.mark.parametrize(
    ("code", "named", "arguments"),
    [
        (2, "hiden_size", ("--set", "model.hiden_size=3")),
        (2, "modle", ("--set", "modle.hidden_size=3")),
        (2, "model.dropout", ("--set", "model.dropout=1.5")),
        (2, "model.hidden_size", ("--set", "model.hidden_size=wide")),
        (2, "model.tied", ("--set", "model.tied=1")),
        (2, "model.cell", ("--set", "model.cell=transformer")),
        (2, "training.seed", ("--seed", "-1")),
        (2, "training.seed", ("--seed", str(2**64))),
        (2, "training.epochs", ("--set", "training.epochs=inf")),
        (2, "training.learning_rate", ("--set", "training.learning_rate=1e300")),
        (2, "--set hidden", ("--set", "hidden")),
        (2, "--set model.dropout=0.5", ("--set", "training.momentum=0.5", "model.dropout=0.5")),
        (2, "one budget", ("--minutes=1",)),
        (2, "one budget", ("--epochs=1",)),
        (2, "one budget", ("--set", "training.minutes=1")),
        (2, "nonsense", ("--device=nonsense",)),
        (2, "meta", ("--device=meta",)),
        (2, "none.toml", ("--config=none.toml",)),
        (2, "max_size", ("--set", "text.max_size=1")),
        (2, "tied", ("--set", "model.tied=true", "--set", "model.input=one-hot")),
        (1, "none.txt", ("--validation=none.txt",)),
        (1, "none.txt", ("none.txt",)),
    ],
    ids=lambda value: "".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_in_training_is_one_sentence_and_leaves_nothing(
    command: Command, text_file: Path, tmp_path: Path, code: int, named: str,
    arguments: tuple[str, ...],
) -> None:  # fmt: skip
    done = command("train", text_file, "--out", tmp_path / "run", "--steps=2", *arguments)
    assert done.code == code
    assert named in done.sentence
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--steps=0", "--minutes=0", "--epochs=-1", "--minutes=inf"])
def test_a_budget_is_more_than_nothing(
    command: Command, text_file: Path, tmp_path: Path, option: str
) -> None:
    done = command("train", text_file, "--out", tmp_path / "run", option)
    assert done.code == 2
    assert done.sentence
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_is_not_overwritten(
    command: Command, runs: dict[str, Path], text_file: Path, tmp_path: Path
) -> None:
    run = runs["characters"]
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    done = command("train", text_file, "--out", run, "--steps=2", *TINY)
    assert (done.code, "resume" in done.sentence) == (2, True)
    (tmp_path / "file").touch()
    assert command("train", text_file, "--out", tmp_path / "file", "--steps=2", *TINY).code == 2
    assert command("train", text_file, "--out", tmp_path, "--steps=2", *TINY).code == 2
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("name", ["sample", "evaluate", "score", "info", "resume"])
def test_a_missing_run_is_one_sentence(
    command: Command, text_file: Path, tmp_path: Path, name: str
) -> None:
    more = [text_file] if name in ("evaluate", "score") else []
    for run in (tmp_path / "none", tmp_path, text_file):
        done = command(name, run, *more)
        assert done.code == 1
        assert str(run) in done.sentence


@pytest.mark.parametrize("arguments", [("--nonsense",), ("nonsense",), ("train", "--steps=many")])
def test_what_the_command_line_does_not_know_ends_with_2(
    command: Command, arguments: tuple[str, ...]
) -> None:
    assert command(*arguments).code == 2


def test_help_and_version(command: Command) -> None:
    assert command("--version").out == f"sunhwan {__version__}\n"
    names = list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert "train" in names
    shown = command("--help")
    assert shown.code == 0
    assert all(name in shown.out for name in names)
    for name in names:
        assert command(name, "--help").code == 0


def test_settings_are_a_config_file(command: Command, tmp_path: Path) -> None:
    done = command("settings")
    assert done.code == 0
    (tmp_path / "all.toml").write_text(done.out, encoding="utf-8")
    assert Config.load(tmp_path / "all.toml") == Config()
    values = tomllib.loads(done.out)
    assert [f"{s}.{k}" for s in values for k in values[s]] == [s.name for s in all_settings()]
    assert all(setting.help in done.out for setting in all_settings())


def test_evaluate(command: Command, runs: dict[str, Path], text_file: Path, tmp_path: Path) -> None:
    done = command("evaluate", runs["characters"], text_file, "--json")
    scores = json.loads(done.out)
    assert set(scores) == FIGURES | {"baselines"}
    assert (scores["tokens"], scores["characters"]) == (len(TEXT) - 1, len(TEXT))
    assert scores["perplexity"] == pytest.approx(math.exp(scores["loss"]))
    bits = scores["loss"] * scores["tokens"] / math.log(2) / scores["characters"]
    assert scores["bits_per_character"] == pytest.approx(bits)
    assert 0 < scores["accuracy"] < 1
    shown = command("evaluate", runs["characters"], text_file)
    assert f"{scores['loss']:.4f}" in shown.out

    unseen = tmp_path / "unseen.txt"
    line = "Ünseen 한글 \U0001f600 characters\n"
    unseen.write_text(line * 3, encoding="utf-8")
    worse = json.loads(command("evaluate", runs["characters"], unseen, "--json").out)
    assert worse["loss"] > scores["loss"]
    assert worse["tokens"] == 3 * len(line) - 1
    for bad, text in (("missing.txt", None), ("empty.txt", ""), ("one.txt", "a")):
        if text is not None:
            (tmp_path / bad).write_text(text)
        done = command("evaluate", runs["characters"], tmp_path / bad, "--json")
        assert done.code == 1
        assert bad in done.sentence


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        *(("characters", prompt) for prompt in ("", "The", "\n\t", "\U0001f600", "\udcff")),
        ("jamo", "나는 오"), ("jamo", ""), ("documents", "The"), ("documents", "나는 오"),
    ],
)  # fmt: skip
def test_samples_are_told_by_their_seed(
    command: Command, runs: dict[str, Path], name: str, prompt: str
) -> None:
    run = runs[name]
    options = ("--prompt", prompt, "--length=20")
    three = objects(command("sample", run, *options, "-n", 3, "--seed=5", "--json").out)
    assert [set(one) for one in three] == [{"prompt", "text", "seed"}] * 3
    assert [one["seed"] for one in three] == [5, 6, 7]
    assert len({one["text"] for one in three}) > 1
    for one in three:
        alone = command("sample", run, *options, f"--seed={one['seed']}", "--json")
        assert objects(alone.out) == [one]
        # What is streamed to the terminal is the same text.
        streamed = command("sample", run, *options, f"--seed={one['seed']}")
        assert streamed.out == one["prompt"] + one["text"] + "\n"
        assert streamed.err == ""


def test_samples_end_where_they_should(command: Command, runs: dict[str, Path]) -> None:
    run = runs["documents"]
    options = ("-n", 20, "--length=60", "--json")
    whole = objects(command("sample", run, *options).out)
    ended = objects(command("sample", run, *options, "--until-eos").out)
    assert all(a["text"].startswith(b["text"]) for a, b in zip(whole, ended, strict=True))
    assert any(len(b["text"]) < len(a["text"]) for a, b in zip(whole, ended, strict=True))
    assert objects(command("sample", run, "--length=0", "--json").out)[0]["text"] == ""
    cold = objects(command("sample", run, "-t", 0, "-n", 3, "--json", "--length=9").out)
    assert len({one["text"] for one in cold}) == 1
    narrow = objects(command("sample", run, "--top-k=1", "--json", "--length=9").out)
    assert narrow[0]["text"] == cold[0]["text"]


@pytest.mark.parametrize(
    "arguments",
    [("--length=-1",), ("-n", "0"), ("-t", "-1"), ("-t", "nan"), ("--top-k=-1",), ("--top-p=0",),
     ("--top-p=1.5",), (f"--seed={2**63}",), (f"--seed={2**63 - 1}", "-n", "2")],
    ids=str,
)  # fmt: skip
def test_sampling_options_out_of_range(
    command: Command, runs: dict[str, Path], arguments: tuple[str, ...]
) -> None:
    done = command("sample", runs["characters"], *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.sentence


LINES = ["The quick brown fox", "xof nworb kciuq ehT", "", "a\x0cb", "한글"]


@pytest.mark.parametrize("name", ["characters", "documents"])
def test_score_gives_a_line_for_a_line(
    command: Command, runs: dict[str, Path], tmp_path: Path, name: str
) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    run = runs[name]
    scored = list(load(run).score(LINES))
    plain = command("score", run, file).out.split("\n")[:-1]
    assert [line.split("\t")[1] for line in plain] == LINES
    for text, line in zip(plain, scored, strict=True):
        assert float(text.split("\t")[0]) == pytest.approx(line.log_probability, abs=1e-3)
    told = objects(command("score", run, file, "--json", "--tokens").out)
    for one, line, text in zip(told, scored, LINES, strict=True):
        assert (one["text"], one["tokens"]) == (text, len(line.tokens))
        assert one["log_probability"] == pytest.approx(line.log_probability)
        values = [value for _, value in one["token_log_probabilities"]]
        assert sum(values) == pytest.approx(one["log_probability"])
        assert all(value < 0 for value in values)
        # No EOS and no line break known: the first token has nothing before it, and no end is scored.
        lost = -1 if name == "documents" else int(text != "")
        assert len(values) == len(text) - lost
        ends = [token for token, _ in one["token_log_probabilities"]][-1:] == ["<eos>"]
        assert ends == (name == "documents")
    beginnings = objects(command("score", run, file, "--json", "--no-end").out)
    for one, line, beginning in zip(told, scored, beginnings, strict=True):
        end = line.tokens[-1].log_probability if name == "documents" else 0.0
        assert one["log_probability"] == pytest.approx(beginning["log_probability"] + end)
    assert objects(command("score", run, file, "--json").out) == [
        {k: v for k, v in one.items() if k != "token_log_probabilities"} for one in told
    ]
    shown = command("score", run, file, "--tokens").out
    assert shown.count("in all") == len(LINES)


def test_a_line_that_was_learned_scores_higher(runs: dict[str, Path]) -> None:
    good, bad, *_ = load(runs["characters"]).score(LINES)
    assert good.log_probability > bad.log_probability


def test_a_vocabulary_without_eos_ends_no_text(command: Command, runs: dict[str, Path]) -> None:
    done = command("sample", runs["characters"], "--until-eos")
    assert (done.code, "EOS" in done.sentence, done.out) == (2, True, "")


def test_a_picture_that_cannot_be_written_is_told_before_the_work(
    command: Command, runs: dict[str, Path], text_file: Path, tmp_path: Path
) -> None:
    for target in (tmp_path / "none" / "a.png", tmp_path, text_file / "a.png"):
        for arguments in (
            ("evaluate", runs["characters"], "missing.txt", "--picture", target),
            ("predict", runs["characters"], "missing.txt", "--out", target.parent / target.stem),
            ("words", "missing", "--map", target),
        ):
            done = command(*arguments)
            assert (done.code, str(arguments[-1]) in done.sentence) == (1, True)
    done = command("inspect", tmp_path / "missing", "--out", text_file / "report")
    assert (done.code, "report" in done.sentence) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_score_reads_standard_input(
    command: Command, runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in ((), ("-",)):
        data = io.BytesIO(b"The\r\nfox")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data, encoding="utf-8"))
        told = objects(command("score", runs["characters"], *arguments, "--json").out)
        assert [one["text"] for one in told] == ["The", "fox"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8"))
    done = command("score", runs["characters"])
    assert (done.code, "standard input" in done.sentence) == (1, True)


def test_info(command: Command, runs: dict[str, Path]) -> None:
    facts = json.loads(command("info", runs["jamo"], "--json").out)
    assert (facts["hidden_size"], facts["vocabulary"], facts["step"] > 0) == (8, "jamo", True)
    assert set(facts["validation"]) == FIGURES
    parameters = sum(p.numel() for p in load(runs["jamo"]).model.parameters())
    assert facts["parameters"] == parameters
    for folder in (runs["jamo"], runs["jamo"] / "model"):
        shown = command("info", folder).out
        assert f"{parameters:,}" in shown
        assert "layer 0" in shown


@pytest.mark.parametrize("name", ["sample", "info", "score", "evaluate"])
def test_a_damaged_model_is_one_sentence(
    command: Command, runs: dict[str, Path], text_file: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (runs["characters"] / "model").iterdir():
        data = bytearray(path.read_bytes())
        if path.suffix == ".safetensors":
            data[-1] ^= 1
        (folder / path.name).write_bytes(data)
    done = command(name, folder, *([text_file] if name in ("score", "evaluate") else []))
    assert (done.code, "damaged" in done.sentence) == (1, True)
