"""A forecaster, looked into: its lags, its memory, its report in two languages."""

from pathlib import Path

import numpy as np
import pytest

from sunhwan.api import load
from sunhwan.config import Config
from sunhwan.errors import UsageError
from sunhwan.inspection import ForecasterSubject, lag_influence, memory_use, subject_of
from sunhwan.inspection.measures.lag_influence import MOVED
from sunhwan.inspection.report.build import OF_TEXT, inspect
from sunhwan.inspection.report.contents import QUICK
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures import draw_lags, svg
from sunhwan.inspection.report.write import write_report
from sunhwan.inspection.subjects import text_subject_of
from sunhwan.training import train

SEASON = 4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step, so that its median is nearly the last season again, on its last level."""
    folder = tmp_path_factory.mktemp("forecaster")
    rng = np.random.default_rng(1)
    values = np.cumsum(rng.normal(size=120)) + 5 * (np.arange(120) % SEASON == 0)
    values[50] = np.nan
    rows = [f"{n},{'' if v != v else round(v, 4)},{n % 3}" for n, v in enumerate(values.tolist())]
    path = folder / "rows.csv"
    path.write_text("\n".join(("n,sales,price", *rows)) + "\n", encoding="utf-8")
    settings = {
        "task.name": "forecast", "data.source": str(path), "task.target": "sales",
        "task.input": ["price"], "task.season": SEASON, "task.context": 12, "task.horizon": 3,
        "model.hidden_size": 5, "training.steps": 1, "training.threads": 1,
    }  # fmt: skip
    return train(Config().override(settings), folder / "run").run


def test_the_slope_of_the_median_by_each_lag(run: Path) -> None:
    """Of a network that says 0 the median is the last level with the season put back: that is linear,
    so the slopes are those of the formula."""
    task = load(run)
    task.model.output.weight.data.zero_()
    task.model.output.bias.data.zero_()
    subject = subject_of(task)
    assert isinstance(subject, ForecasterSubject)
    passages = subject.read(run.parent / "rows.csv")
    found = lag_influence(subject, passages, count=3)
    assert (found.ahead, found.lags[:3], found.windows) == ((1, 2, 3), (1, 2, 3), 3)
    (window, *_) = [passage.given.window for passage in passages[:1]]
    for place, ahead in enumerate(found.ahead):
        assert found.slopes[place].sum() == pytest.approx(1, abs=1e-4)  # a level that is moved
        values = window.track.values.copy()
        values[window.origin - 2] += MOVED
        moved = window._replace(
            track=type(window.track)(**{**vars(window.track), "values": values})
        )
        slope = (moved.stretch(SEASON).repeated - window.stretch(SEASON).repeated) / MOVED
        assert found.slopes[place, 1] == pytest.approx(slope[ahead - 1], abs=1e-4)
    assert lag_influence(subject, passages[:1]).inputs == {}


def test_memory_and_windows(run: Path) -> None:
    subject = subject_of(load(run))
    passages = subject.read(run.parent / "rows.csv")
    assert len(passages[0].labels) == 12 + 3
    assert subject.predicted(passages[0]) == list(passages[0].labels[-3:])
    seen = subject.observe(passages[:5])
    whole = (seen.losses.sum(1) / seen.real.sum(1)).tolist()
    memory = memory_use(subject, passages[:5], contexts=(0, 4, 99))
    assert memory is not None
    assert (memory.contexts, memory.measure) == ((0, 4, 12), "pinball")
    assert sorted(memory.losses[-1].tolist()) == pytest.approx(sorted(whole))
    with pytest.raises(UsageError, match="nothing to look into"):
        text_subject_of(load(run))


def test_the_report_of_a_forecaster(run: Path, tmp_path: Path, few_pictures: None) -> None:
    told: list[str] = []
    report = inspect(run, limits=QUICK, progress=lambda name, _: told.append(name))
    assert report.missing == {}
    assert not set(told) & set(OF_TEXT)
    assert report.lags is not None
    assert set(report.lags.inputs) == {"the series", "price"}
    for language, title in (("en", "Which values of the past count"), ("ko", "시계열 자신")):
        page = write_report(report, tmp_path / language, language)
        assert title in page.read_text(encoding="utf-8")
        assert (page.parent / "pictures" / "lags.png").exists()
    drawn = svg(draw_lags(report.lags, Phrases("ko", report.about.directions)), "lags")
    assert len(drawn) > 5000
