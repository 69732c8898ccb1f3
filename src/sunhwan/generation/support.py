"""Support: which models the compiled engine can run."""

import torch
from torch import nn

from sunhwan.cells import Cell
from sunhwan.layers import Recurrent
from sunhwan.layers.connections import CONNECTIONS, Plain, Residual
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
    for norm, around in zip(recurrent.norms, recurrent.connections, strict=True):
        if type(norm) not in (nn.Identity, nn.LayerNorm):
            return f"there is a {type(norm).__name__} between its layers"
        if type(around) not in CONNECTIONS.values():
            return f"there is a {type(around).__name__} around its layers"
    for depth in range(len(recurrent.stack)):
        if is_compiled(model, depth):
            continue
        from sunhwan.generation.layer_steps import why_no_step  # traces, which takes its time

        reason = why_no_step(model, depth)
        if reason:
            return reason
    if precision != "fp32":
        most = max(float(p.detach().abs().max()) for p in model.parameters())
        if not most <= 65504:
            return f"a weight of {most:.3g} is beyond {precision}"
    return ""


def is_compiled(model: LanguageModel, depth: int) -> bool:
    """Whether the library has the step of a layer, and what goes around it; else it runs as a program."""
    found, recurrent = library(), model.recurrent
    cell, name = recurrent.stack[depth].cell, name_of(recurrent.stack[depth].cell)
    return (
        found is not None
        and name is not None
        and bool(found.dll.sunhwan_generates(name.encode()))
        and type(cell).inputs is Cell.inputs
        and type(recurrent.norms[depth]) is nn.Identity
        and type(recurrent.connections[depth]) in (Plain, Residual)
    )
