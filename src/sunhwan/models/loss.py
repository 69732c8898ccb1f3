"""Loss: what a model gives the training loop for a batch."""

from typing import NamedTuple

from torch import Tensor

from sunhwan.cells import State


class Loss(NamedTuple):
    """nats: the mean loss, as it is shown; objective: what training minimises.

    state: in which a stream's block ended, one a layer; None where every batch starts anew.
    terms: over how many rows or steps `nats` is the mean, which parts of a batch are put together by;
    weight: the same of the objective, where that is another number.
    """

    nats: Tensor
    objective: Tensor
    state: list[State] | None = None
    terms: float | Tensor | None = None
    weight: float | Tensor | None = None
