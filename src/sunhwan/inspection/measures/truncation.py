"""Truncated backpropagation through time over one text: its blocks, and the update that they make."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sunhwan.cells import State
from sunhwan.errors import UsageError
from sunhwan.models import LanguageModel


class TextBlock(NamedTuple):
    """Steps from `first` to before `end`: the losses are of those from `new` on, the gradient of all."""

    first: int
    new: int
    end: int


def blocks_of(steps: int, block_length: int | None, bptt_length: int | None) -> list[TextBlock]:
    """The blocks of a text: every k1 = block_length steps the gradient goes back k2 = bptt_length steps
    from a block's end (Williams and Peng 1990); a last block that is shorter begins at the same distance
    from its losses. UsageError where k1 < 1 or k2 < k1."""
    if block_length is None:
        if bptt_length is not None:
            raise UsageError("how far the gradient goes back needs the length of a block beside it")
        return [TextBlock(0, 0, steps)]
    if block_length < 1:
        raise UsageError(f"a block has at least 1 step, not {block_length}")
    back = bptt_length or block_length
    if back < block_length:
        raise UsageError(
            f"the gradient of a block of {block_length} steps goes back {block_length} at least, not {back}"
        )
    return [
        TextBlock(max(0, start + block_length - back), start, min(start + block_length, steps))
        for start in range(0, steps, block_length)
    ]


def accumulate_gradients(
    network: LanguageModel,
    ids: Sequence[int],
    targets: Sequence[int],
    blocks: Sequence[TextBlock],
    resets: Tensor | None = None,
) -> None:
    """Add to each parameter's gradient that of the losses of all blocks, as training computes it.

    Block by block from the state before its first step, which no gradient leaves. resets (1, T): the steps
    that begin in the initial state instead.
    """

    def within(start: int, stop: int) -> Tensor | None:
        return None if resets is None else resets[:, start:stop]

    state: list[State] | None = None
    read = 0
    for first, new, end in blocks:
        if first > read:
            with torch.no_grad():
                before = torch.tensor([ids[read:first]])
                _, state = network.read(before, state, within(read, first))
            read = first
        losses = losses_of(network, ids[first:end], targets[first:end], state, within(first, end))
        loss = losses[new - first :].sum()
        if loss.requires_grad and loss.numel():
            loss.backward()  # type: ignore[no-untyped-call]


def losses_of(
    network: LanguageModel,
    ids: Sequence[int],
    targets: Sequence[int],
    state: Sequence[State] | None = None,
    resets: Tensor | None = None,
) -> Tensor:
    """The loss of each step that has a target, (T) nats."""
    output, _ = network.read(torch.tensor([ids]), state, resets)
    logits = network.output(output[: len(targets), 0])
    return functional.cross_entropy(
        logits, torch.tensor(targets, dtype=torch.int64), reduction="none"
    )


@torch.no_grad()
def descend(network: LanguageModel, learning_rate: float) -> None:
    """One step of plain gradient descent: θ ← θ − η ∂L/∂θ."""
    for parameter in network.parameters():
        if parameter.grad is not None:
            parameter.sub_(parameter.grad, alpha=learning_rate)
