"""Whether dispatch loses: what it chooses for a cell and shape, beside every other implementation.

Forward and backward of one layer, float32, as a plain layer: without a backend asked for, and with each of
the compiled kernel ("native"), PyTorch's operator ("fused"), the scan and, up to 64 steps, PyTorch's
operations step by step ("reference"), all in turn in one process. A shape is lost where another one takes
less than `LOSS` of the chosen one's time. Cells of ours as programs: `python -m benchmarks.own_cells`.
`python -m benchmarks.routes [--cells NAME …] [--cpu] [--quick] [--json FILE] [--markdown FILE]`: with
`--cpu` in time of the processor, on one thread, which other work on the machine changes little.
"""

import math
from typing import Any

import torch

from benchmarks.kernels import Shape, step_of
from benchmarks.measure import arguments_of, in_turn, machine, processor_time, publish, table
from sunhwan.cells import CELLS
from sunhwan.layers import Recurrent
from sunhwan.ops import BACKENDS, supports

SHAPES: list[Shape] = [
    (1, 1, 64), (1, 64, 64), (1, 1000, 64), (1, 100, 512), (8, 32, 16), (8, 16, 256),
    (32, 64, 64), (32, 64, 256), (128, 16, 128), (128, 100, 64), (256, 1, 64), (2, 2000, 128),
]  # fmt: skip
LOOP_STEPS = 64
"""Steps up to which a loop over PyTorch's operations is measured."""
LOSS = 0.9
"""The multiple of the chosen implementation's time below which another one wins."""


def measure(name: str, shape: Shape, rounds: int, seconds: float) -> dict[str, Any]:
    """One row: milliseconds of the layer as it comes, and by each implementation that has the cell."""
    N, T, H = shape
    torch.manual_seed(0)
    chosen = Recurrent(name, H, H)
    routes = [
        route
        for route in BACKENDS
        if supports(route, chosen.stack[0].cell, H)
        and (route in ("native", "fused", "scan") or (route == "reference" and T <= LOOP_STEPS))
    ]
    layers = {"chosen": chosen} | {route: Recurrent(name, H, H, backend=route) for route in routes}
    sides = {
        side: step_of(layer, shape, layer.output_size, fast=False) for side, layer in layers.items()
    }
    found = in_turn(sides, rounds=rounds, seconds=seconds)
    choice = chosen.explain().split(", ")[1].split(":")[0]
    best = min((route for route in routes if route != choice), key=found.__getitem__, default="")
    row: dict[str, Any] = {"cell": name, "N": N, "T": T, "H": H} | {
        "choice": choice,
        "best": best,
        "share": found[best] / found["chosen"] if best else math.inf,
        "ms": {side: 1e3 * value for side, value in found.items()},
    }
    return row


def line_of(row: dict[str, Any]) -> str:
    """A row in words: the chosen one's milliseconds, then the others'."""
    others = ", ".join(f"{side} {ms:.2f}" for side, ms in row["ms"].items() if side != "chosen")
    shape = row["N"], row["T"], row["H"]
    return f"{row['cell']} {shape}: {row['choice']} {row['ms']['chosen']:.2f} ms; {others}"


def summary(rows: list[dict[str, Any]]) -> str:
    """A line a cell: what is chosen, where another one comes nearest or wins, and how many are lost."""
    lines = []
    for name in dict.fromkeys(row["cell"] for row in rows):
        own = [row for row in rows if row["cell"] == name]
        worst = min(own, key=lambda row: row["share"])
        lines.append(
            (
                name,
                ", ".join(dict.fromkeys(row["choice"] for row in own)),
                len(own),
                f"{worst['share']:.2f}",
                worst["best"],
                (worst["N"], worst["T"], worst["H"]),
                sum(row["share"] < LOSS for row in own),
            )
        )
    header = [
        "cell",
        "chosen",
        "shapes",
        "least × of another",
        "by",
        "at (N, T, D=H)",
        f"under {LOSS}",
    ]
    return table(header, lines)


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.03, help="a side and round")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu", action="store_true", help="time of the processor, on one thread")
    parser.add_argument("--quick", action="store_true", help="two shapes, to see that it runs")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = []
    with processor_time(arguments.cpu):
        for name in arguments.cells:
            for shape in SHAPES[4:6] if arguments.quick else SHAPES:
                rows.append(measure(name, shape, arguments.rounds, arguments.seconds))
                print(line_of(rows[-1]), flush=True)
    unit = "processor time" if arguments.cpu else "time"
    text = summary(rows) + (
        f"\nForward and backward of one layer, float32: the least {unit} of any other implementation as "
        f"a multiple of the layer's as it comes; medians of {arguments.rounds} "
        f"rounds in turn in one process; {machine()}.\n"
    )
    publish(text, rows, arguments)


if __name__ == "__main__":
    main()
