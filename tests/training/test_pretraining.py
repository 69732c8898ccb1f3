"""A language model of a task's texts learned first: budgets, stops, refusals, and what is taken over."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sunhwan.config import Config, TrainingConfig
from sunhwan.data import pad
from sunhwan.errors import ConfigError, UsageError
from sunhwan.messages.mistakes import note
from sunhwan.models.bidirectional_language_model import BidirectionalLanguageModel
from sunhwan.models.inputs import TokenInput
from sunhwan.store import Run, load_model
from sunhwan.store.tensors import read_tensors
from sunhwan.tasks import TASKS
from sunhwan.tasks.common.input_kind_task import InputKindTask
from sunhwan.tasks.common.pretraining import Pretraining
from sunhwan.training import Reporter, StepReport, resume, train
from sunhwan.training.loggers import LoggingReporter
from sunhwan.training.pretraining import budgets, share_note
from sunhwan.tuning.study import _Judge
from tests.conftest import Command, losses
from tests.tasks.cases import CASES
from tests.tiers import deep

KEPT = "pretraining/language-model.safetensors"


def config(task: str, folder: Path, **changes: object) -> Config:
    case = CASES[task]
    settings = {
        "task.name": task, "data.source": str(case.write(folder)), "training.steps": 10,
        "training.pretrain": 0.5, "training.sample_length": 0, "training.threads": 1,
        "training.checkpoint_every": 2, "training.validations": 1, "training.baselines": False,
        "model.dropout": 0.2, **case.settings, **changes,
    }  # fmt: skip
    return Config().override(settings, "the test")


class Ends(Reporter):
    """Interrupts at a step of the n-th training, as Ctrl-C does, or ends it at a step or a message."""

    def __init__(
        self, end: Callable[[], None], step: int = 0, training: int = 1, message: str = "never said"
    ) -> None:
        self.end_it, self.at, self.training, self.message = end, step, training, message
        self.begun, self.said = 0, list[str]()

    def begin(self, facts: dict[str, object]) -> None:
        self.begun += 1

    def step(self, report: StepReport) -> None:
        if (self.begun, report.step) == (self.training, self.at):
            self.end_it()

    def say(self, message: str) -> None:
        self.said.append(message)
        if self.message in message:
            self.end_it()


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def crash() -> None:
    raise InterruptedError


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("pretrained")
    return train(config("classify", folder), folder / "run").run


def alike(one: Path, other: Path) -> None:
    assert losses(one) == losses(other)
    for file in (KEPT, "model/model.safetensors", "checkpoints/step-000000000005.safetensors"):
        ours, theirs = read_tensors(one / file)[0], read_tensors(other / file)[0]
        assert ours.keys() == theirs.keys()
        assert all(ours[name].equal(theirs[name]) for name in ours)


def test_stopped_while_it_pretrains_it_goes_on_to_the_same_weights(
    straight: Path, tmp_path: Path
) -> None:
    out, settings = tmp_path / "run", Run.open(straight).config()
    first = train(settings, out, reporter=Ends(interrupt, 3))
    assert (first.run, first.task, first.stopped, first.steps) == (
        out,
        "classify",
        "interrupted",
        3,
    )
    assert not (out / "model").exists()
    assert resume(out, reporter=Ends(interrupt, 5)).stopped == "interrupted"
    assert resume(out, reporter=Ends(interrupt, 3, training=2)).steps == 3
    done = resume(out, reporter=(quiet := Ends(interrupt)))
    assert (done.stopped, done.steps) == ("budget", 5)
    assert quiet.said == []  # what was learned first is not told again
    alike(out, straight)


@pytest.mark.parametrize(
    "end",
    [
        {"step": 3},
        {"message": "are those of the"},
        pytest.param({"step": 2, "training": 2}, marks=deep),
    ],
    ids=str,
)
def test_killed_at_any_instant_it_goes_on_to_the_same_weights(
    end: dict[str, int], straight: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(InterruptedError):
        train(Run.open(straight).config(), out, reporter=Ends(crash, **end))  # type: ignore[arg-type]
    assert resume(out).stopped == "budget"
    alike(out, straight)


@pytest.mark.parametrize(
    "task",
    ["classify", "tag", pytest.param("translate", marks=deep), pytest.param("answer", marks=deep)],
)
def test_all_that_reads_is_taken_over(task: str, tmp_path: Path) -> None:
    settings = {
        "training.steps": 2, "training.learning_rate": 1e-12,
        "text.validation_share": 0.3,
    }  # fmt: skip
    told = Ends(interrupt)
    run = train(config(task, tmp_path, **settings), tmp_path / "run", reporter=told).run
    new = load_model(run).task
    assert isinstance(new, InputKindTask)
    (part,) = new.pretrained_parts()
    learner = Pretraining(new.config, new.input_kind, part.vocabulary)
    learner.model.load_state_dict(read_tensors(run / KEPT)[0])
    parts = zip(new.pretrained_parts(), learner.pretrained_parts(), strict=True)
    for ours, theirs in parts:
        for one, other in ((ours, theirs), *zip(ours.within, theirs.within, strict=True)):
            for a, b in zip(one.by_token, other.by_token, strict=True):
                assert torch.allclose(a, b, atol=1e-6)
            for a, b in zip(one.recurrent.parameters(), other.recurrent.parameters(), strict=True):
                assert torch.allclose(a, b, atol=1e-6)
    assert told.said[-2].endswith("for 1 of 2 steps")
    assert "(100%)" in told.said[-1]
    assert "are those of the language model" in told.said[-1]


def test_of_a_deep_network_that_reads_both_ways_the_first_layer_is_taken_over(
    tmp_path: Path,
) -> None:
    told = Ends(interrupt)
    settings = {"model.num_layers": 2, "training.steps": 2}
    train(config("classify", tmp_path, **settings), tmp_path / "run", reporter=told)
    assert "10 of 20 tensors of the recurrence" in told.said[-1]
    settings = {"model.num_layers": 2, "training.steps": 2, "model.direction": "forward"}
    train(config("classify", tmp_path, **settings), tmp_path / "forward", reporter=told)
    assert "10 of 10 tensors of the recurrence" in told.said[-1]


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_no_output_has_read_what_it_is_to_predict(direction: str) -> None:
    settings = {"hidden_size": 4, "num_layers": 1, "embedding_size": 3, "dropout": 0.0}
    model = Config.from_dict({"model": {**settings, "direction": direction}}).model
    network = BidirectionalLanguageModel(model, TokenInput(7, 3), 7).eval()
    rows = [torch.tensor([1, 2, 3, 4]), torch.tensor([5, 6])]
    outputs, tokens = network.neighbours(pad(rows))
    ahead, behind = [2, 3, 4, 6], [1, 2, 3, 5]
    assert tokens.tolist() == (ahead + behind if direction == "both" else ahead)
    # The third token of the first row is what the second output ahead and the third behind predict.
    changed, _ = network.neighbours(pad([torch.tensor([1, 2, 0, 4]), rows[1]]))
    same = (outputs == changed).all(1).tolist()
    assert same[:4] == [True, True, False, True]
    if direction == "both":
        assert same[4:] == [False, False, True, True]
    assert network.loss(pad(rows)).terms == len(tokens)


def test_the_budgets_add_up(tmp_path: Path) -> None:
    first, rest = budgets(TrainingConfig(steps=10, pretrain=0.33, learning_rate=0.003))
    assert (first.steps, rest.steps) == (3, 7)
    assert first.learning_rate == pytest.approx(0.007)
    assert rest.learning_rate == 0.003
    for share in (0.01, 0.9):
        first, rest = budgets(TrainingConfig(steps=2, pretrain=share))
        assert (first.steps, rest.steps) == (1, 1)
    first, rest = budgets(TrainingConfig(epochs=6, pretrain=0.25))
    assert (first.epochs, rest.epochs) == (1.5, 4.5)
    first, rest = budgets(TrainingConfig(minutes=3, pretrain=0.25))
    assert (first.minutes, rest.minutes) == (0.75, 3)  # of the same clock
    settings = {"training.steps": 0, "training.minutes": 0.02, "training.checkpoint_every": 0}
    run = train(config("classify", tmp_path, **settings), tmp_path / "run").run
    inner = [e["seconds"] for e in Run(run / "pretraining").events() if "seconds" in e]
    outer = [e["seconds"] for e in Run.open(run).events() if "seconds" in e]
    assert inner[-1] <= outer[0]


def test_the_held_out_rows_are_not_read(straight: Path) -> None:
    settings = Run.open(straight).config()
    prepared = TASKS["classify"].prepare(settings)
    texts, held_out = Pretraining.texts(prepared.train)
    assert held_out is None
    assert [len(text) for text in texts] == [len(e.inputs[0]) for e in prepared.train]
    texts, held_out = Pretraining.texts(prepared.train * 4)
    assert held_out is not None
    assert len(texts) + len(held_out) == 4 * len(prepared.train)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"training.start_from": "runs/x"}, "are two beginnings of one model"),
        ({"text.vectors": "x.vec"}, "are two beginnings of one model"),
        ({"training.steps": 1}, "needs 2 training.steps"),
    ],
)
def test_what_has_another_beginning_is_refused(
    changes: dict[str, object], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=told):
        train(config("classify", tmp_path, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", ["forecast", "describe"])
def test_a_task_that_reads_no_text_is_refused(task: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"the model to {task} reads no text"):
        train(config(task, tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_language_model_is_refused(tmp_path: Path, command: Command) -> None:
    done = command("train", "hello", "--pretrain", "--out", tmp_path / "run")
    assert "is itself what is learned first: leave --pretrain out" in done.sentence
    assert not (tmp_path / "run").exists()


def test_texts_of_one_token_are_refused(tmp_path: Path, command: Command) -> None:
    table = tmp_path / "letters.tsv"
    table.write_text("text\tlabel\n" + "a\tx\nb\ty\n" * 20, encoding="utf-8")
    done = command(
        "train", "--task", "classify", table, "--pretrain", "--steps", 4, "--out", tmp_path / "run"
    )
    assert "no text here has two tokens" in done.sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ({"steps": 1000}, "1,000걸음 가운데 330걸음 동안"),
        ({"epochs": 40}, "40에포크 가운데 13.2에포크 동안"),
        ({"minutes": 3}, "3분 가운데 0.99분 동안"),
    ],
    ids=str,
)
def test_the_share_is_told_in_korean(budget: dict[str, Any], told: str) -> None:
    assert told in note(share_note(TrainingConfig(pretrain=0.33, **budget)), "ko")


def test_trials_are_judged_by_the_task_alone() -> None:
    judge = _Judge(None)
    assert type(judge.of_pretraining()) is Reporter
    assert Reporter.of_pretraining(judge) is judge
    watching = Ends(interrupt)
    assert LoggingReporter(None, watching).of_pretraining() is watching  # type: ignore[arg-type]
