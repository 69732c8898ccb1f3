"""Weights from and to PyTorch's own recurrent modules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sunhwan.cells.base import Cell
from sunhwan.cells.elman import Elman
from sunhwan.cells.gru import GRU
from sunhwan.cells.irnn import IRNN
from sunhwan.cells.lstm import LSTM
from sunhwan.cells.lstm_projected import ProjectedLSTM
from sunhwan.errors import ConfigError
from sunhwan.layers.connections import CONNECTIONS
from sunhwan.layers.layer import RecurrentLayer
from sunhwan.ops.fused import torch_weights

if TYPE_CHECKING:
    from sunhwan.layers.recurrent import Recurrent

KINDS: dict[type[Cell], Any] = {
    Elman: nn.RNN,
    IRNN: nn.RNN,
    GRU: nn.GRU,
    LSTM: nn.LSTM,
    ProjectedLSTM: nn.LSTM,
}


def as_module(given: nn.RNNBase | Mapping[str, Tensor]) -> nn.RNNBase:
    """A module, or the one that has these weights; ConfigError where there is none."""
    if not isinstance(given, Mapping):
        return given
    try:
        W_x, W_h = given["weight_ih_l0"], given["weight_hh_l0"]
        R = given.get("weight_hr_l0")
        H = W_h.shape[1] if R is None else R.shape[1]
        kind = {1: nn.RNN, 3: nn.GRU, 4: nn.LSTM}[W_h.shape[0] // H]
        D = W_x.shape[1]
    except (AttributeError, IndexError, KeyError):
        raise ConfigError(
            "these are not the weights of a torch.nn.RNN, GRU or LSTM, which begin with weight_ih_l0 and "
            "weight_hh_l0: of a larger network give those of its recurrent module, without its name"
        ) from None
    module: nn.RNNBase = kind(
        D,
        H,
        sum(name.startswith("weight_ih_l") and name[11:].isdigit() for name in given),
        bias="bias_ih_l0" in given,
        bidirectional="weight_ih_l0_reverse" in given,
        **({} if R is None else {"proj_size": R.shape[0]}),
    ).to(W_x)
    load(module, given)
    return module.eval()


def options_of(module: nn.RNNBase) -> dict[str, Any]:
    """The arguments of `Recurrent` for the network of a module."""
    if not isinstance(module, nn.RNN | nn.GRU | nn.LSTM):
        kind = type(module).__name__
        raise ConfigError(f"the weights of {kind} cannot be read: give a torch.nn.RNN, GRU or LSTM")
    if isinstance(module, nn.LSTM):
        cell: Cell = ProjectedLSTM(module.proj_size) if module.proj_size else LSTM()
    elif isinstance(module, nn.GRU):
        cell = GRU()
    else:
        cell = Elman("relu" if module.mode == "RNN_RELU" else "tanh")
    return {
        "cell": cell,
        "input_size": module.input_size,
        "hidden_size": module.hidden_size,
        "num_layers": module.num_layers,
        "dropout": module.dropout,
        "bias": module.bias,
        "bidirectional": module.bidirectional,
    }


def copy_weights(module: nn.RNNBase, stack: Sequence[RecurrentLayer], directions: int) -> None:
    """Into our layers from PyTorch's parameters."""
    with torch.no_grad():
        for layer, suffix in _suffixes(stack, directions):
            own = layer.parameters_of_cell
            own["W_x"].copy_(getattr(module, f"weight_ih{suffix}").T)
            own["W_h"].copy_(getattr(module, f"weight_hh{suffix}").T)
            if "W_m" in own:
                own["W_m"].copy_(getattr(module, f"weight_hr{suffix}").T)
            if "b" not in own:
                continue
            b_ih, b_hh = (getattr(module, f"bias_{kind}{suffix}") for kind in ("ih", "hh"))
            own["b"].copy_(b_ih if "b_h" in own else b_ih + b_hh)
            if "b_h" in own:
                own["b_h"].copy_(b_hh)


def load(module: nn.RNNBase, weights: Mapping[str, Tensor]) -> None:
    """Give a module its weights; ConfigError where names or shapes are others."""
    own = module.state_dict()
    for name in [*own, *weights]:
        if name not in own or name not in weights:
            raise ConfigError(
                f"the weights have no {name}, which this network needs"
                if name in own
                else f"the weights have {name}, which this network has not"
            )
        if weights[name].shape != own[name].shape:
            shapes = tuple(weights[name].shape), tuple(own[name].shape)
            raise ConfigError(f"{name} has shape {shapes[0]}, but this network needs {shapes[1]}")
    module.load_state_dict(weights)


def check_plain(recurrent: "Recurrent") -> None:
    """ConfigError where a stack has what no module of PyTorch has."""
    plain = all(type(c) is CONNECTIONS["none"] for c in recurrent.connections)
    if not plain or any(not isinstance(n, nn.Identity) for n in recurrent.norms):
        raise ConfigError("torch.nn has no connections or norms between recurrent layers")
    if recurrent.bidirectional and recurrent.merge == "sum":
        raise ConfigError("torch.nn concatenates the two directions and cannot add them")
    if recurrent.locked_dropout or any(layer.regularised for layer in recurrent.stack):
        raise ConfigError("torch.nn has no regularisation but dropout between layers")


def module_of(stack: Sequence[RecurrentLayer], directions: int, dropout: float) -> nn.RNNBase:
    """The network of our layers as a module; ConfigError where PyTorch has none."""
    first = stack[0]
    cell, sizes = first.cell, {layer.hidden_size for layer in stack}
    if type(cell) not in KINDS or any(layer.cell != cell for layer in stack) or len(sizes) > 1:
        kinds = ", ".join(dict.fromkeys(type(layer.cell).__name__ for layer in stack))
        raise ConfigError(f"torch.nn has no module for {kinds} of sizes {sorted(sizes)}")
    if isinstance(cell, Elman) and cell.nonlinearity == "sigmoid":
        raise ConfigError("torch.nn has no module for Elman with sigmoid: it has tanh and ReLU")
    if isinstance(cell, ProjectedLSTM) and first.output_size >= first.hidden_size:
        raise ConfigError(
            f"torch.nn.LSTM needs a projection smaller than its {first.hidden_size} hidden units, "
            f"not {first.output_size}"
        )
    options: dict[str, Any] = {}
    if isinstance(cell, Elman):
        options["nonlinearity"] = cell.nonlinearity
    if isinstance(cell, ProjectedLSTM):
        options["proj_size"] = first.output_size
    module: nn.RNNBase = KINDS[type(cell)](
        first.input_size,
        first.hidden_size,
        len(stack) // directions,
        bias="b" in first.parameters_of_cell,
        batch_first=True,
        dropout=dropout if len(stack) > directions else 0.0,
        bidirectional=directions == 2,
        **options,
    ).to(first.W_x)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    with torch.no_grad():
        for layer, suffix in _suffixes(stack, directions):
            own = layer.parameters_of_cell
            for name, value in zip(names, torch_weights(own), strict=False):
                _named(module, f"{name}{suffix}").copy_(value)
            if "W_m" in own:
                _named(module, f"weight_hr{suffix}").copy_(own["W_m"].T)
    return module


def _suffixes(
    stack: Sequence[RecurrentLayer], directions: int
) -> Iterator[tuple[RecurrentLayer, str]]:
    for i, layer in enumerate(stack):
        yield layer, f"_l{i // directions}{'_reverse' if i % directions else ''}"


def _named(module: nn.Module, name: str) -> Tensor:
    return module.get_parameter(name)
