"""Processes: one training shared by several, each with a part of every batch (data parallelism).

They are started by PyTorch's `torchrun`, or by `--processes` on one machine, and talk through gloo.
Each process computes the gradient of its own rows; the sum over all, weighted by how much each mean
is over, is the gradient of the whole batch, so that k processes learn what one would. Whatever depends
on the clock or on luck is decided by the first one, which alone writes the run folder.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from sunhwan.errors import SunhwanError, UsageError
from sunhwan.models.loss import Loss

RENDEZVOUS = "SUNHWAN_RENDEZVOUS"
"""Names the file through which processes of one machine find each other."""
_LIMIT = timedelta(hours=2)
"""How long the others may wait for the first one, which reads and validates alone."""

Found = TypeVar("Found")


class ProcessLostError(SunhwanError):
    """Another process of the training ended."""


class FollowerError(SunhwanError):
    """The first process failed, and has said why: a process beside it ends without a word."""


class Processes:
    """This process among those that train together; alone unless it was started as one of several.

    rank: 0 is the first one. count: how many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @property
    def is_first(self) -> bool:
        """Whether this one decides, writes and reports."""
        return self.rank == 0

    def from_first(self, work: Callable[[], Found]) -> Found:
        """What the first one's work gives, in all of them. An InterruptedError ends it in all of them."""
        if self.count == 1:
            return work()
        told: list[Any] = [None, None]
        if self.is_first:
            try:
                told = ["done", work()]
            except BaseException as error:
                kind = "interrupted" if isinstance(error, InterruptedError) else "failed"
                self._call(dist.broadcast_object_list, [kind, None])
                raise
        self._call(dist.broadcast_object_list, told)
        if told[0] == "interrupted":
            raise InterruptedError
        if told[0] == "failed":
            raise FollowerError
        found: Found = told[1]
        return found

    def in_turn(self, work: Callable[[], Found]) -> Found:
        """The same work in all of them, the first one before the others, for it fills the caches."""
        if self.is_first:
            found: list[Found] = []
            self.from_first(lambda: found.append(work()))
            return found[0]
        self.from_first(lambda: None)
        return work()

    def any(self, *facts: bool) -> list[bool]:
        """Of each fact whether it is true in one of them."""
        if self.count == 1:
            return list(facts)
        told = torch.tensor(facts, dtype=torch.int32)
        self._call(dist.all_reduce, told, op=dist.ReduceOp.MAX)
        return [bool(fact) for fact in told.tolist()]

    def gathered(self, value: Any) -> list[Any]:
        """The values of all, in order."""
        found: list[Any] = [value] * self.count
        if self.count > 1:
            self._call(dist.all_gather_object, found, value)
        return found

    def mean_gradient(self, model: nn.Module, loss: Loss | None) -> float:
        """Make the gradients those of the whole batch, and give its mean loss.

        loss: of the own rows, whose backward pass is done; None: there were none.
        """
        if self.count == 1:
            assert loss is not None
            return loss.nats.item()
        nats = weight = count = 0.0
        if loss is not None:
            count = float(loss.terms)
            weight = count if loss.weight is None else float(loss.weight)
            nats = loss.nats.item()
        parameters = [p for p in model.parameters() if p.requires_grad]
        # A mean over nothing is no number, and counts for nothing.
        present = [weight > 0 and p.grad is not None for p in parameters]
        own = [
            (p.grad if there and p.grad is not None else torch.zeros_like(p)).flatten()
            for p, there in zip(parameters, present, strict=True)
        ]
        gradient = torch.cat(own) * weight
        facts = torch.tensor(
            [weight, count, nats * count if count else 0.0, *map(float, present)],
            dtype=torch.float64,
        )
        self._call(dist.all_reduce, gradient)
        self._call(dist.all_reduce, facts)
        total, counted, summed, *known = facts.tolist()
        gradient /= total
        parts = torch.split(gradient, [p.numel() for p in parameters])
        for p, part, there in zip(parameters, parts, known, strict=True):
            p.grad = part.view_as(p) if there else None
        return float(summed / counted)

    def share_weights(self, model: nn.Module) -> None:
        """Give all of them the weights of the first one."""
        if self.count > 1:
            for tensor in model.state_dict().values():
                self._call(dist.broadcast, tensor, 0)

    def _call(self, collective: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        try:
            collective(*arguments, **options)
        except (RuntimeError, ValueError) as error:
            _lost(error)


def _lost(error: Exception) -> NoReturn:
    if isinstance(error, ValueError) and "process group" not in str(error):
        raise error
    raise ProcessLostError("another process of the training ended") from error


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """Join the other processes of this training, if `torchrun` or `--processes` started this one.

    UsageError: the environment names several processes, and they do not find each other.
    """
    count, rank = (int(os.environ.get(name, default)) for name, default in _NAMES)
    if count == 1 or dist.is_initialized():
        yield Processes()
        return
    place = os.environ.get(RENDEZVOUS)
    try:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{place}" if place else "env://",
            rank=rank,
            world_size=count,
            timeout=_LIMIT,
        )
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"the {count} processes of this training do not find each other "
            f"({str(error).splitlines()[0]}): start them by torchrun or --processes"
        ) from None
    try:
        yield Processes(rank, count)
    except ProcessLostError:
        if rank:
            raise FollowerError from None
        raise
    finally:
        dist.destroy_process_group()


_NAMES = (("WORLD_SIZE", "1"), ("RANK", "0"))
