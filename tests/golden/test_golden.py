"""Golden models: what every version made before must load, and answer with the same bits.

On another machine, whose sums may be rounded otherwise: the same text, and numbers to 1e-6.
"""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from sunhwan.cells import CELLS
from sunhwan.store import load_model, save_model
from sunhwan.tasks import TASKS
from sunhwan.training import resume
from tests.golden.asking import asked, logged, machine, plain

HERE = Path(__file__).parent
VERSIONS = sorted(path for path in HERE.iterdir() if path.name.startswith("v"))
MODELS = [
    path.with_suffix("")
    for version in VERSIONS
    for part in ("cells", "texts", "tasks")
    for path in sorted((version / part).glob("*.json"))
]
RUNS = [path.with_suffix("") for v in VERSIONS for path in sorted((v / "stopped").glob("*.json"))]


def named(path: Path) -> str:
    return path.relative_to(HERE).as_posix()


def golden(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        folder.with_name(f"{folder.name}.json").read_text(encoding="utf-8")
    )
    return found


def differences(kept: Any, found: Any, tolerance: float, where: str = "") -> list[str]:
    """Where two answers differ; what a later version says besides is no difference."""
    if isinstance(kept, dict):
        return [
            line
            for key in kept
            for line in differences(
                kept[key], found.get(key, "nothing"), tolerance, f"{where}.{key}"
            )
        ]
    if isinstance(kept, list) and isinstance(found, list) and len(kept) == len(found):
        return [
            line
            for place, pair in enumerate(zip(kept, found, strict=True))
            for line in differences(*pair, tolerance, f"{where}[{place}]")
        ]
    if isinstance(kept, float) and isinstance(found, float):
        same = math.isclose(kept, found, rel_tol=tolerance, abs_tol=tolerance)
        return [] if same else [f"{where}: {kept!r} became {found!r}"]
    return [] if kept == found else [f"{where}: {kept!r} became {found!r}"]


WRITTEN = 1e-7
"""How far a score or a validation may be off: they are added in another order than by earlier versions."""


def check(kept: dict[str, Any], found: dict[str, Any], elsewhere: float) -> None:
    """The same to the bit on the machine that it was made on, to `elsewhere` on others."""
    here = kept.pop("machine") == machine()
    for beside in ("file", "questions"):
        kept.pop(beside)
    written = differences(_written(kept), _written(found), WRITTEN if here else elsewhere)
    other = differences(kept, found, 0.0 if here else elsewhere)
    assert not other + written


def _written(record: dict[str, Any]) -> list[Any]:
    """Take scores, figures and validations out of a record."""
    log = record.get("log", [])
    validations = [row for row in log if row["event"] == "validation"]
    if log:
        record["log"] = [row for row in log if row["event"] != "validation"]
    return [record.pop("score", []), record.pop("figures", {}), validations]


def test_there_is_a_golden_model_of_every_cell_and_task() -> None:
    assert VERSIONS
    kinds = [json.loads((m / "config.json").read_text(encoding="utf-8")) for m in MODELS]
    assert {kind["task"] for kind in kinds} == set(TASKS)
    cells = {kind["model"]["cell"] for kind in kinds if isinstance(kind["model"]["cell"], str)}
    assert cells == set(CELLS)
    tokens = [json.loads((m / "tokenizer.json").read_text(encoding="utf-8")) for m in MODELS]
    written = [kind["task"] == "language_model" for kind in kinds]
    vocabularies = {t["kind"] for t, text in zip(tokens, written, strict=True) if text}
    assert vocabularies == {"bytes", "characters", "jamo", "subwords", "words"}
    inputs = {kind["settings"]["kind"] for kind in kinds} - {""}
    assert inputs == {"text", "words", "frames", "vector", "labels"}


@pytest.mark.parametrize("folder", MODELS, ids=named)
def test_a_model_of_any_version_answers_as_it_did(folder: Path) -> None:
    kept = golden(folder)
    data = folder.parents[1] / "data" / kept["file"]
    check(kept, asked(folder, kept["questions"], data), 1e-6)


@pytest.mark.parametrize("folder", MODELS, ids=named)
def test_saved_by_this_version_it_still_answers_as_it_did(folder: Path, tmp_path: Path) -> None:
    kept = golden(folder)
    save_model(tmp_path / "model", *load_model(folder))
    data = folder.parents[1] / "data" / kept["file"]
    check(kept, asked(tmp_path / "model", kept["questions"], data), 1e-6)


@pytest.mark.parametrize("folder", RUNS, ids=named)
def test_a_stopped_run_of_any_version_goes_on_as_if_it_had_not(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = golden(folder)
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    monkeypatch.chdir(run)  # from where the data is named
    assert plain(logged(run)) != kept["log"]
    assert resume(run).stopped == "budget"
    # Training carries a difference in the last bit further, and dropout is drawn by each backend
    # in its own order.
    found = asked(run, kept["questions"], run / kept["file"])
    check(kept, {"log": plain(logged(run)), **found}, 2e-2)


def test_a_changed_answer_is_noticed(tmp_path: Path) -> None:
    (folder,) = (m for m in MODELS if named(m) == "v1/cells/gru")
    task, facts = load_model(folder)
    with torch.no_grad():
        task.model.output.bias[0] += 1e-5
    save_model(tmp_path / "model", task, facts)
    kept = golden(folder)
    data = folder.parents[1] / "data" / kept["file"]
    found = asked(tmp_path / "model", kept["questions"], data)
    with pytest.raises(AssertionError, match=r"logits.* became"):
        check(kept, found, 1e-6)
