"""The run folder: made once, locked by one trainer, its logs and two checkpoints."""

import errno
import os
from pathlib import Path

import pytest
import torch

from sunhwan.config import Config
from sunhwan.errors import StoreError, UsageError
from sunhwan.store import Run
from tests.store.crashes import every_crash, every_failure


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", Config())


def save(run: Run, step: int) -> None:
    run.save_checkpoint(step, {"w": torch.full((5,), float(step))}, {"note": f"at {step}"})


def test_a_run_is_made_once(run: Run, tmp_path: Path) -> None:
    assert Run.open(run.folder).config() == Config()
    with pytest.raises(UsageError, match="sunhwan resume"):
        Run.create(run.folder, Config())
    (tmp_path / "full").mkdir()
    Run.create(tmp_path / "full", Config())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    for path in (tmp_path / "other", tmp_path / "other" / "file", tmp_path / "other/file/run"):
        with pytest.raises(UsageError):
            Run.create(path, Config())
    with pytest.raises(UsageError, match="UTF-8"):
        Run.create(tmp_path / os.fsdecode(b"caf\xe9"), Config())


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(StoreError, match=r"config\.toml"):
            Run.open(path)


def test_one_trainer_at_a_time(run: Run) -> None:
    with run:
        with pytest.raises(StoreError, match="another trainer"), Run.open(run.folder):
            pass
        assert Run.open(run.folder).config() == Config(), "readers are welcome"
    with Run.open(run.folder):
        pass


def test_a_folder_that_cannot_be_locked_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: object, flags: int, *rest: object, **options: object) -> int:
        if str(path).endswith(".lock"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, flags, *rest, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreError, match="cannot lock"):
        run.__enter__()


def test_the_last_two_checkpoints_are_kept(run: Run) -> None:
    assert run.load_checkpoint() == ({}, {}, [])
    for step in (1, 9, 10, 100):
        save(run, step)
    assert [path.name for path in run.checkpoints()] == [
        "step-000000000100.safetensors",
        "step-000000000010.safetensors",
    ]
    tensors, state, skipped = run.load_checkpoint()
    assert tensors["w"].tolist() == [100.0] * 5
    assert (state["step"], state["note"], skipped) == (100, "at 100", [])


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(run: Run) -> None:
    save(run, 1)
    save(run, 2)
    newest, older = run.checkpoints()
    damage(newest)
    tensors, state, skipped = run.load_checkpoint()
    assert (state["step"], tensors["w"][0].item()) == (1, 1.0)
    assert len(skipped) == 1
    assert str(newest) in skipped[0]
    damage(older)
    with pytest.raises(StoreError, match=r"no checkpoint in .* can be read"):
        run.load_checkpoint()


def test_logs_are_cut_back_to_the_checkpoint(run: Run) -> None:
    run.log("step", step=1, loss=2.5)
    run.add_sample("step 1", "가 \ud800")
    save(run, 1)
    log, samples = run.log_file.read_bytes(), run.samples_file.read_bytes()
    run.log("step", step=2)
    run.add_sample("step 2", "b")
    with run.log_file.open("ab") as file:
        file.write(b'{"event": "st')
    assert [event["step"] for event in run.events()] == [1, 2]
    run.rewind_logs(run.load_checkpoint()[1]["lengths"])
    assert (run.log_file.read_bytes(), run.samples_file.read_bytes()) == (log, samples)
    run.rewind_logs({})
    assert run.log_file.read_bytes() == b""


def test_no_crash_while_saving_costs_the_last_checkpoint(tmp_path: Path) -> None:
    rounds = 0
    seen = set()

    def prepare() -> Path:
        nonlocal rounds
        rounds += 1
        made = Run.create(tmp_path / str(rounds), Config())
        save(made, 1)
        save(made, 2)
        made.log("step", step=3)
        return made.folder

    def check(folder: Path) -> None:
        tensors, state, skipped = Run.open(folder).load_checkpoint()
        assert skipped == []
        assert state["step"] in (2, 3)
        assert tensors["w"].tolist() == [float(state["step"])] * 5
        seen.add(state["step"])
        again = Run.open(folder)
        again.rewind_logs(state["lengths"])
        save(again, 4)
        assert len(list(again.checkpoint_folder.iterdir())) == 2

    assert every_crash(prepare, lambda folder: save(Run.open(folder), 3), check) >= 5
    assert seen == {2, 3}


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    rounds = failed = 0

    def prepare() -> Path:
        nonlocal rounds
        rounds += 1
        made = Run.create(tmp_path / str(rounds), Config())
        save(made, 1)
        return made.folder

    def act(folder: Path) -> None:
        made = Run.open(folder)
        made.log("step", step=2)
        made.add_sample("step 2", "b")
        save(made, 2)

    def check(folder: Path, error: Exception | None) -> None:
        nonlocal failed
        if error is not None:
            failed += 1
            assert isinstance(error, StoreError), repr(error)
            assert "No space left" in str(error)
        _, state, skipped = Run.open(folder).load_checkpoint()
        assert skipped == []
        assert state["step"] in ((1, 2) if error else (2,))

    every_failure(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), prepare, act, check)
    assert failed >= 6


def test_what_a_killed_process_left_is_gone_at_the_next_start(run: Run) -> None:
    """Under the lock alone: a reader removes nothing."""
    left = [run.folder / ".config.toml.4711", run.checkpoint_folder / ".step-1.safetensors.12"]
    others = [
        run.folder / ".lock",
        run.folder / ".notes",
        run.folder / "4711",
        run.folder / ".x.new",
    ]
    for path in (*left, *others):
        path.touch()
    Run.open(run.folder).config()
    assert all(path.exists() for path in left)
    with run:
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in others)
