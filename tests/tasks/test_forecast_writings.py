"""Forecasters read files as their training file was written: numbers, currencies and steps of time."""

import json
from pathlib import Path

import numpy as np
import pytest

from sunhwan.errors import DataError
from sunhwan.messages.mistakes import note
from sunhwan.tasks import Forecast
from sunhwan.tasks.forecast.layout import Layout
from sunhwan.tasks.forecast.scores import ForecastScores
from tests.tasks.test_forecast import prepared

DAYS = [f"{np.datetime64('2024-03-01') + day}" for day in range(40)]


def table(path: Path, cells: list[str], times: list[str] = DAYS, separator: str = ";") -> Path:
    rows = [f"{time}{separator}{cell}\n" for time, cell in zip(times, cells, strict=False)]
    path.write_text(f"date{separator}sold\n" + "".join(rows), encoding="utf-8")
    return path


def values(task: Forecast, path: Path) -> list[float]:
    (series,) = task.questions(path)
    return series.values[:, 0].tolist()


def learned(path: Path, cells: list[str], times: list[str] = DAYS) -> Forecast:
    """A task that is restored from what is stored of it."""
    task = prepared(table(path / "train.csv", cells, times)).task
    stored = json.loads(json.dumps(task.preprocessing()))
    return Forecast.restored(task.config, stored)


GERMAN = [f"1.{day:03},5" for day in range(200, 240)]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1.204", "950", "1.200", "999"], [1204, 950, 1200, 999]),
        (["1.204", "2.310"], [1204, 2310]), (["1,204", "950,5"], [1.204, 950.5]),
        (["1.204,5", "950"], [1204.5, 950]), (["1,204.5", "950"], [1204.5, 950]),
        (["1204.5", "950"], [1204.5, 950]), (["1.204", "1950"], [1.204, 1950]),
    ],
)  # fmt: skip
def test_numbers_are_read_as_in_training_where_their_column_does_not_tell(
    cells: list[str], numbers: list[float], tmp_path: Path
) -> None:
    task = learned(tmp_path, GERMAN)
    assert values(task, table(tmp_path / "new.csv", cells, separator="\t")) == numbers
    assert task.layout.writings == (("sold", "with a decimal comma"),)


def test_a_layout_of_an_earlier_version_reads_as_before(tmp_path: Path) -> None:
    task = learned(tmp_path, GERMAN)
    stored = {k: v for k, v in task.layout.to_dict().items() if k != "writings"}
    task.layout = Layout.from_dict(stored)
    assert values(task, table(tmp_path / "new.csv", ["1.204", "950"], separator="\t")) == [
        1.204,
        950,
    ]


def test_amounts_in_another_currency_are_refused(tmp_path: Path) -> None:
    task = learned(tmp_path, [f"₩1,{day:03}" for day in range(200, 240)])
    assert task.layout.currencies == (("sold", "₩"),)
    for cells in (["₩1,204", "₩950"], ["1,204원", "950원"], ["1,204", "950"]):
        assert values(task, table(tmp_path / "new.csv", cells, separator="\t")) == [1204, 950]
    with pytest.raises(
        DataError, match="'sold' has amounts in \\$, but the model was trained on amou"
    ):
        values(task, table(tmp_path / "new.csv", ["$1,204", "$950"]))


def test_files_in_several_currencies_are_refused(tmp_path: Path) -> None:
    paths = [
        table(tmp_path / f"{n}.csv", [f"{mark}1,{day:03}" for day in range(200, 240)])
        for n, mark in enumerate("$₩")
    ]
    with pytest.raises(
        DataError,
        match=r"1.csv: the column 'sold' has amounts in ₩, but those of .*0.csv are in \$",
    ):
        prepared(paths[0], **{"data.source": list(map(str, paths))})


def test_rows_with_other_steps_are_refused(tmp_path: Path) -> None:
    task = learned(tmp_path, list(map(str, range(40))))
    months = [f"2024-{month:02}-01" for month in range(1, 13)]
    with pytest.raises(DataError, match="such as 2024-01-01 and 2024-02-01; give rows that are as"):
        values(task, table(tmp_path / "new.csv", list(map(str, range(12))), months))
    sparse = [f"2024-05-{day:02}" for day in (1, 3, 7, 9, 16)]
    assert len(values(task, table(tmp_path / "new.csv", list("12345"), sparse))) == 16


def test_what_a_constant_series_teaches_is_said_in_one_way(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("year,a,b\n" + "".join(f"{n},5,{n % 7}\n" for n in range(1900, 2000)))
    *_, repeats, learned = prepared(path, **{"task.season": 1}).notes
    assert repeats == "1 of 2 series repeat exactly or are empty, so they teach nothing"
    assert learned.startswith("1 series to learn from, no season; from")
    path.write_text("year,a\n" + "".join(f"{n},5\n" for n in range(1900, 2000)))
    assert "each value is the one before, and so are the forecasts" in prepared(path).notes
    nothing = float("nan")
    scores = ForecastScores(0.1, 0, nothing, nothing, 1, 3, without_mase=3)
    assert dict(scores.table())["MASE"] == "– (not of 3 forecasts)"
    assert note("not of 3 forecasts", "ko") == "예측 3개는 뺌"
