"""A run that was interrupted and resumed is, bit for bit, the run that was not.

And each piece of a checkpoint is needed for that: left out, the outcome is another one.
"""

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from sunhwan.config import Config
from sunhwan.errors import NonFiniteError, StoreError, SunhwanError, TextError
from sunhwan.store import Run, read_tensors, write_tensors
from sunhwan.training import Reporter, Result, resume, train
from sunhwan.training.reporter import StepReport
from sunhwan.training.schedule import Plan
from tests.conftest import losses
from tests.tiers import and_deep

STEPS = 40


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several documents to learn, and noise to validate on, on which learning does harm."""
    rng = random.Random(1)
    folder = tmp_path_factory.mktemp("resume") / "corpus"
    folder.mkdir()
    for number in range(5):
        words = [rng.choice(["the ", "fox ", "dog ", "over ", "jumps\n"]) for _ in range(30)]
        (folder / f"{number}.txt").write_text("".join(words))
    noise = "".join(rng.choice("thefoxdgvrjumps \n") for _ in range(120))
    (folder.parent / "noise.txt").write_text(noise)
    return folder


class Straight(NamedTuple):
    """A run that nothing interrupted: what it gave and what it left."""

    result: Result
    outcome: dict[str, Any]


@contextmanager
def quick() -> Iterator[None]:
    """With a log whose window is not empty at a validation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plan, "log_every", property(lambda plan: 3))
        yield


@pytest.fixture(autouse=True)
def quickly() -> Iterator[None]:
    with quick():
        yield


@pytest.fixture(scope="module")
def straight(corpus: Path) -> Straight:
    """The run that nothing interrupts."""
    with quick():
        made = train(config(corpus), corpus.parent / "straight")
    return Straight(made, outcome(corpus.parent / "straight"))


def config(corpus: Path, **changes: Any) -> Config:
    values = {
        "text.corpus": str(corpus),
        "text.validation": str(corpus.parent / "noise.txt"),
        "data.batch_size": 3, "data.block_length": 7, "data.reset_probability": 0.2,
        "model.cell": "lstm", "model.hidden_size": 5, "model.num_layers": 2,
        "model.embedding_size": 4, "model.dropout": 0.3,
        "training.steps": STEPS, "training.optimizer": "muon", "training.learning_rate": 0.05,
        "training.schedule": "plateau", "training.plateau_patience": 1,
        "training.plateau_factor": 0.7, "training.validate_every": 5,
        "training.early_stopping": 6, "training.checkpoint_every": 6,
        "training.sample_length": 20, "training.threads": 1,
    }  # fmt: skip
    return Config().override({**values, **{k.replace("__", "."): v for k, v in changes.items()}})


class Stopped(Exception):  # noqa: N818
    """Raised in the middle of a run."""


class At(Reporter):
    """Does something after a step, or at the first validation from a step on."""

    def __init__(self, step: int, act: Callable[[], None], *, validating: bool = False) -> None:
        self.at, self.act, self.validating = step, act, validating
        self.said: list[str] = []

    def step(self, report: StepReport) -> None:
        if report.step == self.at and not self.validating:
            self.act()

    def sample(self, text: str) -> None:
        if self.validating:
            self.validating = False
            self.act()

    def say(self, message: str) -> None:
        self.said.append(message)


def stop() -> None:
    raise Stopped


def kill(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def outcome(run: Path) -> dict[str, Any]:
    """All that a run leaves, without what the clock decides."""
    made = Run.open(run)
    tensors, state, skipped = made.load_checkpoint()
    kept, card = read_tensors(run / "model" / "model.safetensors")
    for clock in ("seconds", "lengths"):
        del state[clock]
    return {
        "log": losses(run),
        "samples": made.samples_file.read_bytes() if made.samples_file.exists() else b"",
        "tensors": {name: as_bytes(tensor) for name, tensor in tensors.items()},
        "state": state,
        "model": {name: as_bytes(tensor) for name, tensor in kept.items()},
        "facts": card,
        "skipped": skipped,
    }


def as_bytes(tensor: Tensor) -> bytes:
    return tensor.flatten().view(torch.uint8).numpy().tobytes()


def result(r: Result) -> tuple[Any, ...]:
    return r.steps, r.tokens, r.stopped, r.best, r.best_step


VARIANTS: dict[str, dict[str, Any]] = {
    "everything": {},
    "sgd": {"training__optimizer": "sgd", "training__learning_rate": 0.5, "model__cell": "gru"},
    "adam": {"training__optimizer": "adam", "model__cell": "elman", "model__input": "one-hot"},
    "adamw-tied": {"training__optimizer": "adamw", "model__tied": True, "model__cell": "ugrnn"},
    "regularised": {
        "model__locked_dropout": True, "model__weight_drop": 0.3, "model__recurrent_dropout": 0.2,
        "model__zoneout": 0.1, "model__zoneout_cell": 0.2, "model__embedding_dropout": 0.2,
        "training__activation_regularization": 0.5, "training__bptt_memory": "sqrt",
        "training__temporal_activation_regularization": 0.5,
    },
    "a-cell-a-layer": {
        "model__cell": ["lstm_projected", "mingru"], "model__hidden_size": [6, 5],
        "model__connection": "dense", "model__layer_norm": True,
    },
    "no-validation": {"text__validation": "", "text__validation_share": 0},
    "cosine-epochs": {
        "training__steps": 0, "training__epochs": 1.5, "training__schedule": "cosine",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "variant", and_deep([name for name in VARIANTS if name not in ("sgd", "adam")], VARIANTS)
)
def test_interrupted_and_resumed_is_uninterrupted(
    corpus: Path, tmp_path: Path, variant: str
) -> None:
    settings = config(corpus, **VARIANTS[variant])
    straight = train(settings, tmp_path / "straight")
    wanted = outcome(tmp_path / "straight")
    assert straight.stopped in ("budget", "early stopping")
    assert straight.steps >= 15
    # Before, at and after a validation; a checkpoint was written at step 6.
    for number, step in enumerate((1, 5, 6, 13) if variant == "everything" else (13,)):
        out = tmp_path / f"crashed{number}"
        with pytest.raises(Stopped):
            train(settings, out, reporter=At(step, stop))
        assert result(resume(out)) == result(straight), step
        assert outcome(out) == wanted, step


def test_interrupted_again_and_again(corpus: Path, tmp_path: Path, straight: Straight) -> None:
    settings = config(corpus)
    out = tmp_path / "run"
    parts = [train(settings, out, reporter=At(3, kill(signal.SIGTERM)))]
    for step, number in ((4, signal.SIGINT), (10, signal.SIGTERM), (15, signal.SIGINT)):
        parts.append(resume(out, reporter=At(step, kill(number))))
    with pytest.raises(Stopped):
        resume(out, reporter=At(20, stop))
    assert [part.steps for part in parts] == [3, 4, 10, 15]
    assert {part.stopped for part in parts} == {"interrupted"}
    assert result(resume(out)) == result(straight.result)
    assert outcome(out) == straight.outcome


@pytest.mark.parametrize("validating", [1, 2])
def test_interrupted_inside_a_validation(
    corpus: Path, tmp_path: Path, straight: Straight, validating: int
) -> None:
    """A signal or an exception while the model is being scored or writes its sample."""
    settings = config(corpus)
    out = tmp_path / "run"
    act = kill(signal.SIGTERM) if validating == 1 else stop
    try:
        train(settings, out, reporter=At(0, act, validating=True))
    except Stopped:
        assert validating == 2
    resume(out)
    assert outcome(out) == straight.outcome


def test_a_signal_during_the_scoring_is_heard(
    corpus: Path, tmp_path: Path, straight: Straight, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sunhwan.tasks.language_model import task as language

    settings = config(corpus)
    real = language.evaluate_tokens

    def signalled(*arguments: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments, **options)

    monkeypatch.setattr(language, "evaluate_tokens", signalled)
    first = train(settings, tmp_path / "run")
    assert (first.stopped, first.steps) == ("interrupted", 5)
    monkeypatch.undo()
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == straight.outcome


@pytest.mark.parametrize("stopping", [0, 6])
def test_resuming_a_finished_run_changes_nothing(
    corpus: Path, tmp_path: Path, stopping: int
) -> None:
    out = tmp_path / "run"
    first = train(config(corpus, training__early_stopping=stopping), out)
    assert first.stopped == ("early stopping" if stopping else "budget")
    before = outcome(out)
    for _ in range(2):
        again = resume(out)
        assert result(again) == result(first)
        assert outcome(out) == before


def change(part: str) -> Callable[[dict[str, Tensor], dict[str, Any]], None]:
    """Drops one piece of a checkpoint: what it was at the start of the run takes its place."""

    def drop(tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        if part in ("optimizer.", "state."):
            for name in [name for name in tensors if name.startswith(part)]:
                del tensors[name]
        elif part == "optimizer momentum":
            for name in [name for name in tensors if name.endswith("momentum_buffer")]:
                del tensors[name]
        elif part == "model":
            tensors["model.output.bias"] = torch.zeros_like(tensors["model.output.bias"])
        elif part == "random":
            tensors["random.cpu"] = torch.Generator().manual_seed(0).get_state()
        elif part == "position":
            assert state["stream"]["position"] > 0
            state["stream"]["position"] = 0
        elif part == "generator":
            seeded = torch.Generator().manual_seed(0).get_state().tolist()
            state["stream"]["generator"] = bytes(seeded).hex()
        elif part == "schedule":
            assert state["schedule"]["reduction"] < 1
            state["schedule"] = {"reduction": 1.0, "best": None, "without_gain": 0}
        elif part == "plan":
            state["plan"] = [None, None]
        elif part == "best":
            assert state["best"] is not None
            state["best"] = None
        elif part == "lengths":
            state["lengths"] = {}
        elif part == "key":
            del state["window"]
        else:
            fresh = {
                "window": [], "worse_validations": 0, "validation_pending": False,
                "best_step": 0, "step": 0,
            }  # fmt: skip
            assert state[part] != fresh[part], "the piece matters at this step"
            state[part] = fresh[part]

    return drop


PARTS = [
    "nothing", "optimizer.", "optimizer momentum", "state.", "model", "random", "position",
    "generator", "schedule", "plan", "best", "best_step", "worse_validations",
    "validation_pending", "window", "lengths", "step", "key",
]  # fmt: skip


@pytest.fixture(scope="module")
def stopped(corpus: Path) -> Path:
    """Stopped at a step of which a validation is due, when the log's window is not empty."""
    out = corpus.parent / "stopped"
    with quick():
        train(config(corpus), out, reporter=At(20, kill(signal.SIGTERM)))
    return out


@pytest.mark.parametrize("part", PARTS)
def test_each_piece_of_a_checkpoint_is_needed(
    corpus: Path, tmp_path: Path, straight: Straight, stopped: Path, part: str
) -> None:
    out = tmp_path / "run"
    shutil.copytree(stopped, out)
    newest, *older = Run.open(out).checkpoints()
    for path in older:
        path.unlink()
    tensors, state = read_tensors(newest)
    if part != "nothing":
        change(part)(tensors, state)
        write_tensors(newest, tensors, state)
    try:
        same = result(resume(out)) == result(straight.result) and outcome(out) == straight.outcome
    except (SunhwanError, KeyError):
        same = False
    assert same == (part == "nothing")


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_damaged_checkpoint_is_told_and_the_one_before_used(
    corpus: Path, tmp_path: Path, straight: Straight
) -> None:
    settings = config(corpus)
    out = tmp_path / "run"
    train(settings, out, reporter=At(14, kill(signal.SIGTERM)))
    newest, older = Run.open(out).checkpoints()
    damage(newest)
    reporter = At(-1, stop)
    resume(out, reporter=reporter)
    assert len(reporter.said) == 1
    assert newest.name in reporter.said[0]
    assert outcome(out) == straight.outcome

    assert older not in Run.open(out).checkpoints()
    for path in Run.open(out).checkpoints():
        damage(path)
    with pytest.raises(StoreError, match="no checkpoint"):
        resume(out)


def test_another_corpus_is_refused(corpus: Path, tmp_path: Path) -> None:
    corpus = Path(shutil.copytree(corpus.parent, tmp_path / "copy")) / corpus.name
    out = tmp_path / "run"
    train(config(corpus), out, reporter=At(14, kill(signal.SIGTERM)))
    before = outcome(out)
    file = corpus / "3.txt"
    text = file.read_text()
    noise = corpus.parent / "noise.txt"
    changes: list[tuple[Path, str]] = [
        (file, text.replace("fox", "dog", 1)), (file, text + "x"), (file, text[:-1]),
        (noise, noise.read_text()[:-1]),
    ]  # fmt: skip
    for path, changed in changes:
        good = path.read_text()
        path.write_text(changed)
        with pytest.raises(StoreError, match="not the one it was trained on") as caught:
            resume(out)
        assert "\n" not in str(caught.value)
        path.write_text(good)
        assert outcome(out) == before
    file.rename(tmp_path / "3.txt")
    with pytest.raises(StoreError):
        resume(out)
    for path in corpus.iterdir():
        path.unlink()
    with pytest.raises(TextError):
        resume(out)
    assert outcome(out) == before


def test_another_alphabet_with_the_same_ids_is_refused(tmp_path: Path) -> None:
    """ab ab and cd cd are the same ids: the vocabulary counts too."""
    file = tmp_path / "text.txt"
    file.write_text("abb aab " * 40)
    settings = config(
        tmp_path, text__corpus=str(file), text__validation="", text__validation_share=0.1
    )
    train(settings, tmp_path / "run", reporter=At(6, kill(signal.SIGTERM)))
    file.write_text("cdd ccd " * 40)
    with pytest.raises(StoreError, match="not the one it was trained on"):
        resume(tmp_path / "run")


class Poison(Reporter):
    """Makes the next loss, or one weight's gradient, not a number."""

    def __init__(self, step: int, patch: Callable[[], None]) -> None:
        self.at, self.patch = step, patch

    def step(self, report: StepReport) -> None:
        if report.step == self.at:
            self.patch()


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_run_that_is_not_finite_updates_nothing_and_can_go_on(
    corpus: Path, tmp_path: Path, straight: Straight, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sunhwan.models import LanguageModel

    settings = config(corpus)
    real = LanguageModel.loss
    seen: dict[str, Any] = {}

    def poisoned(model: LanguageModel, *arguments: Any, **options: Any) -> Any:
        loss = real(model, *arguments, **options)
        seen["model"] = model
        seen["before"] = {n: as_bytes(p.detach()) for n, p in model.named_parameters()}
        if what == "loss":
            nan = loss.nats * float("nan")
            return loss._replace(nats=nan, objective=nan)
        matrix = model.recurrent.stack[1].W_h_T
        sharp = (matrix - matrix.detach()).abs().sqrt().sum()
        return loss._replace(objective=loss.objective + sharp)

    reporter = Poison(9, lambda: monkeypatch.setattr(LanguageModel, "loss", poisoned))
    with pytest.raises(NonFiniteError, match="step 10") as caught:
        train(settings, tmp_path / "run", reporter=reporter)
    assert ("the loss" if what == "loss" else "recurrent.layers.1.W_h_T") in str(caught.value)
    after = {n: as_bytes(p.detach()) for n, p in seen["model"].named_parameters()}
    assert after == seen["before"]
    assert all(
        b"nan" not in str(e["loss"]).encode() for e in losses(tmp_path / "run") if "loss" in e
    )
    monkeypatch.setattr(LanguageModel, "loss", real)
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == straight.outcome


def test_a_second_trainer_is_refused_and_does_no_harm(
    corpus: Path, tmp_path: Path, straight: Straight
) -> None:
    settings = config(corpus)
    out = tmp_path / "run"
    refused: list[str] = []

    def second() -> None:
        # It would be another process, with random numbers of its own.
        with (
            torch.random.fork_rng(devices=[]),
            pytest.raises(StoreError, match="another trainer") as caught,
        ):
            resume(out)
        refused.append(str(caught.value))

    train(settings, out, reporter=At(8, second))
    assert len(refused) == 1
    assert outcome(out) == straight.outcome
