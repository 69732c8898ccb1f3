"""What the tests of data, models, store, training and command line share."""

import os

# Whatever the machine says: tests run on as many processes as it has cores.
os.environ["OMP_NUM_THREADS"] = "1"

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest
import torch

import sunhwan.plots
from sunhwan.cells import OWN
from sunhwan.cli import main
from sunhwan.store import Run

hypothesis.settings.register_profile("tests", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("tests")

TEXT = "The quick brown fox jumps over the lazy dog. " * 20
TINY = (
    "--threads=1",
    "--set=model.hidden_size=6",
    "--set=data.batch_size=4",
    "--set=data.block_length=8",
    "--set=training.sample_length=10",
)
"""Options that make a run a matter of milliseconds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="one case of every test, and no slow ones: what one runs while working",
    )
    parser.addoption("--deep", action="store_true", help="every case of every test")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --deep none of the deep tier; with --quick the case in the middle of each test's, for the
    first is often the simplest. The early ones come before the rest."""
    kept = list(items)
    if not config.getoption("--deep"):
        kept = [item for item in items if item.get_closest_marker("deep") is None]
    if config.getoption("--quick"):
        cases: dict[str, list[pytest.Item]] = {}
        for item in kept:
            if item.get_closest_marker("slow") is None:
                cases.setdefault(item.nodeid.split("[")[0], []).append(item)
        kept = [found[len(found) // 2] for found in cases.values()]
    kept.sort(key=lambda item: item.get_closest_marker("early") is None)
    chosen = {id(item) for item in kept}
    config.hook.pytest_deselected(items=[item for item in items if id(item) not in chosen])
    items[:] = kept


class Outcome(NamedTuple):
    """How a command ended: the exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence on stderr of a command that failed."""
        lines = self.err.splitlines()
        assert self.code in (1, 2), f"exit code {self.code}: {self.err}"
        assert len(lines) == 1, self.err
        assert lines[0].startswith("sunhwan: "), self.err
        assert len(lines[0]) > len("sunhwan: ") + 10
        return lines[0]


Command = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def no_own_cells() -> Iterator[None]:
    """A cell of one test is unknown to the next: names of files come again."""
    yield
    OWN.clear()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Every test on one thread, and the caller's setting afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


draw_losses = sunhwan.plots.draw_losses


@pytest.fixture(scope="session", autouse=True)
def quick_runs() -> Iterator[None]:
    """Leave out loss.png, which takes longer than a tiny run, and the wait for the disk, which only a
    machine that loses power misses; fixtures train without them, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sunhwan.plots, "draw_losses", lambda run: run.folder / "loss.png")
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out most pictures of a report, which take longer than all else."""
    import sunhwan.inspection.report.write as writing

    drawn, shape = writing.pictures_of, cache(writing.svg)

    def one(report: Any, words: Any) -> dict[str, Any]:
        without = {"spectrum": None, "traces": None, "probes": None, "memory": None, "lags": None}
        found = drawn(report._replace(**without, clipping=None, unrolled=None), words)
        return dict.fromkeys(PICTURES, found["flow"])

    monkeypatch.setattr(writing, "pictures_of", one)
    monkeypatch.setattr(writing, "svg", lambda figure, name: shape(figure, "flow"))
    monkeypatch.setattr(writing, "png", lambda figure: b"")


PICTURES = (
    "flow", "lags", "clipping", "memory", "matrices", "jacobians", "history", "probes", "trace-1",
    "trace-2", "trace-3", "trace-4", "unrolled", "kept",
)  # fmt: skip


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`command("train", "a.txt", …)`: the command line in this process, any traceback passed on."""

    def call(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["sunhwan", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short text."""
    path = tmp_path_factory.mktemp("corpus") / "fox.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def losses(run: Path) -> list[dict[str, object]]:
    """The log of a run without what the clock decides."""
    clock = ("seconds", "tokens_per_second")
    return [
        {key: value for key, value in event.items() if key not in clock}
        for event in Run.open(run).events()
    ]
