"""The catalogue of messages is whole in both languages, and holds what is used and nothing else."""

import inspect
import json
import re
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import typer
from starlette.testclient import TestClient

import sunhwan
from sunhwan.baselines.window import WINDOW
from sunhwan.cli.app import app
from sunhwan.cli.language import choose_language
from sunhwan.messages import LANGUAGES, catalogue, message
from sunhwan.serve.app import make_app
from sunhwan.text import KINDS

ROOT = Path(sunhwan.__file__).parent
WORKING = ("training", "tuning", "data", "generation", "baselines", "metrics.py")
"""Who tells of progress."""
NAMED_BY_THE_SERVER = {*KINDS, "forward", "backward", "recurrent", "encoder", "decoder"}
"""What the page says in the reader's language where a model names it."""


def sources(*places: str) -> str:
    """The text of all files of some folders, and of files."""
    files = [
        path
        for place in places
        for path in ([ROOT / place] if (ROOT / place).is_file() else (ROOT / place).rglob("*"))
        if path.suffix in (".py", ".js", ".html", ".jinja")
    ]
    return "".join(path.read_text("utf-8") for path in files)


def test_no_key_is_there_twice() -> None:
    """The second one would silently take the place of the first."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        assert [key for key in keys if keys.count(key) > 1] == []
        return dict(pairs)

    text = (ROOT / "messages" / "catalogue.json").read_text("utf-8")
    assert json.loads(text, object_pairs_hook=once) == catalogue()


@pytest.mark.parametrize("part", catalogue())
def test_each_message_is_there_in_every_language(part: str) -> None:
    for key, texts in catalogue()[part].items():
        assert tuple(texts) == LANGUAGES, key
        fields = [{name for _, name, _, _ in Formatter().parse(t) if name} for t in texts.values()]
        assert fields[0] == fields[1], key
        if texts["en"] == texts["ko"]:
            assert not re.search("[a-z]{2}", re.sub("{.*?}|Top-[kp]", "", texts["en"])), key
        else:
            words = re.search("[a-zA-Z]", re.sub("{.*?}", "", texts["ko"]))
            assert re.search("[가-힣]", texts["ko"]) or not words, key
            assert not re.search("[가-힣]", re.sub("한국어|순환", "", texts["en"])), key


def test_every_message_of_the_report_is_used_and_every_one_used_is_there() -> None:
    messages, source = catalogue()["report"], sources("inspection", "cli/inspect.py")
    named = set(re.findall(r'\bwords\(\s*"([a-z_.]+)"', source))
    assert len(named) > 50
    assert named <= messages.keys()
    for key in messages:
        start, _, end = key.rpartition(".")
        made = end in ("title", "absent") or start in ("stack", "unit", "input", "period")
        made = made or (
            start in ("attribution", "unrolled", "probes", "flow") and f'"{end}"' in source
        )
        made = made or (f'f"{start}.' in source and f'"{end}"' in source)
        assert made or f'"{key}"' in source or f"'{key}'" in source, key


def test_every_message_of_the_page_is_used_and_every_one_used_is_there() -> None:
    messages, source = catalogue()["page"], sources("serve/page")
    named = set(re.findall(r'\bsay\(\s*"(\w+)"', source))
    named |= set(re.findall(r'data-word(?:-\w+)?="(\w+)"', source))
    assert len(named) > 80
    assert named <= messages.keys()
    for key in messages.keys() - named - NAMED_BY_THE_SERVER:
        assert re.search(rf'["`\']{key}["`\']|\b{key}:', source), key


def test_every_message_of_the_command_line_is_used_and_every_one_used_is_there() -> None:
    messages, source = catalogue()["cli"], sources("cli")
    named = set(re.findall(r'\bsay\(\s*[\'"]([a-z_.]+)[\'"]', source))
    assert len(named) > 25
    assert named <= messages.keys()
    for key in messages.keys() - named:
        start, _, end = key.rpartition(".")
        made = f'f"{start}.' in source and f'"{end}"' in sources(*WORKING)
        assert made or f'"{key}"' in source, key


def test_every_message_of_the_laboratory_is_used_and_every_one_used_is_there() -> None:
    source = sources("lab", "cli/lab.py", "cli/lab_grid.py", "cli/lab_tables.py")
    for key in catalogue()["lab"]:
        assert re.search(rf"[\"']{key}[\"']", source), key


def test_names_of_figures_are_those_of_the_tasks() -> None:
    source = sources("tasks", "metrics.py", "training", "comparison")
    source += f"a window of {WINDOW} tokens"
    for key, texts in catalogue()["figures"].items():
        assert re.search(rf"\b{re.escape(texts['en'])}\b", source), key


def test_every_help_is_there_and_every_one_there_is_used() -> None:
    """Of all commands and their options, in the words of the source."""
    found: set[str] = set()

    def collect(command: Any) -> None:
        found.add(inspect.cleandoc(command.help or ""))
        with typer.Context(command) as context:
            found.update(
                inspect.cleandoc(getattr(p, "help", "") or "") for p in command.get_params(context)
            )
        for inner in getattr(command, "commands", {}).values():
            collect(inner)

    choose_language(["--language", "en"])
    collect(typer.main.get_command(app))
    assert {texts["en"] for texts in catalogue()["help"].values()} == found - {""}


def test_a_message_is_filled_in() -> None:
    assert message("report", "title", "en", name="x") == "Inside x"
    assert message("report", "title", "ko", name="x") == "x 들여다보기"


def test_the_page_is_given_the_catalogue() -> None:
    client = TestClient(make_app({}), base_url="http://localhost")
    script = client.get("/page/catalogue.js").text
    assert (
        json.loads(script.removeprefix("export const CATALOGUE = ").rstrip(";\n"))
        == catalogue()["page"]
    )
