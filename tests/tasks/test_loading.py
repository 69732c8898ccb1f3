"""`load(run)` returns the task itself; the names of what it returned before are still there."""

from pathlib import Path

import pytest

import sunhwan
from sunhwan.api import load_language
from sunhwan.config import Config
from sunhwan.errors import StoreError
from sunhwan.store import load_model
from sunhwan.tasks import Classify, LanguageModelTask, Task
from sunhwan.training import train
from tests.tasks.cases import reviews


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A language model and a classifier, barely trained."""
    folder = tmp_path_factory.mktemp("runs")
    small = {"model.hidden_size": 5, "training.steps": 2, "training.sample_length": 0}
    text = small | {"text.corpus": "hello"}
    labels = small | {"task.name": "classify", "text.corpus": str(reviews(folder))}
    return {
        name: train(Config().override(values, "the test"), folder / name).run
        for name, values in {"language_model": text, "classify": labels}.items()
    }


def test_a_model_is_its_task(runs: dict[str, Path]) -> None:
    language, classifier = sunhwan.load(runs["language_model"]), sunhwan.load(runs["classify"])
    assert type(language) is LanguageModelTask
    assert type(classifier) is Classify
    assert language.sample("hel", length=4)[0].text == "".join(language.stream("hel", length=4))
    assert [line.text for line in language.score(["hello"])] == ["hello"]
    assert classifier.predict(["a cow"])[0].values["label"] in classifier.labels


def test_what_is_known_of_the_training_comes_along(runs: dict[str, Path]) -> None:
    for name, run in runs.items():
        task = sunhwan.load(run)
        assert task.training == load_model(run).facts
        assert task.facts()["step"] == task.training["step"] <= 2
        assert task.name == name
        assert task.config.model.hidden_size == 5


@pytest.mark.parametrize(("name", "kind"), [("Language", LanguageModelTask), ("Predictor", Task)])
def test_former_names_warn(name: str, kind: type) -> None:
    with pytest.warns(DeprecationWarning, match=f"{name} is deprecated: load\\(run\\) returns"):
        assert getattr(sunhwan.api, name) is kind


def test_the_package_still_names_language() -> None:
    with pytest.warns(DeprecationWarning, match="Language is deprecated"):
        assert sunhwan.Language is LanguageModelTask
    with pytest.raises(AttributeError, match="no attribute 'Predicter'"):
        _ = sunhwan.api.Predicter


def test_only_a_language_model_writes(runs: dict[str, Path]) -> None:
    assert load_language(runs["language_model"]).name == "language_model"
    with pytest.raises(StoreError, match="holds a model to classify, not a language model"):
        load_language(runs["classify"])


def test_commands_say_which_one_uses_a_model(runs: dict[str, Path], command) -> None:
    run = runs["language_model"]
    asked = command("predict", run, "-").sentence
    assert asked == f"sunhwan: {run} is a language model: use `sunhwan sample {run}`"
    assert command("sample", runs["classify"]).sentence.endswith("use `sunhwan predict`")
