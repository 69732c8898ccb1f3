"""A training step with its matrix products in float32, by the fastest route, and in mixed precision.

The step of `sunhwan train`, N = 32, on tokens drawn at random; *fast* is `training.fast_products`, *mixed*
`training.mixed_precision`. All three with the same model, measured in turn.
`python -m benchmarks.products [--threads 2] [--json FILE] [--markdown FILE]`
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.measure import arguments_of, in_turn, machine, publish, table
from benchmarks.step import N, config_of, our_trainer
from sunhwan.ops import fast_products, keep_freed_memory
from sunhwan.store import Run


class Case(NamedTuple):
    """A model; of D numbers a token, H units, V tokens, read T steps at a time."""

    cell: str
    layers: int
    D: int
    H: int
    V: int
    T: int


CASES = [
    Case("lstm", 1, 64, 64, 65, 64),
    Case("gru", 1, 64, 128, 65, 64),
    Case("lstm", 1, 64, 256, 65, 64),
    Case("lstm", 2, 64, 512, 65, 100),
    Case("gru", 2, 64, 512, 65, 100),
    Case("lstm", 1, 256, 256, 10_000, 64),
    Case("lstm", 1, 512, 512, 20_000, 35),
]


def measure(case: Case, rounds: int, folder: Path) -> dict[str, float]:
    """Seconds a step of each kind, in turn."""
    config = config_of(case.cell, case.layers, case.H, case.T, size=case.D)
    with Run.create(folder / "-".join(map(str, case)), config) as run:
        trainer = our_trainer(run, config, case.V)

        def step(fast: bool, mixed: bool) -> Callable[[], None]:
            def call() -> None:
                with ExitStack() as stack:
                    stack.enter_context(fast_products(fast))
                    stack.enter_context(torch.autocast("cpu", torch.bfloat16, mixed))
                    trainer._train_step()

            return call

        sides = {"plain": step(False, False), "fast": step(True, False), "mixed": step(True, True)}
        return in_turn(sides, rounds=rounds, seconds=0.3)


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            {**case._asdict(), **measure(case, arguments.rounds, Path(folder))} for case in CASES
        ]
    header = ["cell", "layers × H", "D", "V", "T", "float32, ms", "fast", "mixed"]
    shown = [
        (
            row["cell"],
            f"{row['layers']} × {row['H']}",
            row["D"],
            f"{row['V']:,}",
            row["T"],
            f"{1e3 * row['plain']:.1f}",
            *(f"{row['plain'] / row[side]:.2f}×" for side in ("fast", "mixed")),
        )
        for row in rows
    ]
    text = table(header, shown)
    text += (
        f"\nA training step, N = {N}, AdamW, medians of {arguments.rounds} rounds in turn; *fast*: "
        f"`training.fast_products`, *mixed*: with `training.mixed_precision` too; {machine()}.\n"
    )
    publish(text, rows, arguments)


if __name__ == "__main__":
    main()
