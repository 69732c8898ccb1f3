"""A step of training against the size of the vocabulary: full, adaptive and sampled softmax.

N·T = 2,048 tokens drawn by Zipf's law, an LSTM of H = 512 units, D = 512, each in a process of its own.
`python -m benchmarks.vocabularies [--sizes 10000,1000000] [--json FILE] [--markdown FILE]`
"""

import multiprocessing
import resource
import statistics
import sys
import time
from typing import NamedTuple

import torch

from benchmarks.measure import arguments_of, machine, publish, table
from sunhwan.config import ModelConfig, TrainingConfig
from sunhwan.data import Block
from sunhwan.models import LanguageModel
from sunhwan.models.softmax import Softmax
from sunhwan.ops import fast_products
from sunhwan.training.guard import clip
from sunhwan.training.optimizers import Optimizers

N, T, H = 32, 64, 512
STEPS = 8
KINDS = {"full": False, "adaptive": False, "sampled": True}
"""By kind whether embedding and output layer are one table."""


class Measured(NamedTuple):
    """Median seconds of a step, peak memory of the process in GB, numbers that are learned."""

    seconds: float
    gigabytes: float
    parameters: int


def step_of(kind: str, V: int) -> Measured:
    """Steps of a model with this softmax over V tokens."""
    torch.manual_seed(1)
    config = ModelConfig(
        cell="lstm", hidden_size=H, num_layers=1, input="embedding", embedding_size=H, dropout=0.0,
        tied=KINDS[kind],
    )  # fmt: skip
    model = LanguageModel(config, V, Softmax(kind))
    training = TrainingConfig(learning_rate=0.002)
    optimizers = Optimizers(model, training)
    seconds = []
    with fast_products(True):
        for _ in range(STEPS):
            ids = (torch.rand(N, T + 1) * torch.tensor(float(V)).log()).exp().long().sub(1).clamp(0)
            begun = time.perf_counter()
            model.zero_grad(set_to_none=True)
            model.loss(Block(ids[:, :-1], ids[:, 1:], None)).objective.backward()  # type: ignore[no-untyped-call]
            clip(model.parameters(), training)
            optimizers.step(0.002)
            seconds.append(time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gigabytes = peak / (1e9 if sys.platform == "darwin" else 1e9 / 1024)
    return Measured(
        statistics.median(seconds[2:]), gigabytes, sum(p.numel() for p in model.parameters())
    )


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--sizes", default="10000,1000000", help="V of each row")
    parser.add_argument("--kinds", default=",".join(KINDS), help="softmaxes")
    arguments = parser.parse_args()
    rows, context = [], multiprocessing.get_context("spawn")
    for V in map(int, arguments.sizes.split(",")):
        for kind in arguments.kinds.split(","):
            with context.Pool(1) as pool:
                rows.append((V, kind, *pool.apply(step_of, (kind, V))))
    header = ("V", "softmax", "s a step", "peak memory, GB", "parameters")
    shown = [
        (f"{V:,}", kind, f"{seconds:.3f}", f"{gigabytes:.2f}", f"{count:,}")
        for V, kind, seconds, gigabytes, count in rows
    ]
    publish(f"{machine()}\n\n{table(header, shown)}", rows, arguments)


if __name__ == "__main__":
    main()
