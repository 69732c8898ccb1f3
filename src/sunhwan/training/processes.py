"""Processes: one training shared by several, each with a part of every batch (data parallelism).

They are started by PyTorch's `torchrun`, or by `--processes` on one machine, and talk through gloo.
Each process computes the gradient of its own rows; the sum over all, weighted by how much each mean
is over, is the gradient of the whole batch, so that k processes learn what one would. Whatever depends
on the clock or on luck is decided by the first one, which alone writes the run folder.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sunhwan.errors import ConfigError, StoreError, SunhwanError, UsageError
from sunhwan.models.loss import Loss
from sunhwan.training.guard import gradient_numbers

RENDEZVOUS = "SUNHWAN_RENDEZVOUS"
"""Names the file through which processes of one machine find each other."""
_LIMIT = timedelta(hours=2)
"""How long the others may wait for the first one, which reads and validates alone."""
_STEP_LIMIT = timedelta(minutes=5)
"""How long an exchange of a step may take: a machine whose line is cut does not say that it is gone."""

Found = TypeVar("Found")


class ProcessLostError(SunhwanError):
    """Another process of the training ended."""


class FollowerError(SunhwanError):
    """The first process failed, and has said why: a process beside it ends without a word."""


class SummedLoss:
    """Sums over the parts of a batch: of the loss, of what it is a mean over, and of the gradient."""

    def __init__(self) -> None:
        self.nats = self.terms = self.weight = 0.0

    def add(self, loss: Loss) -> None:
        """Add a part: its backward pass, its gradient weighted by what its mean is over."""
        if loss.terms is None:
            raise ConfigError(
                "the loss of this task does not say what it is a mean over (Loss.terms): train it in one "
                "process, with training.accumulate 1"
            )
        terms = float(loss.terms)
        weight = terms if loss.weight is None else float(loss.weight)
        if weight:  # a mean over nothing is no number, and counts for nothing
            self.terms += terms
            self.weight += weight
            self.nats += loss.nats.item() * terms
            (loss.objective * weight).backward()  # type: ignore[no-untyped-call]


class Processes:
    """This process among those that train together; alone unless it was started as one of several.

    rank: 0 is the first one. count: how many there are. steps: the group in which steps are exchanged.
    """

    def __init__(self, rank: int = 0, count: int = 1, steps: Any = None) -> None:
        self.rank, self.count, self._steps = rank, count, steps

    @property
    def is_first(self) -> bool:
        """Whether this one decides, writes and reports."""
        return self.rank == 0

    def from_first(self, work: Callable[[], Found]) -> Found:
        """The first process's result, in all processes. An InterruptedError ends it in all of them."""
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
        self._call(dist.all_reduce, told, op=dist.ReduceOp.MAX, group=self._steps)
        return [bool(fact) for fact in told.tolist()]

    def gathered(self, value: Any) -> list[Any]:
        """The values of all, in order."""
        found: list[Any] = [value] * self.count
        if self.count > 1:
            self._call(dist.all_gather_object, found, value)
        return found

    def check_alike(self, digest: str, sources: Sequence[str]) -> None:
        """StoreError where the processes have read different data."""
        if len(set(self.gathered(digest))) > 1:
            raise StoreError(
                "the processes of this training read different data: give each machine the same "
                f"files as {', '.join(sources)}"
            )

    def mean_gradient(self, model: nn.Module, summed: "SummedLoss") -> float:
        """Divide the gradient of the sum of all parts by what it is over, and give the mean loss."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        facts = [summed.weight, summed.terms, summed.nats]
        if self.count == 1:
            torch._foreach_div_(gradient_numbers(parameters), summed.weight)
            return summed.nats / summed.terms
        own = [
            (torch.zeros_like(p) if p.grad is None else _dense(p.grad)).flatten()
            for p in parameters
        ]
        sparse = [p.grad is not None and p.grad.is_sparse for p in parameters]
        gradient = torch.cat(own)
        told = torch.tensor(
            [*facts, *(p.grad is not None for p in parameters)], dtype=torch.float64
        )
        self._call(dist.all_reduce, gradient, group=self._steps)
        self._call(dist.all_reduce, told, group=self._steps)
        total, terms, nats, *known = told.tolist()
        gradient /= total
        parts = torch.split(gradient, [p.numel() for p in parameters])
        for p, part, there, rows in zip(parameters, parts, known, sparse, strict=True):
            p.grad = part.view_as(p) if there else None
            if rows and p.grad is not None:
                p.grad = p.grad.to_sparse(1)
        return float(nats / terms)

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


def _dense(gradient: Tensor) -> Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient


def _lost(error: Exception) -> NoReturn:
    if isinstance(error, ValueError) and "process group" not in str(error):
        raise error
    raise ProcessLostError("another process of the training ended or is out of reach") from error


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
        yield Processes(rank, count, dist.new_group(timeout=_STEP_LIMIT))
    except ProcessLostError:
        if rank:
            raise FollowerError from None
        raise
    finally:
        dist.destroy_process_group()


_NAMES = (("WORLD_SIZE", "1"), ("RANK", "0"))
