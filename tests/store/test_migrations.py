"""Formats: what is older is brought up to date, what is newer is refused and says who wrote it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sunhwan import Config, __version__
from sunhwan.config import TextConfig
from sunhwan.errors import ConfigError, StoreError
from sunhwan.store import Run, load_model, read_tensors, write_tensors
from sunhwan.store.migrations import FORMATS, RUN, Format, migrated, stamp
from sunhwan.training import Reporter, resume, train
from tests.tasks.cases import CASES

GOLDEN = Path(__file__).parents[1] / "golden"
FUTURE = {"format": 99, "sunhwan": "9.9.0"}
SMALL = {"model.hidden_size": 4, "training.steps": 2, "training.threads": 1}


class Heard(Reporter):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, message: str) -> None:
        self.sentences.append(message)


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_every_older_version_has_a_migration(kind: Format) -> None:
    assert sorted(kind.migrations) == list(range(1, kind.version))
    assert migrated(kind, stamp(kind), {"as": "it is"}, "here") == {"as": "it is"}


def test_every_version_of_every_format_has_a_golden_file() -> None:
    versions: dict[str, set[int]] = {"model": set(), "run": set(), "checkpoint": set()}
    for path in GOLDEN.rglob("config.json"):
        versions["model"].add(json.loads(path.read_text(encoding="utf-8"))["format"])
    for path in GOLDEN.rglob("config.toml"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        versions["run"].add(int(first.removeprefix("format = ")) if "format" in first else 1)
    for path in GOLDEN.rglob("step-*.safetensors"):
        versions["checkpoint"].add(read_tensors(path)[1].get("format", 1))
    assert versions == {kind.name: set(range(1, kind.version + 1)) for kind in FORMATS}


def test_migrations_go_one_step_a_version() -> None:
    kind = Format("toy", 3, {1: lambda c: c | {"two": 2}, 2: lambda c: c | {"three": c["two"] + 1}})
    assert migrated(kind, {}, {}, "here") == {"two": 2, "three": 3}
    assert migrated(kind, {"format": 2}, {"two": 5}, "here") == {"two": 5, "three": 6}
    assert migrated(kind, {"format": 3}, {}, "here") == {}


@pytest.mark.parametrize("version", [0, -1, 1.0, "1", True, None, [1]], ids=repr)
def test_a_format_that_is_no_version_is_damage(version: object) -> None:
    with pytest.raises(StoreError, match="here is damaged: its format is"):
        migrated(FORMATS[0], {"format": version}, {}, "here")


def model_folder(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A golden model, its config.json changed and sealed anew."""
    folder = tmp_path / "model"
    shutil.copytree(GOLDEN / "v1/cells/gru", folder)
    tensors, sealed = read_tensors(folder / "model.safetensors")
    change(sealed["config"])
    write_tensors(folder / "model.safetensors", tensors, sealed)
    (folder / "config.json").write_text(json.dumps(sealed["config"]), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda c: c.update(FUTURE), ("model of format 99", "up to 1: upgrade sunhwan")),
        (lambda c: c.update(sunhwan="9.9.0", licence="x"), ("unknown key 'licence'", "upgrade")),
        (lambda c: (c.update(sunhwan="9.9.0"), c["model"].update(mixture=2)), ("'mixture'",)),
        (lambda c: (c.update(sunhwan="9.9.0"), c["settings"].update(voice="x")), ("'voice'",)),
        (lambda c: c.update(sunhwan="9.9.0", task="sing"), ("unknown task 'sing'", "upgrade")),
    ],
)
def test_a_model_of_a_later_version_is_refused_with_who_wrote_it(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], parts: tuple[str, ...]
) -> None:
    with pytest.raises(StoreError) as caught:
        load_model(model_folder(tmp_path, change))
    for part in (*parts, "written by sunhwan 9.9.0"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A golden run in the middle, to be resumed here."""
    run = tmp_path / "run"
    shutil.copytree(GOLDEN / "v1/stopped/classify", run)
    monkeypatch.chdir(run)
    return run


def test_a_run_of_format_1_names_its_table_in_text_corpus(stopped: Path) -> None:
    assert 'corpus = [\n    "reviews.tsv",' in (stopped / "config.toml").read_text()
    config = Run.open(stopped).config()
    assert config.data.source == config.sources == ("reviews.tsv",)
    assert config.text == TextConfig(validation_share=0.3, vocabulary="characters", unknown="unk")


def test_a_run_of_format_2_goes_on_with_products_in_bfloat16(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(GOLDEN / "v2/stopped/language_model", run)
    config = Run.open(run).config()
    assert config.training.muon_products == "bfloat16"
    assert Config().training.muon_products == ""


def test_a_classifier_of_format_4_goes_on_without_a_linear_part(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(GOLDEN / "v5/stopped/classify", run)
    config = Run.open(run).config()
    assert config.to_dict()["model"]["linear"] == "none"


def test_a_run_says_its_version(tmp_path: Path) -> None:
    case = CASES["classify"]
    config = Config().override(
        {"task.name": "classify", "data.source": str(case.write(tmp_path)), **SMALL}
    )
    run = train(config, tmp_path / "run").run
    lines = (run / "config.toml").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == [f"format = {RUN.version}", f'sunhwan = "{__version__}"']
    assert read_tensors(Run.open(run).checkpoints()[0])[1]["format"] == 1
    # It is a file of settings too.
    assert Config.load(run / "config.toml") == Run.open(run).config()


def test_a_run_of_a_later_version_is_refused_with_who_wrote_it(stopped: Path) -> None:
    path = stopped / "config.toml"
    settings = path.read_text(encoding="utf-8")
    path.write_text(f'format = 99\nsunhwan = "9.9.0"\n{settings}', encoding="utf-8")
    said = (
        r"config.toml is a run of format 99, written by sunhwan 9\.9\.0, and this is sunhwan "
        rf".*, which reads formats up to {RUN.version}:"
    )
    with pytest.raises(StoreError, match=said):
        resume(stopped)
    changed = settings.replace("[data]\n", "[data]\nshuffle = true\n")
    path.write_text(f'format = {RUN.version}\nsunhwan = "9.9.0"\n{changed}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'shuffle'.*written by sunhwan 9\.9\.0"):
        resume(stopped)


def test_a_checkpoint_of_a_later_version_is_refused_and_not_skipped(stopped: Path) -> None:
    (path,) = Run.open(stopped).checkpoints()
    tensors, state = read_tensors(path)
    write_tensors(path.with_name("step-000000000010.safetensors"), tensors, state | FUTURE)
    with pytest.raises(StoreError, match=r"checkpoint of format 99, written by sunhwan 9\.9\.0"):
        resume(stopped)


def test_old_settings_of_a_table_still_train_with_a_notice(tmp_path: Path) -> None:
    case, heard = CASES["classify"], Heard()
    file = str(case.write(tmp_path))
    old = Config().override({"task.name": "classify", "text.corpus": file, **SMALL})
    run = train(old, tmp_path / "run", reporter=heard).run
    (notice,) = [s for s in heard.sentences if "text.corpus" in s]
    assert "data.source" in notice
    assert Run.open(run).config().data.source == (file,)
    heard.sentences.clear()
    new = Config().override({"task.name": "classify", "data.source": file, **SMALL})
    train(new, tmp_path / "again", reporter=heard)
    assert not any("text.corpus" in s for s in heard.sentences)


def test_a_source_that_the_task_does_not_read_is_refused(tmp_path: Path) -> None:
    both = {"task.name": "classify", "text.corpus": "a.tsv", "data.source": "b.tsv"}
    with pytest.raises(ConfigError, match=r"text\.corpus is read by language models alone"):
        train(Config().override(both), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"data\.source is not read by a language model"):
        train(Config().override({"data.source": "b.tsv"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
