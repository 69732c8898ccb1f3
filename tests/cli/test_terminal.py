"""What is printed to people: nothing that moves the cursor or colours the terminal."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from sunhwan.cli import terminal
from sunhwan.cli.output import echo, echo_json, printing, replace_unshowable
from sunhwan.cli.terminal import console, shown, visible
from sunhwan.errors import DataError

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


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp949", "utf-8"])
def test_no_output_fails_for_its_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """What cannot be shown is replaced; JSON loses nothing."""
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", out)
    replacing = replace_unshowable()
    text = "한글 é … 🙂"
    echo(text)
    console().print(text)
    echo_json({"text": text})
    first, second, value = written.getvalue().decode(encoding).splitlines()
    assert first == second
    assert ("한글" in first) == (encoding in ("utf-8", "cp949"))
    assert "..." in first or "…" in first
    assert ("?" in first) == (encoding != "utf-8")
    assert replacing.acted == (encoding != "utf-8")
    assert json.loads(value) == {"text": text}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp949", "utf-8"])
def test_no_letter_of_data_is_lost_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    replace_unshowable()
    if encoding in ("ascii", "cp1252"):
        with pytest.raises(
            DataError, match=f"'긍' cannot be written in {encoding}, the encoding of"
        ):
            printing("csv")("a,긍정\n")
        printing("text")("긍정\n")
    else:
        printing("csv")("a,긍정\n")
    printing("jsonl")('"긍정 🙂"\n')
    sys.stdout.flush()
    first, second = written.getvalue().decode(encoding).splitlines()
    assert json.loads(second) == "긍정 🙂"
    assert first in ("a,긍정", "??")


SHOWS_MUCH = """
import sys
from sunhwan.cli import app, main, sample
from sunhwan.cli.output import echo

def many():
    for _ in range(100_000):
        echo("some words")

app.app.command("many")(many)
sys.argv = ["sunhwan", "many"]
main()
"""


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    script = tmp_path / "many.py"
    script.write_text(SHOWS_MUCH)
    writer = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    assert writer.stdout.read(5) == b"some "
    writer.stdout.close()
    assert (writer.wait(60), writer.stderr.read()) == (0, b"")
    writer.stderr.close()


def test_a_console_whose_reader_left_ends_nothing() -> None:
    """As where a training is piped into `head`."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as file:
        quiet = console()
        quiet.file = file
        for _ in range(3):
            quiet.print("a line")
        file.flush()


def test_a_table_in_a_pipe_has_a_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(*(f"column {k}" for k in range(20)), box=None)
    table.add_row(*("a label" for _ in range(20)))
    console().print(table)
    head, row = capsys.readouterr().out.splitlines()
    assert "column 19" in head
    assert row.count("a label") == 20
