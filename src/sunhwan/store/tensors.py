"""Tensors and a JSON state in one safetensors file, every part with its SHA-256."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from sunhwan.atomic import write_bytes
from sunhwan.errors import StoreError
from sunhwan.files import is_plain, parse_json


def write_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write atomically: the tensors, the state (JSON-able), and a digest of each."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    digests = {name: digest(name, tensor) for name, tensor in contiguous.items()}
    body = json.dumps({"state": state, "digests": digests}, sort_keys=True)
    metadata = {"sunhwan": body, "sha256": hashlib.sha256(body.encode()).hexdigest()}
    write_bytes(path, save(contiguous, metadata=metadata))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the state; StoreError when the file is missing or a single bit is wrong."""
    if not is_plain(path):
        raise StoreError(f"{path} does not exist, or is no plain file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Copies, for in the file's memory a tensor is aligned to 8 bytes, and a product of the
            # same numbers may round differently there: resuming would not be exact.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (
        SafetensorError,
        OSError,
        UnicodeDecodeError,
        ValueError,
        RuntimeError,
        TypeError,
    ) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"{path} is damaged or no safetensors file ({reason}): restore a copy"
        ) from None
    body = metadata.get("sunhwan", "")
    if hashlib.sha256(body.encode()).hexdigest() != metadata.get("sha256"):
        raise StoreError(
            f"{path} is damaged: its header does not match its SHA-256; restore a copy"
        )
    try:
        content = parse_json(body)
        digests, state = content["digests"], content["state"]
        complete = isinstance(state, dict) and digests.keys() == tensors.keys()
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StoreError(
            f"{path} is damaged: its header is not one of sunhwan's; restore a copy"
        ) from None
    if not complete:
        raise StoreError(f"{path} is damaged: tensors are missing or extra; restore a copy")
    for name, tensor in tensors.items():
        if digests[name] != digest(name, tensor):
            raise StoreError(
                f"{path} is damaged: tensor {name} does not match its SHA-256; restore a copy"
            )
    return tensors, state


def digest(name: str, tensor: Tensor) -> str:
    """SHA-256 of a tensor on the CPU, with its name, type and shape."""
    sha = hashlib.sha256(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    sha.update(tensor.flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()
