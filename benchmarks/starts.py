"""How far cells remember, and how far their gradient reaches, by how W_h starts.

`python -m benchmarks.starts --out FOLDER`: each cell from each start and with each of three seeds. Horizons
are those of `sunhwan lab memory`; of gradients, those of `sunhwan lab gradients` on the same task, in new
networks and after training. What is in the folder is not measured again.
"""

import statistics
from pathlib import Path

import torch

from benchmarks.measure import arguments_of, machine, publish, table
from sunhwan.cells import get_cell
from sunhwan.lab.gradients import GradientSettings, Variant, take_apart
from sunhwan.lab.memory import Settings, horizons, measure

CELLS = ("elman", "elman_sigmoid", "lstm")
STARTS = ("orthogonal", "uniform")
SEEDS = (1, 2, 3)
DELAYS = (5, 10, 20, 50, 100, 200)
LAGS = 100
STEPS = 400


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for cell in CELLS:
        for start in STARTS:
            solved, fresh, trained = [], [], []
            for seed in SEEDS:
                settings = Settings(seed=seed, start=start)
                folder = arguments.out / f"{start}-{seed}"
                points = measure([cell], ["recall"], DELAYS, settings, folder)
                (one,) = horizons([point for point in points if point.cell == cell])
                solved.append(one.delay)
                fresh.append(reach(cell, start, seed, 0))
                trained.append(reach(cell, start, seed, STEPS))
                print(cell, start, seed, solved[-1], fresh[-1], trained[-1], flush=True)
            rows.append((cell, start, spread(solved), spread(fresh), spread(trained)))
    header = [
        "cell", "start of W_h", "longest delay solved", "gradient under 1 % from lag", "after training",
    ]  # fmt: skip
    text = table(header, rows) + (
        f"\nTask recall, {Settings().hidden_size} hidden units; the median of seeds "
        f"{', '.join(map(str, SEEDS))}, and all three. Delays tried: "
        f"{', '.join(map(str, DELAYS))}. The gradient is that of the memory's field (c of an LSTM), of the "
        f"median of 16 sequences with a delay of {LAGS}; > {LAGS}: it stays above 1 % throughout. Training "
        f"for it: {STEPS} steps. {machine()}.\n"
    )
    publish(text, rows, arguments)


def reach(cell: str, start: str, seed: int, steps: int) -> int:
    """The lag from which on the gradient is gone; LAGS + 1 where it never is."""
    settings = GradientSettings("recall", lags=LAGS, steps=steps, seed=seed)
    found = take_apart(Variant(cell, get_cell(cell), start), settings).horizon
    return LAGS + 1 if found is None else found


def spread(values: list[int]) -> str:
    """The median and all values."""

    def shown(value: float) -> str:
        return f"> {LAGS}" if value == LAGS + 1 else f"{value:g}"

    return f"{shown(statistics.median(values))} ({', '.join(map(shown, values))})"


if __name__ == "__main__":
    main()
