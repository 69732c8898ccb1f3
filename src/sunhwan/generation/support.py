"""Support: which models the compiled engine can run."""

import torch
from torch import nn

from sunhwan.cells import Cell
from sunhwan.layers import Recurrent
from sunhwan.layers.connections import Plain, Residual
from sunhwan.models import LanguageModel
from sunhwan.ops.library import library, why_missing
from sunhwan.ops.native import name_of


def unsupported(model: LanguageModel, precision: str = "fp32") -> str:
    """Why the engine cannot run a model, in one clause; empty where it can."""
    found = library()
    recurrent = model.recurrent
    like = model.like
    if found is None:
        return f"the compiled library was {why_missing()}"
    if type(model) is not LanguageModel or type(recurrent) is not Recurrent:
        return f"{type(model).__name__} may compute something else"
    if not isinstance(model.output, nn.Linear):
        return "its softmax is adaptive"
    if like.dtype != torch.float32 or like.device.type != "cpu":
        return f"its parameters are {like.dtype} on {like.device.type}"
    if recurrent.bidirectional:
        return "a bidirectional layer reads from the end"
    if any(type(norm) is not nn.Identity for norm in recurrent.norms):
        return "there are norms between its layers"
    for around in recurrent.connections:
        if type(around) not in (Plain, Residual):
            return f"there is a {type(around).__name__.lower()} connection around its layers"
    for layer in recurrent.stack:
        name = name_of(layer.cell)
        if type(layer.cell).inputs is not Cell.inputs:
            return f"{type(layer.cell).__name__} has inputs of its own"
        if name is None or not found.dll.sunhwan_generates(name.encode()):
            return f"it has no step for {type(layer.cell).__name__}"
    if precision != "fp32":
        most = max(float(p.detach().abs().max()) for p in model.parameters())
        if not most <= 65504:
            return f"a weight of {most:.3g} is beyond {precision}"
    return ""
