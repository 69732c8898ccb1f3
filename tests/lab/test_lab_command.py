"""`sunhwan lab memory`: what it prints and writes, and what it answers to a mistake."""

import json
import re
from pathlib import Path

import pytest

from sunhwan.cells import CELLS
from sunhwan.cli.lab_tables import finding
from sunhwan.lab import figures, memory
from sunhwan.lab.memory import DELAYS, Point, Settings
from tests.conftest import Command

TINY = ("--steps=1", "--hidden-size=4", "--batch-size=2", "--threads=1", "--delays=2,3")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ROWS", 8)


@pytest.fixture
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "draw_memory", lambda *_: None)


def test_a_whole_measurement(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "기억 실험"
    options = ("lab", "memory", "--cells=elman,gru", "--out", out, *TINY)
    done = command(*options)
    assert done.code == 0, done.err
    assert (out / "memory.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert len(results["points"]) == 2 * 2
    assert len(results["horizons"]) == 2
    assert results["settings"]["hidden_size"] == 4
    for name in ("recall", "elman", "gru", "horizon", str(out)):
        assert name in done.out
    assert "longest delay solved: elman" in done.out
    monkeypatch.setattr(figures, "draw_memory", lambda *_: None)
    again = command(*options)
    assert again.code == 0
    assert (out / "results.json").read_text(encoding="utf-8") == json.dumps(
        results, indent=1
    ) + "\n"
    assert again.out.count("(from before)") == 4


def test_json_is_one_object(command: Command, tmp_path: Path, no_figure: None) -> None:
    done = command("lab", "memory", "--cells=lstm", "--out", tmp_path, "--json", *TINY)
    assert done.code == 0, done.err
    value = json.loads(done.out)
    assert set(value) == {"folder", "settings", "horizons", "points"}
    assert [point["delay"] for point in value["points"]] == [2, 3]
    assert value["horizons"][0]["cell"] == "lstm"
    assert "lstm" in done.err, "progress is on stderr"
    on_disk = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert on_disk == {key: value[key] for key in on_disk}


def test_all_cells_and_the_main_ones(command: Command, tmp_path: Path, no_figure: None) -> None:
    options = ("--json", "--steps=1", "--hidden-size=4", "--batch-size=2", "--delays=2")
    every = command("lab", "memory", "--cells=all", "--out", tmp_path / "all", *options)
    assert {p["cell"] for p in json.loads(every.out)["points"]} == set(CELLS)
    main = command("lab", "memory", "--out", tmp_path / "main", *options)
    assert {"elman", "gru", "lstm"} <= {p["cell"] for p in json.loads(main.out)["points"]}


def test_help_says_the_defaults(command: Command) -> None:
    shown = " ".join(re.sub(r"[^\w(),]", " ", command("lab", "memory", "--help").out).split())
    defaults = Settings()
    for value in (defaults.hidden_size, defaults.steps, defaults.batch_size, defaults.seed):
        assert f"({value})" in shown
    assert ",".join(map(str, DELAYS)) in shown.replace(" ", "")
    assert "memory" in command("lab", "--help").out
    assert "lab" in command("--help").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cells=elmann",), "no cell 'elmann'"),
        (("--cells=gru,,lstm",), "empty place"),
        (("--cells=,",), "empty place"),
        (("--task=recal",), "no task 'recal'"),
        (("--delays=5,0",), "between 1"),
        (("--delays=-5",), "between 1"),
        (("--delays=5,ten",), "'ten'"),
        (("--delays=",), "empty place"),
        (("--hidden-size=0",), "hidden size"),
        (("--steps=0",), "steps"),
        (("--batch-size=-1",), "batch size"),
        (("--seed=-1",), "seed"),
        (("--threads=0",), "threads"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = command("lab", "memory", "--out", tmp_path / "new", *arguments)
    assert (done.code, done.out) == (2, "")
    assert re.search(message, done.sentence)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_used(command: Command, tmp_path: Path, no_figure: None) -> None:
    options = ("lab", "memory", "--cells=elman", *TINY)
    (tmp_path / "file").write_text("a file")
    done = command(*options, "--out", tmp_path / "file")
    assert (done.code, "cannot make" in done.sentence) == (2, True)
    assert command(*options, "--out", tmp_path).code == 0
    done = command(*options, "--out", tmp_path, "--seed=5")
    assert (done.code, "seed 1 and not 5" in done.sentence) == (2, True)
    (tmp_path / "results.json").write_text("{")
    done = command(*options, "--out", tmp_path)
    assert (done.code, "no file of results" in done.sentence) == (1, True)


def test_interrupted(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_figure: None
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    train = memory.train
    monkeypatch.setattr(memory, "train", interrupt)
    options = ("lab", "memory", "--cells=elman", "--out", tmp_path, *TINY)
    done = command(*options)
    assert (done.code, done.err) == (130, "")
    assert "the same command continues" in done.out
    monkeypatch.setattr(memory, "train", train)
    assert command(*options).code == 0


def test_all_tasks_have_a_table(command: Command, tmp_path: Path, no_figure: None) -> None:
    done = command("lab", "memory", "--cells=elman", "--task=all", "--out", tmp_path, *TINY)
    assert done.code == 0, done.err
    for title in ("recall: accuracy", "adding: mean squared error", "copy: accuracy"):
        assert title in done.out


def test_the_finding_is_of_what_was_measured() -> None:
    """Never another one's: with a cell that solved all, one that failed, and one that solved none."""

    def point(cell: str, delay: int, solved: bool) -> Point:
        return Point("recall", cell, delay, 0.5, solved, 1, 0.01, False, 1.0)

    points = [point("elman", 5, True), point("elman", 10, False), point("lstm", 5, True)]
    sentence = finding("recall", [*points, point("irnn", 5, False)], "uniform")
    assert sentence == "recall, W_h uniform, longest delay solved: elman 5, lstm ≥ 5, irnn none"
    assert "as each cell begins" in finding("recall", points, "")
