"""Time of a recurrence against its length: a loop waits for every step, a scan does not.

Loss and gradient of one layer over one row of T steps: an Elman network step by step, whose loop is
compiled or PyTorch's own operations, and a minGRU, whose steps are computed side by side.
`python -m benchmarks.scan [--picture docs/scan.png] [--markdown FILE]`
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.measure import arguments_of, in_turn, machine, publish, table
from sunhwan.layers import Recurrent

LENGTHS = (64, 256, 1024, 4096, 16384)
N, D, H = 1, 64, 64


class Side(NamedTuple):
    """A cell by one implementation; most: steps beyond which it takes too long."""

    name: str
    cell: str
    backend: str
    most: int = LENGTHS[-1]


SIDES = (
    Side("elman, PyTorch operations step by step", "elman", "reference", 4096),
    Side("elman, compiled loop", "elman", "native"),
    Side("minGRU, PyTorch operations step by step", "mingru", "unrolled", 4096),
    Side("minGRU, scan", "mingru", "scan"),
    Side("minGRU, compiled loop", "mingru", "native"),
)


def call_of(side: Side, T: int) -> Callable[[], object]:
    """One loss with its gradient."""
    torch.manual_seed(0)
    net = Recurrent(side.cell, D, H, backend=side.backend)
    x = torch.randn(N, T, D)

    def call() -> None:
        y, _ = net(x)
        y.square().mean().backward()

    return call


def measure(rounds: int, seconds: float) -> list[dict[str, float]]:
    """Milliseconds of each side at each length."""
    rows = []
    for T in LENGTHS:
        calls = {s.name: call_of(s, T) for s in SIDES if s.most >= T}
        found = in_turn(calls, rounds=rounds, seconds=seconds)
        rows.append({"T": T, **{name: 1000 * value for name, value in found.items()}})
        print(rows[-1], flush=True)
    return rows


def draw(rows: list[dict[str, float]], names: list[str], path: Path) -> None:
    """Draw milliseconds against T."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from sunhwan.plots import fonts

    with rc_context({"font.family": list(fonts()), "axes.unicode_minus": False}):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        for name in names:
            known = [(row["T"], row[name]) for row in rows if name in row]
            style = "--" if "scan" in name else "-"
            axes.plot(*zip(*known, strict=True), style, marker="o", markersize=4, label=name)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(LENGTHS, [f"{T:,}" for T in LENGTHS])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("T (steps)")
        axes.set_ylabel("ms, loss and gradient")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(path, dpi=110)


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--picture", type=Path, help="a PNG file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(arguments.rounds, arguments.seconds)
    names = [side.name for side in SIDES if side.name in rows[0]]
    lines = [
        (f"{row['T']:,}", *(f"{row[n]:.2f}" if n in row else "" for n in names)) for row in rows
    ]
    text = table(["T", *names], lines) + (
        f"\nMilliseconds of loss and gradient, one layer of {H} units, N = {N}, "
        f"float32, 1 thread; {machine()}.\n"
    )
    publish(text, rows, arguments)
    if arguments.picture:
        draw(rows, names, arguments.picture)


if __name__ == "__main__":
    main()
