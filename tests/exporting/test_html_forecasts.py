"""Forecasters as one page: numbers are pasted, the future is drawn as the model says it."""

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import torch

import sunhwan
from sunhwan.config import Config
from sunhwan.data.calendar import DAY, HOUR, Calendar
from sunhwan.errors import ConfigError
from sunhwan.exporting import export
from sunhwan.tasks import Forecast
from sunhwan.tasks.forecast.layout import Layout
from tests.exporting.conftest import GOLDEN, needs_node
from tests.exporting.test_tasks import lively

OFFICE = tuple(24 * day + hour for day in range(5) for hour in range(8, 18))
"""The hours of a week that there are."""
MONDAY = 1704067200 * 10**6
"""2024-01-01."""


def fresh(season: int, targets: tuple[str, ...] = ("값",), **layout: Any) -> Forecast:
    """A forecaster with random weights, which reads what the layout says."""
    settings = {"season": season, "horizon": 5, "context": 12}
    config = Config().override(
        {
            "task.name": "forecast",
            "model.hidden_size": [5],
            "model.embedding_size": 4,
            "model.dropout": 0.0,
            "model.num_layers": 1,
            "model.direction": "both",
        }
        | {f"task.{name}": value for name, value in settings.items()}
    )
    task = Forecast(config, Layout(targets=targets, gaps=True, drawn=True, **layout), {})
    lively(task, seed=1)
    task.model.spread.copy_(torch.linspace(0.5, 2.0, 9))
    task.model.eval()
    return task


def office_hours() -> list[str]:
    first = datetime(2024, 1, 1)
    hours = (first + timedelta(hours=n) for n in range(24 * 21))
    return [f"{h:%Y-%m-%d %H:%M}" for h in hours if 24 * h.weekday() + h.hour in OFFICE]


DATED = {
    "days": (
        {"cycles": ("year",), "calendar": Calendar("time", DAY, MONDAY)},
        [f"{date(2024, 1, 1) + timedelta(n)}" for n in range(60)],
    ),
    "hours": (
        {
            "cycles": ("day", "week"),
            "longer": (50,),
            "calendar": Calendar("time", HOUR, MONDAY, slots=OFFICE),
        },
        office_hours(),
    ),
    "months": (
        {"calendar": Calendar("months", 1, 648, day=31)},
        [f"{date(2024 + n // 12, n % 12 + 1, 1) - timedelta(1)}" for n in range(40)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DATED)
def test_dates_and_gaps(opened, name):
    """Dates before the numbers, of which some are missing; longer seasons; hours of the week."""
    layout, times = DATED[name]
    task = fresh({"days": 7, "hours": 10, "months": 12}[name], **layout)
    draw = np.random.default_rng(2)
    lines = [f"{t} {abs(v):.3f}" for t, v in zip(times, draw.normal(5, 1, len(times)), strict=True)]
    text = "\n".join(line for n, line in enumerate(lines) if n % 11 != 6)
    (window,) = task.asked(task.parse_question(text))
    assert np.isnan(window.track.values).any()
    wanted, _ = task.quantiles([window])
    page = opened(task)
    line = page.locator("#given span")
    assert line.text_content().endswith(" 12.5")
    assert line.evaluate("one => getComputedStyle(one).whiteSpace") == "nowrap"
    (found,) = page.evaluate("text => sunhwan.forecast(text)", text)
    np.testing.assert_allclose(found, wanted[0], rtol=1e-5)
    page.fill("#text", text)
    page.wait_for_selector("svg")
    (after, *_) = window.track.times[window.origin :]
    shown = page.locator("td").first.text_content()
    assert after.replace("T", " ").startswith(shown)


def test_two_series_on_a_phone(opened):
    task = sunhwan.load(GOLDEN / "tasks" / "forecast")
    assert isinstance(task, Forecast)
    page = opened(task, locale="ko-KR", viewport={"width": 360, "height": 640}, color_scheme="dark")
    rows = [[float(n % 4 + n), 900 - 2.5 * n] for n in range(24)]
    text = "\n".join(f"{a}, {b}" for a, b in rows)
    wanted, _ = task.quantiles(task.asked(rows))
    np.testing.assert_allclose(
        page.evaluate("text => sunhwan.forecast(text)", text), wanted, rtol=1e-5
    )
    page.fill("#text", text)
    page.wait_for_selector("svg")
    assert page.locator("svg").count() == 2
    assert (
        page.locator("figcaption").first.text_content()
        == "사과: 중앙값, 그리고 열에 여덟이 들어갈 구간"
    )
    assert page.locator("td").nth(0).text_content() == "+1"
    assert float(page.locator("td").nth(1).text_content()) == pytest.approx(
        wanted[0, 0, 4], abs=0.01
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.click("#language")
    assert page.locator("th").first.text_content() == "step"


FAULTS = {
    "2024-01-01 1\n2024-01-02 <img src=x>": "Line 2: “<img” is not a number",
    "2024-01-01 1\n2\n": "Line 2: this model reads dates: write one before the number",
    "2024-01-01 1\n2024-01-02 1,5": "Line 2 has 2 numbers, but 1 is needed",
    "2024-01-02 1\n2024-01-01 1": "Line 2: the time does not come after the one before",
    "2024-02-30 1": "Line 1: 2024-02-30 is no time of the model's calendar",
    "2024-01-01 1\n2034-01-01 1": "The times are so far apart that most are missing",
    "2024-01-01 1\n2024-01-02 1": "There are 2 steps, but at least 8 are needed",
}


def test_what_cannot_be_read_is_said(opened):
    page = opened(DAYS)
    for text, message in FAULTS.items():
        page.fill("#text", text)
        page.evaluate("show()")
        assert page.text_content("#fault").startswith(message)
        assert page.locator("svg, img").count() == 0
    page.click("#language")
    assert page.text_content("#fault").startswith("시점이 2개뿐입니다")


DAYS = fresh(7, **DATED["days"][0])


def test_dates_if_one_likes(opened):
    """The example shows a number for each series; dates in some lines alone are refused."""
    page = opened(fresh(1, ("load", "temp"), **DATED["months"][0]))
    assert page.text_content("#given").endswith(
        "load, temp, with its date before it if you like, such as 2024-01 12.5 3."
    )
    faults = {
        "2024-01 1 2\n3 4": "Line 2 has no date, but line 1 has one: write one in every line, or in none",
        "\n1 2\n\n3 4\n\n": "Line 3 is empty, but every line is a step: write its number, or "
        "remove the line",
        "2024-01 1": "Line 1 has 1 number, but 2 are needed: one for each series",
        "2024-01 1 2": "There is 1 step, but at least 2 are needed to go on from",
    }
    for text, fault in faults.items():
        page.fill("#text", text)
        page.evaluate("show()")
        assert page.text_content("#fault") == fault
    page.click("#language")
    page.fill("#text", "1 2\n2024-01 1 2\n")
    page.evaluate("show()")
    assert page.text_content("#fault").startswith(
        "1번째 줄에는 날짜가 없지만 2번째 줄에는 있습니다"
    )


UNCLEAR = (
    "10,1 11,2 12,3", "10,1\t11,2", "10,1;11,2", "10,1, 11,2", "1.204,5; 1.310,7", "0,5", ",5 ,6",
    "1,,2", "1\t\t2",
)  # fmt: skip
"""Numbers in one line, whose commas may be decimal, or between which one is missing."""


def test_numbers_in_one_line(opened):
    """Of a series without dates; and dates that it has no calendar for."""
    page = opened(fresh(1))
    one, lines = (
        page.evaluate("text => sunhwan.forecast(text)", t) for t in ("1 2 4.5", "1\n2\n4.5")
    )
    assert one == lines
    assert page.evaluate("text => sunhwan.forecast(text)", "1, 2 , 4.5,") == lines
    for text in UNCLEAR:
        page.fill("#text", text)
        page.evaluate("show()")
        assert page.text_content("#fault").startswith("Line 1: it is not clear what separates"), (
            text
        )
        assert page.locator("svg").count() == 0
    page.click("#language")
    assert "쉼표가 소수점인지 알 수 없습니다" in page.text_content("#fault")
    page.click("#language")
    page.fill("#text", "2024-01-01 1")
    page.evaluate("show()")
    assert "reads numbers without dates" in page.text_content("#fault")


@needs_node
def test_small_weights_are_measured(tmp_path):
    found = export(DAYS, tmp_path / "x.html", "html")
    assert 0 < found.deviation < 1e-2
    assert (tmp_path / "x.html").stat().st_size < 60_000


def test_other_columns_are_refused(tmp_path):
    task = fresh(7, inputs=("rain",), means=(0.0,), deviations=(1.0,))
    with pytest.raises(ConfigError, match="but the model reads rain beside them: export to ONNX"):
        export(task, tmp_path / "x.html", "html")
    task = fresh(7, zone="Europe/Berlin")
    with pytest.raises(
        ConfigError, match=r"no changes of a clock, .* of Europe/Berlin: export to ONNX"
    ):
        export(task, tmp_path / "x.html", "html")
    task = fresh(7, cycles=("week",))
    with pytest.raises(ConfigError, match="the calendar is not kept with the model: train it anew"):
        export(task, tmp_path / "x.html", "html")
