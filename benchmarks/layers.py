"""Training speed of our layers against torch.nn, measured in turn.

Forward and backward of one layer, float32, gradients of the input and of all parameters. torch.nn runs
in a process of its own, as it comes.
`python -m benchmarks.layers [--json FILE] [--markdown FILE]`
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.measure import apart, arguments_of, in_turn, machine, publish, table
from sunhwan.layers import Recurrent
from sunhwan.ops import fast_products, keep_freed_memory

SHAPES = [(32, 64, 256), (64, 100, 512), (16, 256, 128)]
CELLS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}


def step_of(layer: nn.Module, shape: tuple[int, int, int]) -> Callable[[], Tensor]:
    """Forward and backward of a layer."""
    x, gradient = torch.randn(*shape, requires_grad=True), torch.randn(*shape)

    def step() -> Tensor:
        layer.zero_grad(set_to_none=True)
        x.grad = None
        output: Tensor = layer(x)[0]
        output.backward(gradient)  # type: ignore[no-untyped-call]
        return output

    return step


def peer_step(cell: str, shape: tuple[int, int, int]) -> Callable[[], Tensor]:
    """A training step of torch.nn's layer."""
    return step_of(CELLS[cell](shape[2], shape[2], batch_first=True), shape)


def measure(cell: str, shape: tuple[int, int, int], rounds: int) -> dict[str, object]:
    """One row: tokens/s of torch.nn, of ours, and of ours as `sunhwan train` runs it."""
    N, T, H = shape
    ours = Recurrent(cell, H, H)
    step = step_of(ours, shape)

    def shipped() -> Tensor:
        with fast_products():
            return step()

    with apart(peer_step, cell, shape) as torch_step:
        seconds = in_turn({"torch": torch_step, "ours": step, "shipped": shipped}, rounds=rounds)
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


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    keep_freed_memory()
    rows = [measure(cell, shape, arguments.rounds) for cell in CELLS for shape in SHAPES]
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
