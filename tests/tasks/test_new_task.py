"""A new task is a folder and a line in the registry: every command takes it, and the page shows it."""

import json
import random
import signal
from pathlib import Path

import pytest

import sunhwan
from sunhwan.config import Config, settings
from sunhwan.errors import ConfigError
from sunhwan.registry import TASKS
from sunhwan.store import read_tensors
from sunhwan.training import Reporter, resume, train
from sunhwan.training.reporter import StepReport
from tests.conftest import TINY, Command, losses
from tests.serve.helpers import client_of

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture(scope="module")
def registered() -> object:
    """The line in the registry, which names the folder tests/tasks/toy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "rate", "tests.tasks.toy.task:Rate")
        yield


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts, and how many stars they have."""
    rng = random.Random(1)
    rows = [(rng.choice(("good", "fine", "bad")), n) for n in range(60)]
    stars = {"good": 5, "fine": 3, "bad": 1}
    path = tmp_path_factory.mktemp("ratings") / "ratings.tsv"
    lines = ["text\tscore", *(f"{n} is {word}\t{stars[word]}" for word, n in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(ratings: Path, registered: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(config(ratings), tmp_path_factory.mktemp("runs") / "run").run


def config(ratings: Path) -> Config:
    values = {
        "task.name": "rate", "task.unit": 5, "text.validation_share": 0.3,
        "model.hidden_size": 6, "model.embedding_size": 5, "data.batch_size": 8,
        "training.learning_rate": 0.02, "training.steps": 40, "training.threads": 1,
        "training.validate_every": 10, "training.checkpoint_every": 4,
    }  # fmt: skip
    return Config().override(values | {"data.source": str(ratings)}, "the test")


class Stop(Reporter):
    """Interrupts at step 17, as Ctrl-C does."""

    def step(self, report: StepReport) -> None:
        if report.step == 17:
            signal.raise_signal(signal.SIGINT)


def test_its_settings_are_listed_and_are_its_own() -> None:
    listed = {setting.name: setting.help for setting in settings()}
    assert listed["task.unit"] == "of rate: what the numbers are divided by for the network"
    with pytest.raises(
        ConfigError, match=r"task\.unit in .* is a setting of rate, and the task is"
    ):
        Config().override({"task.unit": 2.0})
    with pytest.raises(ConfigError, match=r"model\.pooling in .* is a setting of classify"):
        Config().override({"task.name": "rate", "model.pooling": "mean"})


def test_it_learns_and_a_stopped_run_goes_on_as_if_it_had_not(
    run: Path, ratings: Path, tmp_path: Path
) -> None:
    steps = [float(e["loss"]) for e in losses(run) if e["event"] == "step"]  # type: ignore[arg-type]
    assert sum(steps[-5:]) < 0.5 * sum(steps[:5])
    out = tmp_path / "run"
    assert train(config(ratings), out, reporter=Stop()).stopped == "interrupted"
    assert resume(out).stopped == "budget"
    assert losses(out) == losses(run)
    ours, theirs = (read_tensors(r / "model/model.safetensors")[0] for r in (out, run))
    assert all(ours[name].equal(theirs[name]) for name in ours.keys() | theirs.keys())


def test_the_commands(run: Path, ratings: Path, command: Command, tmp_path: Path) -> None:
    made = command("train", ratings, "--task=rate", "--out", tmp_path / "made", "--steps=3", *TINY)
    assert made.code == 0, made.err
    assert "next: sunhwan predict" in made.out
    resumed = command("resume", tmp_path / "made", "--json")
    assert json.loads(resumed.out)["task"] == "rate"

    asked = tmp_path / "asked.txt"
    asked.write_text("7 is good\n7 is bad\n", encoding="utf-8")
    answered = command("predict", run, asked, "--json").out.splitlines()
    good, bad = (json.loads(line)["score"] for line in answered)
    assert good > bad
    assert command("predict", run, asked, "--beam=2").sentence.endswith(
        "model to rate writes nothing"
    )

    figures = json.loads(command("evaluate", run, ratings, "--json").out)
    assert figures["error"] < 2
    assert figures == sunhwan.load(run).evaluate(ratings).to_dict()
    assert "error" in command("evaluate", run, ratings).out
    assert json.loads(command("info", run, "--json").out)["task"] == "rate"
    assert "encoder.recurrent:" in command("info", run).out
    assert command("sample", run).sentence.endswith("use `sunhwan predict`")
    assert "# A lstm model to rate" in (run / "model" / "README.md").read_text("utf-8")


def test_the_server_answers_and_the_page_knows_its_name(run: Path) -> None:
    with client_of([run]) as client:
        (told,) = client.get("/api/models")["models"]
        assert told["title"] == {"en": "rating", "ko": "평점"}
        assert (told["task"], told["inputs"], told["options"]) == ("rate", ["text"], [])
        assert (told["continues_text"], told["forecasts"]) == (False, False)
        assert [stack["name"] for stack in told["stacks"]] == ["encoder"]
        (answer,) = client.post("/api/predict", model=told["id"], questions=["7 is good"])[
            "answers"
        ]
        (alone,) = sunhwan.load(run).predict(["7 is good"])
        assert answer["values"] == alone.values
        traced = client.post("/api/trace", model=told["id"], text="7 is good")
        assert "".join(traced["pieces"]) == "7 is good"
        status, error = client.refused("/v1/completions", model=told["id"], prompt="a")
        assert (status, error["param"]) == (422, "model")


@pytest.mark.slow
@pytest.mark.usefixtures("few_pictures")
def test_it_can_be_looked_into(run: Path, command: Command, tmp_path: Path) -> None:
    done = command("inspect", run, "--out", tmp_path / "report", "--quick", "--limit=200")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert found["about"]["task"] == "rate"
    assert found["flow"]
