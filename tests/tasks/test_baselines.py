"""Every task beside its baselines, on the rows that its own figures are of."""

import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch

from sunhwan.baselines.smoothing import Smoothing
from sunhwan.config import Config
from sunhwan.data import warm_blocks
from sunhwan.metrics import Scores, scored_places
from sunhwan.tasks import TASKS, Prepared
from sunhwan.tasks.forecast import beside
from tests.conftest import TEXT, TINY, Command
from tests.tasks.cases import CASES


def prepared(name: str, folder: Path) -> Prepared:
    case = CASES[name]
    values = {
        "task.name": name,
        "data.source": str(case.write(folder)),
        "text.validation_share": 0.3,
        **case.settings,
    }
    torch.manual_seed(1)
    return TASKS[name].prepare(Config().override(values))


METHODS = {
    "answer": {"the most frequent answer", "the sentence nearest to the question"},
    "classify": {"the most frequent label", "TF-IDF + logistic regression"},
    "tag": {"the most frequent label", "the most frequent label of the word or its ending"},
    "translate": {"the answer to the nearest question"},
    "describe": {"the answer to the nearest question"},
    "forecast": {"seasonal naive"},
}


@pytest.mark.parametrize("name", METHODS)
def test_each_task_stands_beside_its_baselines(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{beside.__name__}.is_installed", lambda: False)
    _, task, train, validation, _ = prepared(name, tmp_path)
    scores = task.evaluate_data(validation, limit=30)
    found = task.baselines(train, validation, scores, limit=30)
    assert found is not None
    assert set(found.methods) == METHODS[name]
    assert all(set(figures) == set(found.figures) for figures in found.methods.values())
    assert all(scores.to_dict()[figure] == found.model[figure] for figure in found.figures)
    # An untrained model knows nothing, and simple methods do.
    assert found.better or name == "forecast"  # which begins as the baseline
    assert task.baselines(train, validation, scores, limit=30) == found


def test_the_simple_figures_of_a_classifier(tmp_path: Path) -> None:
    _, task, train, validation, _ = prepared("classify", tmp_path)
    found = task.baselines(train, validation, task.evaluate_data(validation))
    assert found is not None
    labels = [[int(example.target) for example in some] for some in (train, validation)]
    ((often, _),) = Counter(labels[0]).most_common(1)
    majority = found.methods["the most frequent label"]
    assert majority["accuracy"] == pytest.approx(labels[1].count(often) / len(labels[1]))
    assert found.methods["TF-IDF + logistic regression"]["accuracy"] > majority["accuracy"]


class LastSeason:
    """In the place of AutoETS: remembers what it is fitted to, and repeats the last season."""

    fits: ClassVar[list[int]] = []

    def __init__(self, season_length: int) -> None:
        self.season = season_length

    def fit(self, past: Any) -> Self:
        self.fits.append(len(past))
        self.first = past[0]
        return self

    def forward(self, past: Any, h: int) -> dict[str, Any]:
        assert np.isfinite(past).all()
        assert past[0] == self.first  # the season of what it was fitted to goes on
        return {"mean": past[len(past) - self.season + np.arange(h) % self.season]}


@pytest.fixture
def last_season(monkeypatch: pytest.MonkeyPatch) -> type[LastSeason]:
    module = ModuleType("statsforecast.models")
    module.AutoETS = LastSeason  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "statsforecast", ModuleType("statsforecast"))
    monkeypatch.setitem(sys.modules, "statsforecast.models", module)
    monkeypatch.setattr(f"{beside.__name__}.is_installed", lambda: True)
    LastSeason.fits.clear()
    return LastSeason


def test_a_forecaster_stands_beside_exponential_smoothing(
    tmp_path: Path, last_season: type[LastSeason], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, task, train, held, _ = prepared("forecast", tmp_path)
    scores = task.evaluate_data(held)
    found = task.baselines(train, held, scores)
    assert found is not None
    # What stands in for it repeats the last season, as the naive does.
    assert found.methods["AutoETS"] == found.methods["seasonal naive"]
    assert len(last_season.fits) == len({id(window.track) for window in held})
    monkeypatch.setattr(beside, "MOST", 0)
    found = task.baselines(train, held, scores)
    assert found is not None
    assert set(found.methods) == {"seasonal naive"}
    assert "AutoETS" in found.notes[0]


def test_smoothing_is_fitted_anew_when_the_past_has_doubled(last_season: type[LastSeason]) -> None:
    values = np.arange(2_000.0)
    values[50:60] = np.nan
    smoothing = Smoothing(values, 7)
    assert smoothing.forecast(5, 3).tolist() == [0, 1, 2]  # too few values: the naive
    for origin in (40, 79, 80, 100, 2_000):
        assert smoothing.forecast(origin, 9)[:7].tolist() == pytest.approx(
            range(origin - 7, origin)
        )
    assert last_season.fits == [40, 80, 500]


def text_of(folder: Path) -> Config:
    path = folder / "text.txt"
    path.write_text("the cat sat on the mat, and the dog sat on the cat. " * 40, encoding="utf-8")
    return Config().override(
        {"text.corpus": str(path), "model.hidden_size": 4, "model.embedding_size": 4}
    )


def test_a_language_model_stands_beside_n_grams(tmp_path: Path) -> None:
    _, task, train, validation, _ = TASKS["language_model"].prepare(text_of(tmp_path))
    scores = task.evaluate_data(validation, limit=100)
    found = task.baselines(train, validation, scores, limit=100)
    assert found is not None
    assert found.lower
    unigrams, fivegrams = (figures["perplexity"] for figures in found.methods.values())
    assert 1 < fivegrams < unigrams < scores.to_dict()["perplexity"]
    assert found.better == ["Kneser-Ney 5-grams", "unigrams"]


def test_of_a_long_text_n_grams_read_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sunhwan.tasks.language_model.baselines.LEARNED", 500)
    _, task, train, validation, _ = TASKS["language_model"].prepare(text_of(tmp_path))
    found = task.baselines(train, validation, Scores(1.0, 0.5, 10, 10))
    assert found is not None
    assert found.notes == (f"n-grams were counted in the first 500 of {len(train.ids):,} tokens",)


@pytest.mark.parametrize(("rows", "limit"), [(1, 10), (4, 50), (64, 20), (7, 10_000)])
def test_the_places_that_a_limited_evaluation_scores(rows: int, limit: int, tmp_path: Path) -> None:
    tokens = TASKS["language_model"].prepare(text_of(tmp_path)).validation
    places = scored_places(tokens, rows, limit)
    texts = torch.cat(
        [
            block.targets[scored]
            for block, scored in warm_blocks(tokens, rows=rows, block_length=16, limit=limit)
        ]
    )
    assert len(places) == len(texts)
    assert sorted(tokens.ids[places].tolist()) == sorted(texts.tolist())
    assert len(set(places.tolist())) == len(places)


def test_the_training_data_of_a_large_folder_is_not_read_again(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = tmp_path / "texts", tmp_path / "run"
    folder.mkdir()
    (folder / "one.txt").write_text(TEXT, encoding="utf-8")
    assert command("train", folder, "--out", run, "--steps=2", *TINY).code == 0
    file = folder / "one.txt"
    assert "baselines" in json.loads(command("evaluate", run, file, "--json").out)
    monkeypatch.setattr("sunhwan.api.LARGE", 100)
    report = json.loads(command("evaluate", run, file, "--json").out)
    assert "baselines" not in report
    assert "of the training data again" in report["notes"][0]
