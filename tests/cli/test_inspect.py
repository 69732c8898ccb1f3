"""`sunhwan inspect`: a page for a model of any task, and a sentence for a mistake."""

import json
from pathlib import Path

import pytest

import sunhwan.inspection.report.write as writing
from sunhwan.config import Config
from sunhwan.training import train
from tests.conftest import Command
from tests.tasks.cases import CASES
from tests.tiers import and_deep

pytestmark = pytest.mark.usefixtures("few_pictures")
QUICK = ("--quick", "--limit=300")


@pytest.mark.slow
def test_a_page_and_what_was_found(command: Command, runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "report"
    done = command(
        "inspect", runs["documents"], "--out", out, "--with", runs["characters"],
        "--language=en", *QUICK,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "How far the gradient reaches back" in done.err
    assert "the gradient goes furthest" in done.out
    assert done.out.splitlines()[-1] == f"report: {out / 'report.html'}"
    assert "Inside run-documents" in (out / "report.html").read_text("utf-8")
    data = json.loads((out / "report.json").read_text("utf-8"))
    assert list(data["others"]) == [runs["characters"].name]
    assert (out / "pictures" / "flow.svg").stat().st_size > 1000


@pytest.mark.slow
def test_the_figures_as_json_with_a_feature_of_one_s_own(
    command: Command, runs: dict[str, Path], text_file: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "features.py", tmp_path / "report"
    file.write_text("def vowel(text):\n    return [letter in 'aeiou' for letter in text]\n")
    done = command(
        "inspect", runs["characters"], text_file, "--feature", f"{file}:vowel", "--out", out,
        "--json", *QUICK,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["report"] == str(out / "report.html")
    assert [one["field"] for one in found["horizons"]] == ["h", "c"]
    assert found["losses"].keys() >= {"0", "1", "10"}
    assert 0 <= found["clipped_share"] <= 1
    assert {one["gate"] for one in found["radii"]} == {"i", "f", "g", "o"}
    assert found["missing"] == {}
    probes = json.loads((out / "report.json").read_text("utf-8"))["probes"]
    assert "vowel" in {one["feature"] for one in probes["results"]} | probes["skipped"].keys()


@pytest.mark.slow
def test_the_language_is_that_of_the_computer(
    command: Command, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    out = tmp_path / "report"
    done = command("inspect", runs["jamo"], "--out", out, "--quiet", *QUICK)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{out / 'report.html'}\n"
    html = (out / "report.html").read_text("utf-8")
    assert '<html lang="ko">' in html
    assert "기울기는 얼마나 멀리 거슬러 가는가" in html


@pytest.mark.slow
@pytest.mark.parametrize("name", and_deep(["answer", "forecast", "translate"], sorted(CASES)))
def test_every_task(command: Command, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    settings = {
        "task.name": name, "data.source": str(case.write(tmp_path)), "training.steps": 3,
        "training.threads": 1, **case.settings,
    }  # fmt: skip
    run = train(Config().override(settings), tmp_path / "run").run
    done = command("inspect", run, "--json", *QUICK)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["task"] == name
    assert found["horizons"]
    assert (run / "inspect" / "report.html").exists()


@pytest.mark.parametrize(
    ("named", "arguments"),
    [
        ("--language must be en or ko, not 'fr'", ("--language=fr",)),
        ("--limit must be at least 1", ("--limit=0",)),
        ("names no feature", ("--feature=vowel",)),
        ("missing.txt", ("missing.txt",)),
        ("no run or model folder", ("--with=nowhere",)),
    ],
)
def test_a_mistake_is_a_sentence(
    command: Command, runs: dict[str, Path], named: str, arguments: tuple[str, ...]
) -> None:
    assert named in command("inspect", runs["characters"], "--quick", *arguments).sentence
    assert not (runs["characters"] / "inspect").exists()


def test_where_a_report_may_go(command: Command, runs: dict[str, Path], tmp_path: Path) -> None:
    run = runs["characters"]
    assert "--out" in command("inspect", run / "model").sentence
    assert "other things than a report" in command("inspect", run, "--out", run).sentence
    assert (run / "config.toml").exists()
    assert "no run or model folder" in command("inspect", tmp_path / "nothing").sentence


@pytest.mark.slow
def test_interrupting_leaves_nothing(
    command: Command, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "html_of", interrupted)
    out = tmp_path / "report"
    done = command("inspect", runs["characters"], "--out", out, *QUICK)
    assert done.code
    assert not list(tmp_path.iterdir())
