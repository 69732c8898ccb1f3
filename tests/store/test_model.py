"""The model folder: whole or refused, and never more than data."""

import json
import pickle
import random
import shutil
import struct
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from sunhwan.config import Config, ModelConfig
from sunhwan.errors import StoreError
from sunhwan.generation import sample
from sunhwan.models import LanguageModel
from sunhwan.store import load_model, save_model, write_tensors
from sunhwan.store.model import weights
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import Vocabulary, build_vocabulary
from tests.store.crashes import every_crash

VOCABULARY = build_vocabulary("characters", ["the quick 한글"], eos=True)
FACTS = {"corpus": "a.txt", "step": 3, "validation": {"loss": 1.5, "tokens": 10}}


def build(vocabulary: Vocabulary = VOCABULARY, *, seed: int = 1, **options: Any) -> LanguageModel:
    torch.manual_seed(seed)
    settings = {
        "cell": "gru", "hidden_size": 4, "num_layers": 2, "embedding_size": 3,
        "input": "embedding", "dropout": 0.1,
    }  # fmt: skip
    return LanguageModel(ModelConfig(**(settings | options)), len(vocabulary))


def task(model: LanguageModel, vocabulary: Vocabulary = VOCABULARY) -> LanguageModelTask:
    return LanguageModelTask(Config(model=model.config), vocabulary, model)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", task(build(), VOCABULARY), FACTS)
    return tmp_path / "model"


@pytest.mark.parametrize(
    "options",
    [{}, {"tied": True}, {"input": "one-hot", "cell": "lstm"}, {"bias": False, "cell": "elman"},
     {"learned_initial_state": False, "cell": "ugrnn"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["bytes", "characters", "words", "jamo"])
def test_a_model_comes_back(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    vocabulary = build_vocabulary(kind, ["the quick 한글 각"])
    model = build(vocabulary, **options)
    save_model(tmp_path / "m", task(model, vocabulary), FACTS)
    before = torch.get_rng_state()
    loaded = load_model(tmp_path / "m")
    assert torch.equal(before, torch.get_rng_state())
    assert loaded.task.vocabulary == vocabulary
    assert loaded.facts == FACTS
    assert asdict(loaded.task.model.config).items() >= asdict(model.config).items()
    assert not loaded.task.model.training
    for (name, a), (other, b) in zip(
        model.state_dict().items(), loaded.task.model.state_dict().items(), strict=True
    ):
        assert name == other
        assert torch.equal(a, b)
    assert sample(loaded.task.model, vocabulary, length=9) == sample(model, vocabulary, length=9)


def test_a_model_replaces_another_and_the_card_tells_about_it(folder: Path) -> None:
    save_model(folder, task(build(seed=2), VOCABULARY), {"step": 4})
    assert load_model(folder).facts == {"step": 4}
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors", "tokenizer.json",
    ]  # fmt: skip
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "gru language model" in card
    assert "2 × 4 hidden units" in card
    assert "step: 4" in card


def refused(folder: Path) -> str:
    with pytest.raises(StoreError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) > 20
    return message


def test_flipped_bits_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    good = path.read_bytes()
    rng = random.Random(1)
    for _ in range(200):
        bad = bytearray(good)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        path.write_bytes(bad)
        refused(folder)
    for _ in range(50):
        path.write_bytes(good[: rng.randrange(len(good))])
        refused(folder)
    path.write_bytes(good)
    load_model(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_flipped_bits_in_texts_are_refused_unless_they_say_the_same(
    folder: Path, name: str
) -> None:
    path = folder / name
    good = path.read_bytes()
    rng = random.Random(2)
    found = 0
    for _ in range(150):
        bad = bytearray(good)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        try:
            alike = json.loads(bad) == json.loads(good)
        except ValueError:
            alike = False
        path.write_bytes(bad)
        if alike:
            load_model(folder)
        else:
            found += 1
            refused(folder)
    assert found > 100
    for _ in range(20):
        path.write_bytes(good[: rng.randrange(len(good) - 1)])
        refused(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_files_of_two_models_are_no_model(folder: Path, tmp_path: Path, name: str) -> None:
    other = build_vocabulary("characters", ["THE QUICK 한글"], eos=True)
    save_model(tmp_path / "other", task(build(other, seed=2, dropout=0.2), other), FACTS)
    shutil.copy(tmp_path / "other" / name, folder / name)
    assert "restore" in refused(folder)
    (folder / name).unlink()
    refused(folder)


def test_what_is_no_model_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    refused(tmp_path / "none")
    refused(folder / "config.json")
    refused(tmp_path)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    assert "first validation" in refused(tmp_path / "run")


def sealed(folder: Path, **changes: Any) -> None:
    """A folder whose seal is right, made by somebody who means harm."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tensors = weights(build())
    content = {"config": config, "tokenizer": tokenizer, "tensors": tensors}
    for name, change in changes.items():
        changed = change(content[name])
        content[name] = content[name] if changed is None else changed
    write_tensors(
        folder / "model.safetensors",
        content["tensors"],
        {"config": content["config"], "tokenizer": content["tokenizer"]},
    )
    for name in ("config", "tokenizer"):
        (folder / f"{name}.json").write_text(json.dumps(content[name]), encoding="utf-8")


def put(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        for key in keys[:-1]:
            config = config[key]
        config[keys[-1]] = value

    return change


def test_the_forger_can_also_make_a_sound_folder(folder: Path) -> None:
    sealed(folder)
    assert load_model(folder).facts == FACTS


@pytest.mark.parametrize(
    "changes",
    [
        *({"config": put("model", key, value=value)} for key, value in [
            ("hidden_size", 10**9), ("hidden_size", 65536), ("hidden_size", 0),
            ("hidden_size", -4), ("hidden_size", 4.5), ("hidden_size", "4"),
            ("num_layers", 10**9), ("num_layers", 3), ("num_layers", 1), ("num_layers", 0),
            ("embedding_size", 65536), ("embedding_size", 0), ("cell", "__import__('os')"),
            ("cell", ""), ("cell", ["gru", 3]), ("cell", ["gru", "lstm"]), ("cell", "own.py:C"),
            ("input", ""), ("input", "one-hot"),
            ("dropout", -1.0), ("dropout", float("nan")), ("tied", True), ("unknown", 1),
        ]),
        {"config": put("model", value=3)}, {"config": put("model", value=None)},
        {"config": put("model", value={})}, {"config": put("facts", value=3)},
        {"config": put("format", value=99)}, {"config": put("format", value=[1])},
        {"config": put("task", value="../../etc")}, {"config": lambda c: []},
        {"config": lambda c: "x"}, {"config": lambda c: {}},
        {"tokenizer": put("kind", value="pickle")}, {"tokenizer": put("tokens", value=[])},
        {"tokenizer": put("tokens", value=["a"])}, {"tokenizer": put("unk_id", value=10**9)},
        {"tokenizer": lambda t: []}, {"tokenizer": lambda t: {}},
        {"tensors": lambda t: {n: v for n, v in t.items() if n != "output.bias"}},
        {"tensors": put("../../evil", value=torch.zeros(2))},
        {"tensors": put("output.bias", value=torch.zeros(2))},
        {"tensors": put("output.bias", value=torch.zeros(len(VOCABULARY), dtype=torch.int64))},
        {"tensors": put("output.bias", value=torch.zeros(len(VOCABULARY), dtype=torch.complex64))},
    ],
)  # fmt: skip
def test_forged_folders_are_refused(
    folder: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed(folder, **changes)
    largest = 0
    empty = torch.empty

    def watched(*size: Any, **options: Any) -> torch.Tensor:
        nonlocal largest
        made = empty(*size, **options)
        if made.device.type != "meta":
            largest = max(largest, made.numel())
        return made

    monkeypatch.setattr(torch, "empty", watched)
    refused(folder)
    assert largest < 10**6


@pytest.mark.parametrize("depth", [100, 900, 990, 2000, 100_000])
def test_deep_nesting_is_refused(folder: Path, depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    (folder / "config.json").write_text(deep)
    refused(folder)
    if depth <= 900:
        sealed(folder, config=lambda config: json.loads(deep))
        refused(folder)


class Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_nothing_in_the_folder_is_executed(folder: Path, tmp_path: Path, name: str) -> None:
    mark = tmp_path / "executed"
    harm = pickle.dumps(Harm(mark))
    (folder / name).write_bytes(harm)
    refused(folder)
    torch.save(Harm(mark), folder / name)
    refused(folder)
    assert not mark.exists()
    pickle.loads(harm)
    assert mark.exists(), "the harm is real"


def test_extra_files_are_not_looked_at(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    for name in ("__init__.py", "model.py", "pytorch_model.bin", "conftest.py"):
        (folder / name).write_bytes(pickle.dumps(Harm(mark)))
    load_model(folder)
    assert not mark.exists()


def test_an_old_file_with_a_huge_header_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    refused(folder)


def test_after_a_crash_at_any_point_the_old_or_the_new_model_is_there(tmp_path: Path) -> None:
    seen = set()
    rounds = 0

    def prepare() -> Path:
        nonlocal rounds
        rounds += 1
        save_model(tmp_path / str(rounds) / "model", task(build(), VOCABULARY), {"step": 1})
        return tmp_path / str(rounds)

    def check(folder: Path) -> None:
        loaded = load_model(folder / "model")
        step = loaded.facts["step"]
        seen.add(step)
        assert torch.equal(loaded.task.model.output.weight, build(seed=step).output.weight)

    act = lambda f: save_model(f / "model", task(build(seed=2), VOCABULARY), {"step": 2})  # noqa: E731
    assert every_crash(prepare, act, check) >= 12
    assert seen == {1, 2}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["output.bias", "embedding.weight"])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, name: str, value: float) -> None:
    """One among all: what they compute would be NaN, or worse, look like an answer."""
    model = build()
    with torch.no_grad():
        model.state_dict()[name].view(-1)[-1] = value
    save_model(tmp_path / "m", task(model), FACTS)
    with pytest.raises(StoreError, match=rf"tensor {name} in .* holds NaN or infinity"):
        load_model(tmp_path / "m")
