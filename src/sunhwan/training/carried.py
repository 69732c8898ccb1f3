"""Parts of a checkpoint: the states that processes carry, and their random numbers."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.training.processes import Processes


def part_of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


States = Sequence[Sequence[State] | None]
"""Of each part of a batch the state of each layer in which its last block ended."""


def state_tensors(states: States, processes: Processes) -> dict[str, Tensor]:
    """The carried states of all processes, their rows in order: `layer.field` → (rows, H)."""
    parts = [[tuple(layer) for layer in state or ()] for state in states]
    carried = chain(*processes.gathered(parts))
    return {
        f"{depth}.{index}": torch.cat(fields)
        for depth, layers in enumerate(zip(*carried, strict=True))
        for index, fields in enumerate(zip(*layers, strict=True))
    }


def state_of_rows(
    tensors: dict[str, Tensor], kinds: Sequence[Any], rows: Any, device: torch.device
) -> list[State]:
    """The carried state of some rows. kinds: of each layer."""
    return [
        kind(*(tensors[f"{i}.{k}"][rows].to(device) for k in range(len(kind._fields))))
        for i, kind in enumerate(kinds)
    ]


def random_tensors(processes: Processes, device: torch.device) -> dict[str, Tensor]:
    """The random generators of all processes: of the first one under `cpu`, then `cpu.1` …, and `cuda`."""
    first, *others = processes.gathered(torch.get_rng_state())
    found = {"cpu": first} | {f"cpu.{rank}": state for rank, state in enumerate(others, 1)}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


def restore_random(
    tensors: dict[str, Tensor], processes: Processes, device: torch.device, own: int
) -> None:
    """Take back this process's generator; a process that has none begins with the seed `own`."""
    rank = processes.rank
    name = f"cpu.{rank}" if rank else "cpu"
    if name in tensors:
        torch.set_rng_state(tensors[name])
    elif rank:
        torch.manual_seed((own + 1_000_003 * rank) % 2**63)
    if "cuda" in tensors and device.type == "cuda":
        torch.cuda.set_rng_state(tensors["cuda"], device)
