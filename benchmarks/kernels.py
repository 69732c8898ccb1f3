"""The compiled kernels: against torch.nn, against the machine's large matrix products, among each other.

Forward and backward of one layer, float32, gradients of the input and of all parameters, two threads.
Ours runs as `sunhwan train` runs it, with `keep_memory` and `fast_products`. torch.nn runs as it comes, in
a process of its own, and once more beside ours, with our memory, without and with `fast_products`, of
which the better one counts. In turn with them a product of 2048³ numbers and one of the layer's own
size, both ways: the best rate of these four is the roof.

A second table says where the time of our LSTM goes: the products over all steps, which are PyTorch's,
and the recurrence, which is ours. A third has every other cell at one size, its rate as a share of our
LSTM's. A fourth has the cells without a recurrent product, as a multiple of the products that they
cannot do without.

`python -m benchmarks.kernels [--quick] [--json FILE] [--markdown FILE]`
`python -m benchmarks.kernels --oversubscribed`: a training step while four processes keep the
processor busy.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from benchmarks.measure import arguments_of, in_own_process, in_turn, machine, publish, table
from sunhwan.cells import CELLS
from sunhwan.layers import Recurrent
from sunhwan.ops import fast_products, keep_freed_memory

Shape = tuple[int, int, int]
Row = dict[str, object]

SHAPES: list[Shape] = [(32, 64, 256), (64, 100, 512), (16, 256, 128), (64, 35, 1024)]
PEERS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}
OTHERS = [name for name in CELLS if name not in PEERS]
AT: Shape = (64, 100, 512)
"""Where the other cells are measured."""

WITHOUT_PRODUCT = ("mingru", "minlstm")
LONG: Shape = (2, 4096, 512)
SMALL: list[Shape] = [(8, 16, 64), (4, 32, 128)]
"""For `--quick`, which shows that everything runs."""

BUSY = 4
"""Processes besides ours for `--oversubscribed`."""


def flops(layer: Recurrent, N: int, T: int) -> float:
    """Operations of all products: a multiplication and an addition, forward and twice backward."""
    return 6.0 * N * T * sum(p.numel() for p in layer.parameters() if p.dim() == 2)


def step_of(layer: nn.Module, shape: Shape, size: int, *, fast: bool) -> Callable[[], object]:
    """Forward and backward of a layer."""
    N, T, D = shape
    x = torch.randn(N, T, D, requires_grad=True)
    gradient = torch.randn(N, T, size)

    def step() -> Tensor:
        with fast_products(fast):
            layer.zero_grad(set_to_none=True)
            x.grad = None
            output: Tensor = layer(x)[0]
            output.backward(gradient)  # type: ignore[no-untyped-call]
        return output

    return step


def product_of(rows: int, depth: int, columns: int, *, fast: bool) -> Callable[[], object]:
    """One matrix product, where it is to go."""
    left, right = torch.randn(rows, depth), torch.randn(depth, columns)
    out = torch.empty(rows, columns)

    def product() -> Tensor:
        with fast_products(fast):
            return torch.mm(left, right, out=out)

    return product


def roofs_of(N: int, T: int, H: int) -> dict[str, tuple[Callable[[], object], float]]:
    """The large products, with the operations of each."""
    found = {}
    for fast in (False, True):
        for n, k, m in ((2048, 2048, 2048), (N * T, H, 4 * H)):
            found[f"{n}×{k}×{m} {fast}"] = (product_of(n, k, m, fast=fast), 2.0 * n * k * m)
    return found


def against_torch(cell: str, shape: Shape, rounds: int) -> Row:
    """One row: ours beside torch.nn and the roof."""
    N, T, H = shape
    theirs = PEERS[cell](H, H, batch_first=True)
    ours = Recurrent.from_torch(theirs)
    roofs = roofs_of(N, T, H)
    sides = {
        "ours": step_of(ours, shape, H, fast=True),
        "beside": step_of(theirs, shape, H, fast=False),
        "beside fast": step_of(theirs, shape, H, fast=True),
    }
    sides |= {name: side for name, (side, _) in roofs.items()}
    with in_own_process(peer_step, cell, shape) as torch_alone:
        seconds = in_turn({"torch": torch_alone, **sides}, rounds=rounds)
    rate = flops(ours, N, T) / seconds["ours"]
    roof = max(operations / seconds[name] for name, (_, operations) in roofs.items())
    beside = min(seconds["beside"], seconds["beside fast"])
    return {
        "cell": cell,
        "N": N,
        "T": T,
        "H": H,
        "kernel": ours.explain().split(", ")[1].split(":")[0],
        "ms": 1e3 * seconds["ours"],
        "torch_ms": 1e3 * seconds["torch"],
        "torch_beside_ms": 1e3 * beside,
        "ratio_to_torch": seconds["torch"] / seconds["ours"],
        "ratio_to_torch_beside": beside / seconds["ours"],
        "gflops": rate / 1e9,
        "matmul_gflops": roof / 1e9,
        "share_of_matmul": rate / roof,
    }


def peer_step(cell: str, shape: Shape) -> Callable[[], object]:
    """A training step of torch.nn's layer, as it comes."""
    return step_of(PEERS[cell](shape[2], shape[2], batch_first=True), shape, shape[2], fast=False)


def where_it_goes(shape: Shape, rounds: int) -> Row:
    """One row: the parts of a training step of our LSTM, in milliseconds.

    The products over all steps are timed by themselves; the recurrence is what is left, of the way
    forward and of the whole.
    """
    N, T, H = shape
    layer = Recurrent("lstm", H, H)
    W = layer.stack[0].get_parameter("W_x_T").detach()
    x, h, d_a = torch.randn(N * T, H), torch.randn(N * T, H), torch.randn(N * T, 4 * H)
    batch = x.view(N, T, H).detach().requires_grad_()

    def fast(side: Callable[[], object]) -> Callable[[], object]:
        def call() -> object:
            with fast_products():
                return side()

        return call

    seconds = in_turn(
        {
            "whole": step_of(layer, shape, H, fast=True),
            "way forward": fast(lambda: layer(batch)[0]),
            "input": fast(lambda: torch.mm(x, W.T)),
            "gradients": fast(lambda: [torch.mm(d_a, W), torch.mm(d_a.T, x), torch.mm(d_a.T, h)]),
        },
        rounds=rounds,
    )
    parts = {
        "products": seconds["input"] + seconds["gradients"],
        "forward": seconds["way forward"] - seconds["input"],
        "backward": seconds["whole"] - seconds["way forward"] - seconds["gradients"],
    }
    product = 8.0 * N * T * H * H
    row: Row = {"cell": "lstm", "N": N, "T": T, "H": H, "ms": 1e3 * seconds["whole"]}
    for part, count in (("products", 4), ("forward", 1), ("backward", 1)):
        row[f"{part}_ms"] = 1e3 * parts[part]
        row[f"{part}_gflops"] = count * product / parts[part] / 1e9
    return row


def against_lstm(shape: Shape, rounds: int) -> list[Row]:
    """A row for every other cell, all measured in turn with our LSTM."""
    N, T, H = shape
    layers = {name: Recurrent(name, H, H) for name in ["lstm", *OTHERS]}
    sides = {
        name: step_of(layer, shape, layer.output_size, fast=True) for name, layer in layers.items()
    }
    seconds = in_turn(sides, rounds=rounds)
    rates = {name: flops(layer, N, T) / seconds[name] for name, layer in layers.items()}
    return [
        {
            "cell": name,
            "N": N,
            "T": T,
            "H": H,
            "kernel": layers[name].explain().split(", ")[1].split(":")[0],
            "ms": 1e3 * seconds[name],
            "gflops": rates[name] / 1e9,
            "share_of_lstm": rates[name] / rates["lstm"],
        }
        for name in OTHERS
    ]


def against_products(cell: str, shape: Shape, rounds: int) -> Row:
    """One row: a cell without a recurrent product, and the three products of its input alone."""
    N, T, H = shape
    layer = Recurrent(cell, H, H)
    W = layer.stack[0].get_parameter("W_x_T").detach()
    x, d_a = torch.randn(N * T, H), torch.randn(N * T, len(W))

    def products() -> list[Tensor]:
        with fast_products():
            return [torch.mm(x, W.T), torch.mm(d_a, W), torch.mm(d_a.T, x)]

    sides = {"ours": step_of(layer, shape, H, fast=True), "products": products}
    seconds = in_turn(sides, rounds=rounds)
    return {
        "cell": cell,
        "N": N,
        "T": T,
        "H": H,
        "ms": 1e3 * seconds["ours"],
        "products_ms": 1e3 * seconds["products"],
        "ratio_to_products": seconds["ours"] / seconds["products"],
    }


def spin(stop: float) -> None:
    """Keep a processor busy, but not for ever."""
    while time.monotonic() < stop:
        pass


@contextmanager
def busy(processes: int, seconds: float = 120.0) -> Iterator[None]:
    """So many processes that compute nothing, which end with the block, or by themselves."""
    context = multiprocessing.get_context("spawn")
    children = [
        context.Process(target=spin, args=(time.monotonic() + seconds,), daemon=True)
        for _ in range(processes)
    ]
    try:
        for child in children:
            child.start()
        time.sleep(5)  # until each has imported what it needs
        yield
    finally:
        for child in children:
            if child.pid is not None:
                child.terminate()
        for child in children:
            if child.pid is not None:
                child.join()


def oversubscribed(shape: Shape, rounds: int) -> list[Row]:
    """How much slower a training step is while others compute, ours and torch.nn's."""
    theirs = nn.LSTM(shape[2], shape[2], batch_first=True)
    ours = Recurrent.from_torch(theirs)
    sides = {
        "sunhwan": step_of(ours, shape, shape[2], fast=True),
        "torch.nn": step_of(theirs, shape, shape[2], fast=False),
    }
    alone = in_turn(sides, rounds=rounds)
    with busy(BUSY):
        among = in_turn(sides, rounds=rounds)
    threads, cores = torch.get_num_threads(), len(os.sched_getaffinity(0))
    # Every thread that wants a core has an equal share of all of them.
    fair = min(1.0, cores / threads) / min(1.0, cores / (threads + BUSY))
    return [
        {
            "side": name,
            "ms": 1e3 * alone[name],
            "busy_ms": 1e3 * among[name],
            "slowdown": among[name] / alone[name],
            "fair_slowdown": fair,
            "beyond_fair": among[name] / alone[name] / fair,
        }
        for name in sides
    ]


def load() -> str:
    """What the machine did in the last minute, everyone's processes together."""
    return f"{os.getloadavg()[0]:.1f}"


def first_table(rows: Sequence[Row]) -> str:
    header = ["cell", "(N, T, D=H)", "kernel", "torch.nn, ms", "sunhwan, ms", "×"]
    header += ["torch.nn beside, ms", "×", "GF/s", "large product", "share"]
    return table(
        header,
        [
            (
                row["cell"],
                (row["N"], row["T"], row["H"]),
                row["kernel"],
                f"{row['torch_ms']:.1f}",
                f"{row['ms']:.1f}",
                f"{row['ratio_to_torch']:.2f}",
                f"{row['torch_beside_ms']:.1f}",
                f"{row['ratio_to_torch_beside']:.2f}",
                f"{row['gflops']:.0f}",
                f"{row['matmul_gflops']:.0f}",
                f"{row['share_of_matmul']:.0%}",
            )
            for row in rows
        ],
    )


def parts_table(rows: Sequence[Row]) -> str:
    header = ["(N, T, D=H)", "ms", "products over all steps", "GF/s"]
    header += ["recurrence forward", "GF/s", "backward", "GF/s"]
    lines = []
    for row in rows:
        line: list[object] = [(row["N"], row["T"], row["H"]), f"{row['ms']:.1f}"]
        for part in ("products", "forward", "backward"):
            line += [f"{row[f'{part}_ms']:.1f}", f"{row[f'{part}_gflops']:.0f}"]
        lines.append(line)
    return table(header, lines)


def second_table(rows: Sequence[Row]) -> str:
    return table(
        ["cell", "kernel", "ms", "GF/s", "share of our LSTM's"],
        [
            (
                row["cell"],
                row["kernel"],
                f"{row['ms']:.1f}",
                f"{row['gflops']:.0f}",
                f"{row['share_of_lstm']:.0%}",
            )
            for row in rows
        ],
    )


def third_table(rows: Sequence[Row]) -> str:
    return table(
        ["cell", "(N, T, D=H)", "ms", "its products, ms", "×"],
        [
            (
                row["cell"],
                (row["N"], row["T"], row["H"]),
                f"{row['ms']:.1f}",
                f"{row['products_ms']:.1f}",
                f"{row['ratio_to_products']:.2f}",
            )
            for row in rows
        ],
    )


def oversubscribed_table(rows: Sequence[Row]) -> str:
    return table(
        ["", "alone, ms", "among others, ms", "×", "fair", "× beyond"],
        [
            (
                row["side"],
                f"{row['ms']:.1f}",
                f"{row['busy_ms']:.1f}",
                f"{row['slowdown']:.1f}",
                f"{row['fair_slowdown']:.1f}",
                f"{row['beyond_fair']:.2f}",
            )
            for row in rows
        ],
    )


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--oversubscribed", action="store_true", help="a step on a busy machine")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    keep_freed_memory()
    quick, before = arguments.quick, load()
    rounds = min(arguments.rounds, 2) if quick else arguments.rounds
    if arguments.oversubscribed:
        found = oversubscribed(SMALL[0] if quick else SHAPES[0], rounds)
        text = oversubscribed_table(found) + (
            f"\nForward and backward of an LSTM, (N, T, D=H) = {SMALL[0] if quick else SHAPES[0]}, "
            f"beside {BUSY} processes that compute without a pause. *Fair*: what is left if every "
            f"thread has an equal share of the cores. {machine()}; load before {before}.\n"
        )
        publish(text, found, arguments)
        return
    shapes, at, long = (SMALL, SMALL[0], (2, 64, 64)) if quick else (SHAPES, AT, LONG)
    peers = [against_torch(cell, shape, rounds) for cell in PEERS for shape in shapes]
    parts = [where_it_goes(shape, rounds) for shape in shapes]
    others = against_lstm(at, max(1, rounds - 2))
    alone = [
        against_products(cell, shape, rounds) for cell in WITHOUT_PRODUCT for shape in (at, long)
    ]
    text = (
        f"{first_table(peers)}\n*torch.nn*: as it comes, in a process of its own; *beside*: with our "
        "memory, and with `fast_products` if that is faster. *Large product*: the best rate of a product "
        "of 2048³ numbers and one of (N·T, H) × (H, 4H), either way. *Share*: the layer's rate, all its "
        "products counted and nothing else, of that one.\n\n"
        f"Where the time of our LSTM goes:\n\n{parts_table(parts)}\n"
        f"The other cells at (N, T, D=H) = {at}:\n\n{second_table(others)}\n"
        f"Cells without a recurrent product:\n\n{third_table(alone)}\n"
        f"Forward and backward of one layer, float32, medians of {rounds} rounds measured in turn; "
        f"{machine()}; load before {before}, after {load()}.\n"
    )
    publish(text, [*peers, *parts, *others, *alone], arguments)


if __name__ == "__main__":
    main()
