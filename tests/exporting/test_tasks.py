"""Models of every task as ONNX: the numbers of the model, and its answers without sunhwan."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sunhwan
from sunhwan.config import Config
from sunhwan.exporting import export, predictor_checks
from sunhwan.exporting.onnx import encoder_decoder_graphs
from sunhwan.exporting.onnx.write_onnx import PARTS
from sunhwan.registry import TASKS
from sunhwan.tasks import Task

GOLDEN = Path(__file__).parents[1] / "golden" / "v1" / "tasks"


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    """Compared at fewer sizes than users' models are."""
    for module in (predictor_checks, encoder_decoder_graphs):
        monkeypatch.setattr(module, "BATCHES", (1, 3))
        monkeypatch.setattr(module, "LENGTHS", (1, 20))


def example_output(folder: Path, *arguments: str) -> str:
    """What the example prints, run apart from everything of ours."""
    done = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", folder / "example.py", *arguments],
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.removesuffix("\n")


def test_every_task_has_an_export():
    assert set(PARTS) == set(TASKS)


@pytest.mark.parametrize(
    "name",
    ["classify_frames", "classify_pair", "describe", "describe_images", "describe_tunes", "forecast"],
)  # fmt: skip
def test_numbers(tmp_path, name):
    """Pooling, pairs, frames, numbers, images, labels, letters and quantiles."""
    assert export(GOLDEN / name, tmp_path / "out").deviation < 1e-5


@pytest.mark.parametrize("name", ["describe", "forecast"])
def test_inputs_that_are_not_there_are_told(tmp_path, name):
    export(GOLDEN / name, tmp_path / "out")
    np.savez(tmp_path / "other.npz", other=np.zeros(1))
    for file in ("none.npz",) * (name == "describe") + ("other.npz",):
        command = [sys.executable, "-I", tmp_path / "out" / "example.py", tmp_path / file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{file} is no .npz file with the arrays " in done.stderr
        assert done.stderr.count("\n") == 1


def test_labels_of_texts(tmp_path):
    task = sunhwan.load(GOLDEN / "classify")
    export(task, tmp_path / "out")
    for question in ("the 사과 7", ""):
        (answer,) = task.predict([question])
        wanted = f"{answer.values['label']} {round(answer.values['probability'], 2)}"
        assert example_output(tmp_path / "out", question) == wanted


def test_labels_of_pairs(tmp_path):
    """Both texts count, each in its place; the program says what it wants of who gives one alone."""
    task = sunhwan.load(GOLDEN / "classify_pair")
    export(task, tmp_path / "out")
    for question in (("가", "가"), ("가 나", ""), ("", "나")):
        (answer,) = task.predict([question])
        wanted = f"{answer.values['label']} {round(answer.values['probability'], 2)}"
        assert example_output(tmp_path / "out", *question) == wanted
    command = [sys.executable, "-I", tmp_path / "out" / "example.py", "가"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (done.returncode, done.stdout, done.stderr)
    assert said == (2, "", "usage: python example.py TEXT TEXT\n")


def test_labels_of_words_by_viterbi(tmp_path):
    task = sunhwan.load(GOLDEN / "tag")
    assert task.model.crf is not None
    export(task, tmp_path / "out")
    for question in ("김 민수가 New York", "Bo 오늘 Oslo 이 영희가", ""):
        (answer,) = task.predict([question])
        assert example_output(tmp_path / "out", question) == answer.cells[0]


def test_answers_of_passages(tmp_path):
    task = sunhwan.load(GOLDEN.parents[1] / "v7" / "tasks" / "answer")
    assert export(task, tmp_path / "out").deviation < 1e-5
    for question in (
        ("Ann is in the hall now. Bob naps.", "Where is Ann?"),
        ("민수: 있다.", ""),
        ("", "?"),
    ):
        (answer,) = task.predict([question])
        wanted = f"{answer.values['answer']} {round(answer.values['probability'], 2)}"
        assert example_output(tmp_path / "out", *question) == wanted


@pytest.mark.parametrize("name", ["translate", "translate_dot"])
def test_translations(tmp_path, name):
    """Additive attention; dot products with input feeding."""
    task = sunhwan.load(GOLDEN / name)
    export(task, tmp_path / "out")
    for question in ("2 1", ""):
        (answer,) = task.predict([question], beam=1)
        assert example_output(tmp_path / "out", question) == answer.values["output"]


def other(name: str, **model: object) -> Task:
    """A fresh model of a golden one's task with other settings."""
    task = sunhwan.load(GOLDEN / name)
    settings = {f"model.{key}": value for key, value in model.items()}
    config: Config = task.config.override(settings)
    torch.manual_seed(1)
    return type(task).restored(config, task.preprocessing())


FRAMES = {"kind": "frames", "mean": [1.0, -2.0, 30.0], "deviation": [1.0, 0.5, 9.0]}
"""Recordings of three numbers a step, as an input."""

IMAGES = {"kind": "vector", "mean": [0.3] * 81, "deviation": [0.2] * 81, "image_size": 9}
"""Images of 9 × 9, which two convolutions make 5 × 5 and 3 × 3."""


def words() -> dict[str, Any]:
    """Words and their letters, as an input."""
    record: dict[str, Any] = sunhwan.load(GOLDEN / "tag").preprocessing()["source"]
    return record


def reading(name: str, source: dict[str, Any]) -> Task:
    """A fresh model of a golden one's task with another input."""
    task = sunhwan.load(GOLDEN / name)
    torch.manual_seed(1)
    config = task.config.override({"task.kind": source["kind"]})
    return type(task).restored(config, {**task.preprocessing(), "source": source})


def lively(task: Task, seed: int = 8) -> Task:
    """The same with random weights, with which an encoder-decoder writes more than one thing."""
    draw = torch.Generator().manual_seed(seed)
    for parameter in task.model.parameters():
        parameter.data.normal_(generator=draw)
    return task


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("classify", {"pooling": "last", "direction": "both", "cell": ["slstm"]}),
        ("classify_pair", {"pooling": "attention", "direction": "both", "cell": ["mingru"]}),
        ("tag", {"direction": "both", "connection": "residual", "num_layers": 2}),
        ("translate", {"attention": "none", "input_feeding": True, "cell": ["slstm"]}),
        ("translate", {"attention": "general", "cell": ["lstm_projected"]}),
    ],
    ids=str,
)
def test_other_networks(tmp_path, name, model):
    assert export(other(name, **model), tmp_path / "out").deviation < 1e-4
