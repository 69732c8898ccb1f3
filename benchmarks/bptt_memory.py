"""Memory and time of full backpropagation through time over one long sequence.

For each T a process of its own computes loss and gradients of a language model on T characters
without a cut, once keeping every step (`--bptt-memory full`) and once keeping about 2 √T of them
(`sqrt`). Memory is what the process needs at its peak beyond what it held before.
`python -m benchmarks.bptt_memory [--cell lstm] [--json FILE] [--markdown FILE]`
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch

from benchmarks.measure import arguments_of, machine, publish, table
from sunhwan.config import ModelConfig
from sunhwan.data import Block
from sunhwan.models import LanguageModel

LENGTHS = (1_000, 3_000, 10_000, 30_000, 100_000)
V, H = 64, 128


def measure(cell: str, steps: int, memory: str) -> dict[str, float]:
    """Peak MiB beyond the start, and seconds of one loss with its gradients."""
    torch.manual_seed(0)
    config = ModelConfig(
        cell=cell, hidden_size=H, num_layers=1, input="embedding", embedding_size=64, dropout=0.0
    )
    model = LanguageModel(config, V)

    def run(T: int) -> None:
        ids = torch.randint(V, (1, T + 1))
        loss = model.loss(Block(ids[:, :-1], ids[:, 1:], None), bptt_memory=memory)
        loss.objective.backward()  # type: ignore[no-untyped-call]

    run(200)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    run(steps)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"mib": (peak - before) / 1024, "seconds": seconds}


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--one", nargs=2, metavar=("T", "MEMORY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.cell, int(arguments.one[0]), arguments.one[1])))
        return
    rows = []
    for steps in LENGTHS:
        row: dict[str, float] = {"T": steps}
        for memory in ("full", "sqrt"):
            command = [sys.executable, "-m", "benchmarks.bptt_memory", "--cell", arguments.cell]
            done = subprocess.run(
                [*command, "--one", str(steps), memory], check=True, capture_output=True, text=True
            )
            row |= {f"{memory}_{name}": value for name, value in json.loads(done.stdout).items()}
        rows.append(row)
    text = table(
        ["T", "full: MiB", "sqrt: MiB", "full: s", "sqrt: s"],
        [
            (
                f"{row['T']:,}",
                f"{row['full_mib']:,.0f}",
                f"{row['sqrt_mib']:,.0f}",
                f"{row['full_seconds']:.1f}",
                f"{row['sqrt_seconds']:.1f}",
            )
            for row in rows
        ],
    )
    text += (
        f"\nOne {arguments.cell} of {H} hidden units, {V} tokens, N = 1, float32: loss and gradients "
        f"of one block without a cut; {machine()}.\n"
    )
    publish(text, rows, arguments)


if __name__ == "__main__":
    main()
