"""The language of the command line: chosen by an option or by the computer."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from sunhwan.cli.language import (
    choose_language,
    language,
    named_figure,
    say,
    summary_of,
    with_unit,
)  # fmt: skip
from sunhwan.errors import UsageError
from tests.conftest import TINY, Command


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    """Other tests are told in English."""
    yield
    choose_language(["--language", "en"])


@pytest.mark.parametrize(
    ("variables", "arguments", "chosen", "left"),
    [
        ({}, "train a", "en", "train a"),
        ({"LANG": "ko_KR.UTF-8"}, "train a", "ko", "train a"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "train", "en", "train"),
        ({"LANG": "ko_KR.UTF-8"}, "--language en train a", "en", "train a"),
        ({}, "train a --language=ko --steps 3", "ko", "train a --steps 3"),
        ({}, "inspect run --language ko", "ko", "inspect run --language ko"),
        ({}, "sample -- --language ko", "en", "sample -- --language ko"),
    ],
)
def test_the_option_comes_before_the_computer(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    arguments: str,
    chosen: str,
    left: str,
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("locale.getlocale", lambda: (None, None))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert choose_language(arguments.split()) == left.split()
    assert language() == chosen


@pytest.mark.parametrize("arguments", ["--language", "train --language de"])
def test_another_language_is_refused(command: Command, arguments: str) -> None:
    with pytest.raises(UsageError, match="en or ko"):
        choose_language(arguments.split())
    assert command(*arguments.split()).code == 2


def test_a_training_is_told_in_korean(command: Command, text_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = command("train", text_file, "--out", run, "--steps=4", "--language", "ko", *TINY)
    assert done.code == 0, done.err
    assert "매개변수" in done.out
    assert "검증 손실" in done.out
    assert "정확도" in done.out
    assert "4걸음, 토큰 128개" in done.out
    assert f"다음: sunhwan sample {run}" in done.out
    assert not re.search("accuracy|perplexity|parameters|budget|left", done.out)
    shown = command("--language", "ko", "evaluate", run, text_file).out
    assert "글자당 비트" in shown
    assert "나트(토큰당)" in shown
    assert "accuracy" in command("evaluate", run, text_file).out


def test_summaries_keep_what_they_do_not_know() -> None:
    choose_language(["--language", "ko"])
    assert (
        summary_of("loss 1.5000  MASE 0.9  macro F1 0.5") == "손실 1.5000  MASE 0.9  매크로 F1 0.5"
    )
    assert say("left", time="1:05") == "1:05 남음"
    choose_language(["--language", "en"])
    assert summary_of("loss 1.5000  MASE 0.9") == "loss 1.5000  MASE 0.9"


def test_help_is_in_korean_and_no_line_is_too_wide() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "sunhwan", "predict", "--help", "--language", "ko"],
        capture_output=True, check=True,
        env=os.environ | {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
    ).stdout.decode()  # fmt: skip
    lines = told.splitlines()
    assert lines[0].startswith("사용법:")
    assert "옵션:" in lines
    assert max(map(cell_len, lines)) <= 80
    assert "\u2060" not in told
    assert told.count("[필수]") == 1


@pytest.mark.parametrize(
    "arguments",
    [["predict", "--foo", "x"], ["predict"], ["trian"], ["predict", *"abcd"],
     ["predict", "a", "--beam", "x"], ["predict", "a", "--out"]],
)  # fmt: skip
def test_usage_errors_are_korean_too(command: Command, arguments: list[str]) -> None:
    done = command("--language", "ko", *arguments)
    assert done.code == 2
    words = re.sub(r"도움말: .*|'[^']*'|--[a-z]+|sunhwan:|[(][^)]*[)]", "", done.sentence)
    assert re.search("[가-힣]", words)
    assert not re.search("[a-z]", words), done.sentence


def test_units_and_names_of_figures_are_korean_too() -> None:
    choose_language(["--language", "ko"])
    assert with_unit("0.1 (share of the mean size)") == "0.1 (평균 크기에 대한 비율)"
    assert named_figure("coverage of the 80 % band") == "80 % 구간에 든 비율"


def test_what_auto_chose_is_said(runs: dict[str, Path], text_file: Path, command: Command) -> None:
    for chosen, said in (("en", "auto chose --dynamic"), ("ko", "auto가 고른 값: --dynamic")):
        told = command(
            "--language", chosen, "evaluate", str(runs["characters"]), str(text_file), "--json",
            "--dynamic", "auto", "--cache", "auto",
        )  # fmt: skip
        adapted = json.loads(told.out)["adapted"]
        assert f"{said} {adapted['rate']:g},{adapted['decay']:g},{adapted['segment']} " in told.err
