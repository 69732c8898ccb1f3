"""Model folder, for shipping: config.json, model.safetensors, tokenizer.json and a card."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sunhwan.atomic import recover_folder, replaced_folder
from sunhwan.config import Config, ModelConfig
from sunhwan.errors import StoreError, UsageError, quoted
from sunhwan.files import read_json
from sunhwan.store.hub import fetched, is_on_hub
from sunhwan.store.migrations import MODEL, migrated, stamp, writer
from sunhwan.store.tensors import read_tensors, write_tensors
from sunhwan.tasks import TASKS, Task

KEYS = ("format", "sunhwan", "task", "settings", "model", "facts")
"""Of config.json."""


NEWER = "upgrade sunhwan if it is of a later version"


class SavedModel(NamedTuple):
    """A task whose model is ready for use, and what is known of its training."""

    task: Task
    facts: dict[str, Any]


def save_model(folder: Path, task: Task, facts: Mapping[str, Any]) -> None:
    """Write the model folder, replacing what was there in one go.

    facts: JSON-able figures of its training (corpus, step, validation …), shown on the card.
    """
    config = {
        **stamp(MODEL),
        "task": task.name,
        "settings": asdict(task.config.task),
        "model": asdict(task.config.model),
        "facts": dict(facts),
    }
    preprocessing = task.preprocessing()
    with replaced_folder(folder) as new:
        # The tensors' file seals the two texts, so that the three belong together or are refused.
        write_tensors(
            new / "model.safetensors",
            weights(task.model) | task.fitted_weights(),
            {"config": config, "tokenizer": preprocessing},
        )
        (new / "config.json").write_text(_json(config), encoding="utf-8")
        (new / "tokenizer.json").write_text(_json(preprocessing), encoding="utf-8")
        (new / "README.md").write_text(card(task, dict(facts)), encoding="utf-8")


def load_model(folder: Path, device: torch.device | str = "cpu") -> SavedModel:
    """Read a model folder, or the `model` folder inside a run folder.

    StoreError, one sentence, when anything is missing, damaged or not of one piece.
    Nothing in the folder is executed.
    """
    try:
        folder = located_model(Path(folder))
    except (OSError, ValueError) as error:  # a name too long or with a NUL, a folder not ours
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"cannot read {quoted(str(folder))}: {reason}") from None
    try:
        tensors, config, tokenizer = _read(folder)
    except StoreError:
        # A trainer may have replaced the folder between two of the files: once more.
        tensors, config, tokenizer = _read(folder)
    if not isinstance(config, dict):
        raise StoreError(f"config.json in {folder} is no object; restore a copy")
    content = {"tensors": tensors, "config": config, "tokenizer": tokenizer}
    content = migrated(MODEL, config, content, folder)
    tensors, config, tokenizer = content["tensors"], content["config"], content["tokenizer"]
    by = writer(config)
    if unknown := [key for key in config if key not in KEYS]:
        raise StoreError(
            f"config.json in {folder}{by} has the unknown key {quoted(unknown[0])}: {NEWER}"
        )
    name = config.get("task")
    if not isinstance(name, str) or name not in TASKS:
        raise StoreError(f"{folder}{by} is a model of the unknown task {quoted(name)}: {NEWER}")
    try:
        settings = {"task": config.get("settings", {}), "model": config.get("model", {})}
        complete = Config.from_dict(settings, str(folder), saved=True)
        task = _build(TASKS[name], complete, tokenizer, tensors, folder)
        facts = dict(config.get("facts", {}))
    except (UsageError, TypeError, ValueError) as error:
        raise StoreError(f"{folder}{by} cannot be loaded: {error}") from None
    task.model.to(device).eval()
    task.training = facts
    return SavedModel(task, facts)


def located_model(folder: Path) -> Path:
    """The model folder that is meant by it or by its run folder; StoreError where there is none."""
    if is_on_hub(folder):
        return fetched(folder)
    if (folder / "config.toml").exists() or (folder / "checkpoints").exists():
        folder = folder / "model"
    recover_folder(folder)
    if folder.is_dir():
        return folder
    if folder.name == "model" and folder.parent.exists():
        raise StoreError(f"{folder} is not there yet: the run has not reached its first validation")
    raise StoreError(
        f"{folder} is no run or model folder: `sunhwan train --out {folder}` makes one"
    )


def weights(model: nn.Module) -> dict[str, Tensor]:
    """The tensors to save: one that is used in two places, as a tied output layer, once."""
    kept = {name for name, _ in (*model.named_parameters(), *model.named_buffers())}
    return {name: tensor for name, tensor in model.state_dict().items() if name in kept}


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Copy tensors into a model; StoreError names the first one that is missing or does not fit."""
    own = weights(model)
    for name in own.keys() | tensors.keys():
        needed = _kind(own[name]) if name in own else "nothing"
        found = _kind(tensors[name]) if name in tensors else "nothing"
        if needed != found:
            raise StoreError(f"tensor {name} in {where} is {found}, but the model needs {needed}")
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise StoreError(
                f"tensor {name} in {where} holds NaN or infinity: its training diverged, or another "
                "program wrote it; restore a copy, or train again with a lower training.learning_rate"
            )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def card(task: Task, facts: dict[str, Any]) -> str:
    """A page about the model for those who find the folder."""
    config = task.config.model
    count = sum(parameter.numel() for parameter in task.model.parameters())
    lines = [
        f"# A {' + '.join(config.cells)} {task.title}",
        "",
        f"- {_sizes(config)} hidden units, {count:,} parameters",
        *(f"- {n.replace('_', ' ')}: {_fact(v)}" for n, v in (task.about() | facts).items()),
        "",
        "Made with Sunhwan. In its folder:",
        "",
        "```bash",
        " ".join(
            [f"sunhwan {task.command} .", *(f"--cell …/{c}" for c in config.cells if ".py:" in c)]
        ),
        "```",
        "",
    ]
    return "\n".join(lines)


def _sizes(config: ModelConfig) -> str:
    one = config.sizes * config.num_layers if len(config.sizes) == 1 else config.sizes
    return f"{len(one)} × {one[0]}" if len(set(one)) == 1 else ", ".join(map(str, one))


def _kind(tensor: Tensor) -> str:
    kind = "" if tensor.is_floating_point() else f" of {tensor.dtype}"
    return f"{tuple(tensor.shape)}{kind}"


def _same(left: Any, right: Any) -> bool:
    try:
        return bool(left == right)
    except RecursionError:
        return False


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {_fact(inner)}" for key, inner in value.items())
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _build(
    kind: type[Task],
    config: Config,
    preprocessing: Any,
    tensors: Mapping[str, Tensor],
    folder: Path,
) -> Task:
    # First without memory, so that a false size in config.json is refused before it is allocated.
    with torch.random.fork_rng(devices=[]):
        with torch.device("meta"):
            expected = weights(kind.restored(config, preprocessing).model)
        for name, tensor in expected.items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                raise StoreError(
                    f"tensor {name} in {folder} is missing or not {tuple(tensor.shape)}"
                )
        task = kind.restored(config, preprocessing)
    load_weights(task.model, tensors, folder)
    return task


def _read(folder: Path) -> tuple[dict[str, Tensor], Any, Any]:
    recover_folder(folder)
    tensors, seal = read_tensors(folder / "model.safetensors")
    config = _read_json(folder / "config.json")
    tokenizer = _read_json(folder / "tokenizer.json")
    if not _same(seal, {"config": config, "tokenizer": tokenizer}):
        raise StoreError(
            f"config.json or tokenizer.json in {folder} is not the one that model.safetensors was "
            "saved with: restore a copy of the whole folder"
        )
    return tensors, config, tokenizer


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _read_json(path: Path) -> Any:
    try:
        return read_json(path)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError:
        raise StoreError(f"{path} is damaged: it is not JSON; restore a copy") from None
