"""What a file says is checked before anything is computed from it."""

import time
from fractions import Fraction
from pathlib import Path

import pytest

from sunhwan.data import read_series, read_table
from sunhwan.data.clock import following
from sunhwan.data.numbers import is_number
from sunhwan.errors import DataError, StoreError
from sunhwan.tasks.common.labels import restored_labels
from sunhwan.tasks.describe.tunes import in_eighths, tune_pairs


@pytest.mark.parametrize(
    "cell", ["9" * 200_000 + "x", "." + "9" * 200_000 + "x", "1e" + "9" * 200_000 + "x"]
)
def test_a_long_cell_is_no_number_at_once(cell: str) -> None:
    begun = time.process_time()
    assert not is_number(cell)
    assert is_number(cell[:-1])
    assert time.process_time() - begun < 2


def test_many_columns_take_no_longer_each(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = [f"c{n}" for n in range(5_000)]
    path.write_text("\n".join([",".join(names), *[",".join(["1.5"] * 5_000)] * 2]))
    begun = time.process_time()
    series = read_series(path)
    assert time.process_time() - begun < 4
    assert series.values.shape == (2, 5_000)
    assert len(series.said) < 1000
    with pytest.raises(DataError) as caught:
        read_series(path, columns=["none"])
    assert len(str(caught.value)) < 1000
    path.write_text(",".join([*names, "c7"]) + "\n" + ",".join(["1"] * 5_001))
    with pytest.raises(DataError, match="two columns are named 'c7'"):
        read_table(path, header=True)


@pytest.mark.parametrize("last", ["1e999999", "2e999999999", "1e-999999999", "9" * 5000])
def test_times_beyond_all_numbers_go_on_as_steps(last: str) -> None:
    assert following(["1", last], 2) == ("+1", "+2")


@pytest.mark.parametrize(
    "note", ["C/0", "C/00", "C" + "9" * 5000, "C/" + "9" * 5000, "C" + "/" * 10_000]
)
def test_a_length_that_cannot_be_is_one_sentence(tmp_path: Path, note: str) -> None:
    with pytest.raises(ValueError, match="no length"):
        in_eighths(note, Fraction(1, 8))
    (tmp_path / "t.abc").write_text(f"X:1\nL:1/8\nK:G\nGA {note} B|\n")
    with pytest.raises(DataError, match=r"t\.abc, line 1: the note .* has no length"):
        tune_pairs(tmp_path / "t.abc")


@pytest.mark.parametrize("field", ["1/0", "0/1", "1/" + "9" * 5000, "9" * 5000 + "/1", "eighth"])
def test_a_unit_that_cannot_be_is_refused(tmp_path: Path, field: str) -> None:
    (tmp_path / "t.abc").write_text(f"X:1\nM:4/4\nL:{field}\nK:G\nGA B2|\n")
    with pytest.raises(DataError, match=r"t\.abc, line 1: the field L, '.*', is no length"):
        tune_pairs(tmp_path / "t.abc")


def test_a_body_of_open_brackets_is_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "t.abc").write_text("X:1\nK:G\nGA " + "[A:" * 30_000 + "\n")
    begun = time.process_time()
    tune_pairs(tmp_path / "t.abc")
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("stored", [None, "ab", {}, [], ["a", 1], ["a", "a"], [["a"]], {"a": 1}])
def test_labels_that_are_none_are_refused(stored: object) -> None:
    with pytest.raises(StoreError, match="labels"):
        restored_labels(stored)
    assert restored_labels(["b", "a\t\x1b"]) == ["b", "a\t\x1b"]
