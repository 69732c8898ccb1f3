"""Several processes learn what one does: gradients, losses, and what becomes of them when one ends."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sunhwan.data import Batches, Streams, Tokens
from sunhwan.errors import ConfigError, DataError
from sunhwan.models.loss import Loss
from sunhwan.training.processes import SummedLoss
from tests.conftest import TINY, Command
from tests.tasks.cases import CASES
from tests.tiers import deep

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="processes are forked"),
    pytest.mark.early,
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("together")
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.together", folder],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "stderr": done.stderr}


@pytest.mark.parametrize("task", ["language_model", *CASES])
def test_the_gradient_is_that_of_one_process(report: dict[str, Any], task: str) -> None:
    for count in (2, 3) if task in ("language_model", "tag") else (2,):
        codes, difference = report[f"{task} {count}"]
        assert codes == [0] * count
        assert difference < 1e-6


def test_many_steps_with_clipping_and_muon_stay_together(report: dict[str, Any]) -> None:
    assert report["shared codes"] == [0, 0]
    assert report["losses"] < 1e-5


def test_a_language_model_is_learned_first_by_several(report: dict[str, Any]) -> None:
    codes, difference = report["pretrained"]
    assert codes == [0, 0]
    assert difference < 1e-6


def test_stopped_and_resumed_by_other_numbers_of_processes(report: dict[str, Any]) -> None:
    assert report["stopped"] == [0, 0]
    assert report["stopped at"] == 11
    assert report["moved"] == [0, 0, 0]
    assert report["moved losses"] < 1e-5
    assert report["moved apart"] < 1e-5


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_the_run_goes_on(report: dict[str, Any], rank: int) -> None:
    codes, seconds, step, difference = report[f"killed {rank}"]
    assert codes == ([-9, 4] if rank == 0 else [3, -9])
    assert seconds < 60
    assert step == 30
    assert difference < 1e-5


@deep
def test_killed_at_random_instants_and_resumed_is_uninterrupted(tmp_path: Path) -> None:
    kills = os.environ.get("SUNHWAN_KILLS", "3")
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.killed_ranks", tmp_path, kills, "1"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["killed"] == int(kills)
    assert found["slowest"] < 60
    assert found["apart"] < 1e-5
    assert found["losses"] < 1e-5


def test_what_cannot_be_shared_is_told_once(report: dict[str, Any]) -> None:
    assert report["different data"] == [1, 4]
    assert report["few streams"] == [1, 4, 4]
    first, second = report["stderr"].strip().splitlines()
    assert first.startswith("the processes of this training read different data")
    assert second.startswith("2 streams of text cannot be cut into 3 parts")


def test_parts_of_streams_are_the_whole() -> None:
    tokens = Tokens(torch.arange(100), torch.tensor([0, 40]), 100)
    whole, cut = (Streams(tokens, 7, 5, reset_probability=0.5) for _ in range(2))
    for _ in range(9):
        block, pieces = next(whole), cut.next_parts(range(3), 3)
        assert torch.equal(block.inputs, torch.cat([piece.inputs for piece in pieces]))
        resets = [
            torch.zeros_like(p.inputs, dtype=torch.bool) if p.resets is None else p.resets
            for p in pieces
        ]
        assert block.resets is None or torch.equal(block.resets, torch.cat(resets))
    assert cut.state() == whole.state()
    with pytest.raises(DataError, match="7 streams of text cannot be cut into 8 parts"):
        whole.next_parts(range(1), 8)


def test_parts_of_batches_are_the_whole() -> None:
    rows, lengths = list(range(11)), [1 + n % 4 for n in range(11)]
    whole, cut = (Batches(rows, lengths, 4, list, seed=2) for _ in range(2))
    for _ in range(7):
        found = cut.next_parts(range(5), 5)
        assert found[4] is None
        assert [row for piece in found for row in piece or []] == next(whole)
    assert cut.state() == whole.state()


@pytest.mark.parametrize("task", ["language_model", *CASES])
def test_an_accumulated_gradient_is_that_of_the_batch(report: dict[str, Any], task: str) -> None:
    assert report[f"{task} accumulated"] < 1e-6


def test_accumulated_steps_with_clipping_and_muon_stay_together(report: dict[str, Any]) -> None:
    assert report["accumulated apart"] < 1e-5
    assert report["accumulated shared"][0] == [0, 0]
    assert report["accumulated shared"][1] < 1e-5


def test_refusals_of_the_command(
    command: Command, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = ("train", text_file, "--out", tmp_path / "run", "--steps=2", "--quiet", *TINY)
    assert "--processes must be 1 or more" in command(*tiny, "--processes=0").sentence
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "2 were started" in command(*tiny, "--processes=3").sentence


def test_only_processors_are_shared(tmp_path: Path) -> None:
    from sunhwan.config import Config
    from sunhwan.training.processes import Processes
    from sunhwan.training.start import _device

    with pytest.raises(ConfigError, match="several processes train on processors"):
        _device(Config().override({"training.device": "cuda"}), Processes(0, 2))
    assert _device(Config(), Processes(1, 2)) == torch.device("cpu")


def test_a_loss_that_says_no_mean_is_not_put_together() -> None:
    loss = torch.zeros((), requires_grad=True)
    with pytest.raises(ConfigError, match=r"Loss\.terms"):
        SummedLoss().add(Loss(loss, loss))
