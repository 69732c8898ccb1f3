"""`sunhwan compare`: variants crossed with seeds, measured on the same rows."""

import json
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from sunhwan import load
from sunhwan.cli import main
from sunhwan.comparison import compare_runs, cross, with_parameters
from sunhwan.comparison.measures import paired_difference
from sunhwan.config import Config
from sunhwan.errors import UsageError
from sunhwan.metrics import evaluate_tokens
from sunhwan.tasks import TASKS
from tests.conftest import TEXT, TINY, Command

TINY_COMPARED = [option for option in TINY if "threads" not in option]
TINY_COMPARED += ["--set=training.threads=1", "--set=training.validations=2"]
ASKED = ("--cell", "elman,gru", "--seeds", "2", "--steps", "4", *TINY_COMPARED)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "fox.txt"
    path.write_text(TEXT * 20, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def compared(text: Path) -> Path:
    """The folder of a comparison of two cells with two seeds."""
    out = text.parent / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["sunhwan", "compare", str(text), "--out", str(out), *ASKED])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    return out


def found(out: Path) -> list[dict]:
    return json.loads((out / "comparison.json").read_text("utf-8"))["variants"]


def test_every_variant_has_a_run_a_seed_and_its_own_figures(compared: Path) -> None:
    variants = found(compared)
    assert {v["name"] for v in variants} == {"elman", "gru"}
    assert (compared / "comparison.png").read_bytes().startswith(b"\x89PNG")
    for variant in variants:
        assert [Path(run).name for run in variant["runs"]] == [
            f"{variant['name']}-seed-{seed}" for seed in (1, 2)
        ]
        tasks = [load(run) for run in variant["runs"]]
        assert [task.model.config.cell for task in tasks] == [variant["name"]] * 2
        assert variant["parameters"] == sum(p.numel() for p in tasks[0].model.parameters())
        held_out = (
            TASKS["language_model"]
            .prepare(Config.load(Path(variant["runs"][0]) / "config.toml"))
            .validation
        )
        losses = [task.evaluate_data(held_out).loss for task in tasks]
        assert variant["figures"]["loss"] == pytest.approx(losses, rel=1e-6)
        assert variant["mean"]["loss"] == pytest.approx(fmean(losses), rel=1e-6)
        assert losses[0] != losses[1]
        assert variant["standard_deviation"]["loss"] == pytest.approx(
            abs(losses[0] - losses[1]) / 2**0.5, rel=1e-6
        )


def test_the_best_is_first_and_the_others_are_behind_it(compared: Path) -> None:
    first, second = found(compared)
    assert first["difference"] is None
    behind = second["difference"]
    assert behind["loss"] == pytest.approx(second["mean"]["loss"] - first["mean"]["loss"], abs=1e-4)
    assert behind["low"] < behind["loss"] < behind["high"]


def test_the_same_command_goes_on_and_another_is_refused(
    command: Command, compared: Path, text: Path
) -> None:
    weights = {p: p.stat().st_mtime_ns for p in compared.rglob("model.safetensors")}
    assert len(weights) == 4
    again = command("compare", text, "--out", compared, *ASKED, "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["variants"] == found(compared)
    assert weights == {p: p.stat().st_mtime_ns for p in compared.rglob("model.safetensors")}
    other = command("compare", text, "--out", compared, *ASKED, "--set=model.dropout=0.5")
    assert "other settings" in other.sentence


def test_finished_runs_are_measured_on_a_file_of_ones_own(
    command: Command, compared: Path, tmp_path: Path
) -> None:
    test = tmp_path / "test.txt"
    test.write_text("The lazy dog jumps over the quick fox. " * 40, encoding="utf-8")
    runs = [Path(run) for v in found(compared) for run in v["runs"][:1]]
    done = command("compare", *runs, "--test", test, "--json")
    assert done.code == 0, done.err
    for variant in json.loads(done.out)["variants"]:
        (run,) = variant["runs"]
        task = load(run)
        alone = evaluate_tokens(task.model, task.read(test))
        assert variant["figures"]["loss"] == [pytest.approx(alone.loss, rel=1e-6)]
        assert variant["standard_deviation"]["loss"] is None
    shown = command("compare", *runs, "--test", test, "--language", "ko")
    assert "손실" in shown.out
    assert "95 %" in shown.out


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--steps", "4"), "--steps"),
        (("--cell", "gru"), "--cell"),
        (("--parameters", "10k"), "--parameters"),
        (("nothing.txt",), "no run folder"),
    ],
)
def test_what_has_no_effect_on_runs_is_refused(
    command: Command, compared: Path, asked: tuple[str, ...], told: str
) -> None:
    runs = [run for v in found(compared) for run in v["runs"][:1]]
    assert told in command("compare", *runs, *asked).sentence


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--hidden-size", "8,"), "beside a comma"),
        (("--hidden-size", "8,8"), "named twice"),
        (("--hidden-size", "eight"), "whole number"),
        (("--parameters", "1.5k", "--hidden-size", "8"), "either"),
        (("--parameters", "10"), "one hidden unit"),
        (("--vary", "model.dropout"), "section.key=value"),
        (("--vary", "model.drop=0,1"), "unknown key"),
        (("--cell", "nothing,gru"), "must be one of"),
        (("--target", "one", "--target", "two"), "one column is learned"),
    ],
)
def test_bad_choices_are_one_sentence_and_leave_no_folder(
    command: Command, text: Path, tmp_path: Path, asked: tuple[str, ...], told: str
) -> None:
    out = tmp_path / "out"
    assert told in command("compare", text, "--out", out, "--steps", "2", *asked).sentence
    assert not out.exists()


def test_variants_are_named_by_what_differs() -> None:
    axes = {
        "model.cell": ["gru", "mine.py:Own"],
        "model.hidden_size": [8],
        "model.dropout": [0, 0.5],
    }
    assert [variant.name for variant in cross(axes)] == [
        "gru dropout=0", "gru dropout=0.5", "Own dropout=0", "Own dropout=0.5",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="more than"):
        cross({"training.learning_rate": list(range(1, 102))})


@pytest.mark.parametrize("wanted", [4_000, 31_000])
def test_models_have_about_as_many_parameters_as_asked(text: Path, wanted: int) -> None:
    config = Config().override({"text.corpus": [str(text)]})
    variants = with_parameters(cross({"model.cell": ["elman", "lstm"]}), config, wanted)
    sizes = [variant.settings["model.hidden_size"] for variant in variants]
    assert sizes[0] > sizes[1]
    for variant, size in zip(variants, sizes, strict=True):
        counts = []
        for near in (size - 1, size, size + 1):
            settings = {**variant.settings, "model.hidden_size": near}
            task = TASKS["language_model"].prepare(config.override(settings)).task
            counts.append(abs(sum(p.numel() for p in task.model.parameters()) - wanted))
        assert min(counts) == counts[1]


def test_the_interval_is_that_of_the_pieces() -> None:
    """Of normal differences the bootstrap's interval is close to the one of theory."""
    drawn = np.random.default_rng(3)
    counts = np.full(400, 100.0)
    first = np.stack((drawn.normal(200, 30, 400), counts), 1)
    differences = drawn.normal(5, 20, 400)
    other = np.stack((first[:, 0] + differences, counts), 1)
    found, low, high = paired_difference(first, other)
    assert found == pytest.approx(differences.mean() / 100)
    half = 1.96 * differences.std() / 400**0.5 / 100
    assert (found - low, high - found) == pytest.approx((half, half), rel=0.1)
    assert paired_difference(first, first) == (0, 0, 0)


def test_runs_of_different_tasks_are_not_compared(
    command: Command, compared: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(
        "text,label\n" + "".join(f"good {n},yes\nbad {n},no\n" for n in range(40)), encoding="utf-8"
    )
    run = tmp_path / "classifier"
    done = command("train", table, "--task=classify", "--out", run, "--steps=2", *TINY[:2])
    assert done.code == 0, done.err
    other = compared / "gru-seed-1"
    with pytest.raises(UsageError, match="of the task classify, others are of language_model"):
        compare_runs({"a": [other], "b": [run]})
    (alone,) = compare_runs({"b": [run]})
    data = TASKS["classify"].prepare(Config.load(run / "config.toml")).validation
    assert alone.losses[:, 0].sum() / alone.losses[:, 1].sum() == pytest.approx(
        load(run).evaluate_data(data).loss
    )


def test_what_is_learned_by_heart_is_measured_on_itself(command: Command, tmp_path: Path) -> None:
    text = tmp_path / "short.txt"
    text.write_text("나는 산에서 웃고\n너는 바다에서 운다\n", encoding="utf-8")
    options = ("--set=text.validation_share=0", "--steps=3", *TINY_COMPARED)
    done = command(
        "compare", text, "--cell=elman,gru", "--out", tmp_path / "out", *options, "--json"
    )
    assert done.code == 0, done.err
    for variant in json.loads(done.out)["variants"]:
        (run,) = variant["runs"]
        learned = TASKS["language_model"].prepare(Config.load(Path(run) / "config.toml")).train
        known = load(run).evaluate_data(learned).loss
        assert variant["figures"]["loss"] == [pytest.approx(known, rel=1e-6)]


@pytest.mark.parametrize("asked", ["compare", "tune"])
def test_several_processes_are_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    out = tmp_path / "out"
    assert "2 processes were started" in command(asked, "hello", "--out", out).sentence
    assert not out.exists()


def test_runs_that_are_compared_compute_no_baselines(compared: Path) -> None:
    for log in compared.rglob("log.jsonl"):
        events = [json.loads(line)["event"] for line in log.read_text("utf-8").splitlines()]
        assert "validation" in events
        assert "baselines" not in events


def test_simple_methods_stand_beside_the_variants(compared: Path) -> None:
    values = json.loads((compared / "comparison.json").read_text("utf-8"))
    methods = values["baselines"]["methods"]
    assert list(methods) == ["unigrams", "Kneser-Ney 5-grams", "a window of 8 tokens"]
    assert methods["Kneser-Ney 5-grams"]["perplexity"] < methods["unigrams"]["perplexity"]
    first = min(values["variants"], key=lambda variant: variant["mean"]["loss"])
    better = {name for name, m in methods.items() if m["perplexity"] < first["mean"]["perplexity"]}
    assert set(values["baselines"]["better_than_the_model"]) == better


def test_simple_methods_can_be_left_out(compared: Path, command: Command) -> None:
    runs = [str(compared / f"{name}-seed-1") for name in ("elman", "gru")]
    assert "baselines" not in json.loads(command("compare", *runs, "--no-baselines", "--json").out)
    shown = command("compare", *runs, "--language", "ko").out
    assert "토큰 8개의 창" in shown
