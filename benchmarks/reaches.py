"""How far the gradient of new networks reaches, on every task of the lab and on Korean prose.

`python -m benchmarks.reaches [--markdown FILE]`: each cell from each start of W_h, with three seeds.
"""

import torch

from benchmarks.measure import arguments_of, machine, publish, table
from sunhwan.cells import get_cell
from sunhwan.lab.gradients import GradientSettings, Variant, take_apart
from sunhwan.text import load_corpus

CELLS, STARTS = ("elman", "elman_sigmoid", "lstm"), ("orthogonal", "uniform")
SOURCES = ("recall", "adding", "copy", "text")
SEEDS, LAGS = (1, 2, 3), 150


def main() -> None:
    arguments = arguments_of(__doc__).parse_args()
    torch.set_num_threads(1)
    prose = "\n".join(document.text for document in load_corpus(("korean",)).documents)
    rows = []
    for cell in CELLS:
        for start in STARTS:
            variant = Variant(cell, get_cell(cell), start)
            found = []
            for source in SOURCES:
                each = [
                    take_apart(
                        variant, GradientSettings(source, lags=LAGS, seed=seed), prose
                    ).horizon
                    for seed in SEEDS
                ]
                found.append(", ".join(f"> {LAGS}" if lag is None else f"{lag}" for lag in each))
            rows.append((cell, start, *found))
            print(*rows[-1], flush=True)
    text = table(["cell", "start of W_h", *SOURCES], rows) + (
        f"\nThe lag from which on the gradient of the memory's field (c of an LSTM) is under 1 % of its "
        f"start, in new networks of {GradientSettings().hidden_size} units, the median of "
        f"{GradientSettings().rows} sequences with a delay of {LAGS}; seeds "
        f"{', '.join(map(str, SEEDS))}. {machine()}.\n"
    )
    publish(text, rows, arguments)


if __name__ == "__main__":
    main()
