"""A few of the made tables of `tests.deep.made_tables`: read to the right cells, or refused."""

from pathlib import Path

from tests.deep.made_tables import run


def test_made_tables_are_read_right(tmp_path: Path) -> None:
    ends = run(60, tmp_path)
    assert ends["right"] > 0.8 * ends.total(), ends
