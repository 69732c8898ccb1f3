"""Training speed of our layers against torch.nn, measured in turn.

Forward and backward of one layer, float32, gradients of the input and of all parameters. torch.nn runs
in a process of its own, as it comes.
`python -m benchmarks.layers [--json FILE] [--markdown FILE]`
`python -m benchmarks.layers --sweep [--cpu] [--quick]`: as a plain layer, without any setting of ours,
beside torch.nn in one process, over many shapes, on one thread and on two; with `--cpu` in time of the
processor, on one thread, which other work on the machine changes little.
`python -m benchmarks.layers --ragged [--quick]`: rows of very unequal length beside
`pack_padded_sequence`, and resets beside none.
`python -m benchmarks.layers --compile [--quick]`: `torch.compile` of a stack: its seconds, and its speed
beside the same stack uncompiled.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from itertools import product
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from benchmarks.kernels import PEERS, SHAPES, Shape, peer_step, step_of
from benchmarks.measure import (
    arguments_of,
    in_own_process,
    in_turn,
    machine,
    processor_time,
    publish,
    table,
)
from sunhwan.layers import Recurrent
from sunhwan.ops import keep_freed_memory


def measure(cell: str, shape: Shape, rounds: int) -> dict[str, object]:
    """One row: tokens/s of torch.nn, of ours, and of ours as `sunhwan train` runs it."""
    N, T, H = shape
    ours = Recurrent(cell, H, H)
    sides = {
        "ours": step_of(ours, shape, H, fast=False),
        "shipped": step_of(ours, shape, H, fast=True),
    }
    with in_own_process(peer_step, cell, shape) as torch_step:
        seconds = in_turn({"torch": torch_step, **sides}, rounds=rounds)
    return {
        "cell": cell,
        "N": N,
        "T": T,
        "H": H,
        "kernel": ours.explain().split(", ")[1].split(":")[0],
        "torch_tokens_per_second": N * T / seconds["torch"],
        "tokens_per_second": N * T / seconds["ours"],
        "ratio_to_torch": seconds["torch"] / seconds["ours"],
        "ratio_to_torch_as_shipped": seconds["torch"] / seconds["shipped"],
    }


WORK = 2e10
"""Operations of a training step up to which a shape belongs to the sweep, of an LSTM."""

SWEEP: list[Shape] = [
    (N, T, H)
    for N, T, H in product((1, 8, 32, 128, 256), (1, 16, 100, 1000), (16, 64, 256, 1024))
    if 48.0 * N * T * H * H <= WORK
]

TARGET = 0.97
"""The ratio to torch.nn below which a shape is counted as slower."""


def sweep_row(cell: str, shape: Shape, threads: int, rounds: int) -> dict[str, object]:
    """One row: the same network by torch.nn and by ours, in turn in one process."""
    torch.set_num_threads(threads)
    theirs = PEERS[cell](shape[2], shape[2], batch_first=True)
    sides = {
        "torch": step_of(theirs, shape, shape[2], fast=False),
        "ours": step_of(Recurrent.from_torch(theirs), shape, shape[2], fast=False),
    }
    seconds = in_turn(sides, rounds=rounds, seconds=0.03)
    N, T, H = shape
    return {
        "cell": cell,
        "threads": threads,
        "N": N,
        "T": T,
        "H": H,
        "torch_ms": 1e3 * seconds["torch"],
        "ms": 1e3 * seconds["ours"],
        "ratio_to_torch": seconds["torch"] / seconds["ours"],
    }


def sweep_table(rows: Sequence[dict[str, object]]) -> str:
    """A line a cell, number of threads and class of T: median and least ratio, and how many are slower."""
    lines: list[tuple[object, ...]] = []
    classes = {"T = 1": (1, 1), "T = 16": (16, 16), "T ≥ 100": (100, 10**9), "all": (1, 10**9)}
    for cell, threads in product(PEERS, (1, 2)):
        for name, (least, most) in classes.items():
            found = {
                (row["N"], row["T"], row["H"]): float(str(row["ratio_to_torch"]))
                for row in rows
                if (row["cell"], row["threads"]) == (cell, threads)
                and least <= int(str(row["T"])) <= most
            }
            if not found:
                continue
            worst = min(found, key=lambda shape: found[shape])
            slower = sum(ratio < TARGET for ratio in found.values())
            median = f"{statistics.median(found.values()):.2f}"
            lines.append(
                (cell, threads, name, len(found), median, f"{found[worst]:.2f}", worst, slower)
            )
    header = ["cell", "threads", "shapes", "count", "median", "least", "at (N, T, D=H)"]
    return table([*header, f"under {TARGET}"], lines)


def sweep(*, quick: bool, rounds: int, cpu: bool) -> tuple[str, list[dict[str, object]]]:
    """The sweep's text and rows."""
    shapes = SWEEP[::12] if quick else SWEEP
    with processor_time(cpu):
        rows = [
            sweep_row(cell, shape, threads, rounds)
            for threads in ((1,) if cpu else (1, 2))
            for cell in PEERS
            for shape in shapes
        ]
    unit = "processor time" if cpu else "seconds"
    text = sweep_table(rows) + (
        f"\nRatio of {unit}, torch.nn to ours, of a training step as a plain layer: {len(shapes)} "
        f"shapes, medians of {rounds} rounds in turn in one process; {machine()}.\n"
    )
    return text, rows


RAGGED: list[Shape] = [(64, 4000, 64), (32, 4000, 128)]
"""Where one row has all T steps and the others, drawn evenly, up to 7 % of them."""

RESETS: Shape = (128, 128, 256)
"""Where 3 % of the steps begin anew."""


def ragged_row(shape: Shape, rounds: int) -> dict[str, object]:
    """One row: forward and backward of an LSTM on rows of unequal length, torch.nn's packed."""
    N, T, H = shape
    theirs = torch.nn.LSTM(H, H, batch_first=True)
    ours = Recurrent.from_torch(theirs)
    lengths = torch.randint(1, max(2, 7 * T // 100), (N,))
    lengths[0] = T
    x = torch.randn(N, T, H, requires_grad=True)

    def packed() -> None:
        given = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        theirs(given)[0].data.sum().backward()

    def by_lengths() -> None:
        output: Tensor = ours(x, lengths=lengths)[0]
        output.sum().backward()  # type: ignore[no-untyped-call]

    seconds = in_turn({"torch": packed, "ours": by_lengths}, rounds=rounds)
    return {
        "what": f"{float(lengths.float().mean() / T):.1%} of the longest row on average",
        "shape": shape,
        "other": "torch.nn, packed",
        "other_ms": 1e3 * seconds["torch"],
        "ms": 1e3 * seconds["ours"],
        "ratio": seconds["torch"] / seconds["ours"],
    }


def resets_row(shape: Shape, rounds: int) -> dict[str, object]:
    """One row: forward and backward of our LSTM with resets, beside none."""
    N, T, H = shape
    layer, x = Recurrent("lstm", H, H), torch.randn(N, T, H, requires_grad=True)
    resets = torch.rand(N, T) < 0.03

    def without() -> None:
        layer(x)[0].sum().backward()

    def with_resets() -> None:
        layer(x, resets=resets)[0].sum().backward()

    seconds = in_turn({"without": without, "with": with_resets}, rounds=rounds)
    return {
        "what": "resets at 3 % of the steps",
        "shape": shape,
        "other": "ours, no resets",
        "other_ms": 1e3 * seconds["without"],
        "ms": 1e3 * seconds["with"],
        "ratio": seconds["without"] / seconds["with"],
    }


def ragged(*, quick: bool, rounds: int) -> tuple[str, list[dict[str, object]]]:
    """The text and rows of unequal lengths and resets."""
    shapes, resets = ([(4, 100, 16)], (8, 16, 32)) if quick else (RAGGED, RESETS)
    rows = [ragged_row(shape, rounds) for shape in shapes] + [resets_row(resets, rounds)]
    text = table(
        ["", "(N, T, D=H)", "beside", "ms", "sunhwan, ms", "×"],
        [
            (
                row["what"],
                row["shape"],
                row["other"],
                f"{row['other_ms']:.1f}",
                f"{row['ms']:.1f}",
                f"{row['ratio']:.2f}",
            )
            for row in rows
        ],
    )
    text += (
        f"\nForward and backward of an LSTM, as a plain layer, medians of {rounds} rounds in turn in "
        f"one process; {machine()}.\n"
    )
    return text, rows


COMPILED: tuple[Shape, int] = ((32, 64, 256), 6)
"""The shape and number of layers that `torch.compile` is given."""


def compile_seconds(shape: Shape, layers: int, *, after_another: bool) -> float:
    """Seconds of `torch.compile` until the first gradient, in this process."""

    def first(module: nn.Module, size: int) -> float:
        x = torch.randn(shape[0], shape[1], size, requires_grad=True)
        begun = time.perf_counter()
        made = torch.compile(module)(x)
        (made[0] if isinstance(made, tuple) else made).sum().backward()
        return time.perf_counter() - begun

    if after_another:
        first(nn.Sequential(nn.Linear(8, 8), nn.Tanh()), 8)
    return first(Recurrent("lstm", shape[2], shape[2], num_layers=layers), shape[2])


def in_fresh_process(shape: Shape, layers: int, *, after_another: bool) -> float:
    """`compile_seconds` in a process of its own that finds nothing compiled before."""
    context = multiprocessing.get_context("spawn")
    with (
        mock.patch.dict(os.environ, {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}),
        context.Pool(1) as pool,
    ):
        options = {"after_another": after_another}
        return pool.apply(compile_seconds, (shape, layers), options)


def compiled(*, quick: bool, rounds: int) -> tuple[str, list[dict[str, object]]]:
    """The text and row of a compiled stack of LSTMs."""
    shape, layers = ((4, 8, 16), 2) if quick else COMPILED
    first, second = (
        in_fresh_process(shape, layers, after_another=after) for after in (False, True)
    )
    eager = Recurrent("lstm", shape[2], shape[2], num_layers=layers)
    made: Any = torch.compile(eager)
    sides = {
        "eager": step_of(eager, shape, shape[2], fast=False),
        "compiled": step_of(made, shape, shape[2], fast=False),
    }
    seconds = in_turn(sides, rounds=rounds)
    row: dict[str, object] = {
        "layers": layers,
        "shape": shape,
        "compile_seconds": first,
        "compile_seconds_after_another": second,
        "eager_ms": 1e3 * seconds["eager"],
        "compiled_ms": 1e3 * seconds["compiled"],
        "ratio": seconds["eager"] / seconds["compiled"],
    }
    header = ["layers", "(N, T, D=H)", "first, s", "after another, s", "eager, ms", "compiled, ms"]
    line = (
        layers, shape, f"{first:.1f}", f"{second:.1f}",
        f"{row['eager_ms']:.1f}", f"{row['compiled_ms']:.1f}", f"{row['ratio']:.2f}",
    )  # fmt: skip
    text = table([*header, "×"], [line]) + (
        "\n`torch.compile` of a stack of LSTMs, until the first gradient, in a fresh process without "
        "anything kept; *after another*: once a small module was compiled, which loads the compiler. "
        f"Forward and backward: medians of {rounds} rounds in turn in one process; {machine()}.\n"
    )
    return text, [row]


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--sweep", action="store_true", help="many shapes, as a plain layer")
    parser.add_argument("--cpu", action="store_true", help="a sweep in time of the processor")
    parser.add_argument("--ragged", action="store_true", help="unequal lengths, and resets")
    parser.add_argument("--compile", action="store_true", help="a stack under torch.compile")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.sweep or arguments.ragged or arguments.compile:
        rounds = min(arguments.rounds, 3) if arguments.quick else arguments.rounds
        given = {"quick": arguments.quick, "rounds": rounds}
        if arguments.sweep:
            found = sweep(cpu=arguments.cpu, **given)
        else:
            found = (compiled if arguments.compile else ragged)(**given)
        publish(*found, arguments)
        return
    if arguments.cpu:
        parser.error("--cpu belongs to --sweep")
    keep_freed_memory()
    rows = [measure(cell, shape, arguments.rounds) for cell in PEERS for shape in SHAPES[:3]]
    header = ["cell", "(N, T, D=H)", "kernel", "torch.nn", "sunhwan", "ratio", "ratio as shipped"]
    text = table(
        header,
        [
            (
                row["cell"],
                (row["N"], row["T"], row["H"]),
                row["kernel"],
                f"{row['torch_tokens_per_second']:,.0f}",
                f"{row['tokens_per_second']:,.0f}",
                f"{row['ratio_to_torch']:.2f}",
                f"{row['ratio_to_torch_as_shipped']:.2f}",
            )
            for row in rows
        ],
    )
    text += (
        f"\nTokens a second, forward and backward, medians of {arguments.rounds} rounds measured in "
        f"turn; {machine()}. Ours with `keep_memory`; *as shipped*: with `fast_products` too, as "
        "`sunhwan train` runs.\n"
    )
    publish(text, rows, arguments)


if __name__ == "__main__":
    main()
