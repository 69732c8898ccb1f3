"""Optimisers: those of PyTorch, one for each kind of parameter."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sunhwan.config import TrainingConfig
from sunhwan.errors import ConfigError
from sunhwan.layers.layer import RecurrentLayer
from sunhwan.models import LanguageModel
from sunhwan.training.muon import Muon
from sunhwan.training.row_adam import RowAdam

JSON_VALUE = (int, float, bool, str)


class Optimizers:
    """One or two optimisers that act as one, with a state that goes through safetensors and JSON.

    "muon" (Jordan et al. 2024) orthogonalises the momentum of a matrix, which suits the matrices of
    recurrent layers; embeddings, output layer, biases and initial states go to AdamW beside it. Its
    step is scaled to the size of AdamW's (Liu et al. 2025), so one learning rate serves both.
    Weight decay acts on recurrent matrices alone, for on embeddings and output layer it was measured to
    harm, and where it is decoupled from the gradient: under muon and adamw. Tables with sparse gradients
    go to `RowAdam`, whatever the others go to.
    """

    def __init__(self, model: nn.Module, config: TrainingConfig) -> None:
        named = dict(model.named_parameters())
        self._names: dict[Tensor, str] = {p: name for name, p in named.items()}
        matrices = _recurrent_matrices(model)
        tables = model.sparse_parameters if isinstance(model, LanguageModel) else []
        if tables and config.optimizer == "sgd":
            raise ConfigError(
                "momentum has no meaning for rows that seldom have a gradient: with model.softmax "
                "other than 'full' set training.optimizer to 'muon', 'adam' or 'adamw'"
            )
        named = {name: p for name, p in named.items() if all(p is not table for table in tables)}
        chosen = {id(matrix) for matrix in matrices}
        rest = [parameter for parameter in named.values() if id(parameter) not in chosen]
        decay, lr = config.weight_decay, config.learning_rate
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        fused = next(iter(named.values())).device.type in ("cpu", "cuda")
        self.optimizers: list[torch.optim.Optimizer]
        if config.optimizer == "sgd":
            self.optimizers = [
                torch.optim.SGD(named.values(), lr, momentum=config.momentum, fused=fused)
            ]
        elif config.optimizer == "adam":
            self.optimizers = [torch.optim.Adam(named.values(), lr, BETAS, fused=fused)]
        elif config.optimizer == "adamw":
            self.optimizers = [torch.optim.AdamW(groups, lr, BETAS, fused=fused)]
        else:
            self.optimizers = [torch.optim.AdamW(groups[1:], lr, BETAS, fused=fused)]
            # A minGRU that reads one-hot tokens has no matrix but those that are embeddings.
            self.optimizers += [
                Muon(
                    matrices,
                    lr=lr,
                    weight_decay=decay,
                    adjust_lr_fn="match_rms_adamw",
                    products=config.muon_products,
                )
                for _ in matrices[:1]
            ]

        self.optimizers += [RowAdam(tables, lr) for _ in tables[:1]]

    def step(self, learning_rate: float) -> None:
        """Update every parameter with this step size."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything they remember: tensors and plain values, by parameter name."""
        tensors, values = {}, {}
        for name, key, value in self._entries():
            if isinstance(value, Tensor):
                tensors[f"{name}.{key}"] = value
            elif isinstance(value, JSON_VALUE):
                values[f"{name}.{key}"] = value
        return tensors, values

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Take back what `state()` gave."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    prefix = f"{self._names[parameter]}."
                    entries: dict[str, Any] = {}
                    for source in (tensors, values):
                        for name, value in source.items():
                            key = name.removeprefix(prefix)
                            if name.startswith(prefix) and "." not in key:
                                entries[key] = self._placed(key, value, parameter)
                    if entries:
                        optimizer.state[parameter] = entries

    def _entries(self) -> Iterator[tuple[str, str, Any]]:
        for optimizer in self.optimizers:
            for parameter, state in optimizer.state.items():
                for key, value in state.items():
                    yield self._names[parameter], key, value

    @staticmethod
    def _placed(key: str, value: Any, parameter: Tensor) -> Any:
        # A step counter stays on the CPU unless the optimiser is fused on the device.
        move = isinstance(value, Tensor) and not (key == "step" and parameter.device.type == "mps")
        return value.to(parameter.device) if move else value


BETAS = (0.9, 0.99)


def _recurrent_matrices(model: nn.Module) -> list[nn.Parameter]:
    layers = [module for module in model.modules() if isinstance(module, RecurrentLayer)]
    # With one-hot inputs the first W_x is an embedding: a step touches few of its rows.
    one_hot = isinstance(model, LanguageModel) and model.embedding is None
    skipped = {id(layers[0].W_x_T)} if one_hot else set()
    return [m for layer in layers for m in layer.matrices if id(m) not in skipped]
