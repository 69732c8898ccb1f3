"""What is printed to people: nothing that moves the cursor or colours the terminal."""

import io
import sys

import pytest
from rich.table import Table

from sunhwan.cli import terminal
from sunhwan.cli.terminal import console, shown, visible

UGLY = "a\x1b[31m\r\x07\x9b\u202eb"
SEEN = "a\\x1b[31m\\r\\x07\\x9b\\u202eb"


def test_what_cannot_be_seen_is_escaped_but_lines_stay_lines() -> None:
    assert visible(UGLY) == SEEN
    assert visible("두 줄\n\t탭") == "두 줄\n\t탭"


def test_a_console_prints_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in the cells, the names and the title of a table."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    table = Table(UGLY, title=UGLY)
    table.add_row(UGLY)
    target = console()
    target.print(UGLY)
    target.print(table)
    told = out.getvalue()
    assert "\x1b[31m" not in told
    assert all(one.isprintable() or one == "\n" for one in told)
    assert told.count("\\x1b[31m") >= 3


@pytest.mark.parametrize("is_terminal", [True, False])
def test_data_goes_into_a_pipe_as_it_is(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    monkeypatch.setattr(terminal.sys.stdout, "isatty", lambda: is_terminal, raising=False)
    assert shown(UGLY) == (SEEN if is_terminal else UGLY)
