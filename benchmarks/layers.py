"""Training speed of our layers against torch.nn, both measured in turn in one process.

Forward and backward of one layer, float32, gradients of the input and of all parameters.
`python -m benchmarks.layers [--json FILE] [--markdown FILE]`
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.measure import arguments_of, in_turn, machine, publish, table
from sunhwan.layers import Recurrent
from sunhwan.ops import fast_products

SHAPES = [(32, 64, 256), (64, 100, 512), (16, 256, 128)]
CELLS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}


def measure(cell: str, shape: tuple[int, int, int], rounds: int) -> dict[str, object]:
    """One row: tokens/s of torch.nn, of ours, and of ours as `sunhwan train` runs it."""
    N, T, H = shape
    x = torch.randn(N, T, H, requires_grad=True)
    gradient = torch.randn(N, T, H)
    theirs = CELLS[cell](H, H, batch_first=True)
    ours = Recurrent.from_torch(theirs)

    def train_step(layer: nn.Module) -> Tensor:
        layer.zero_grad(set_to_none=True)
        x.grad = None
        output: Tensor = layer(x)[0]
        output.backward(gradient)  # type: ignore[no-untyped-call]
        return output

    def train_step_fast() -> Tensor:
        with fast_products():
            return train_step(ours)

    seconds = in_turn(
        {
            "torch": lambda: train_step(theirs),
            "ours": lambda: train_step(ours),
            "shipped": train_step_fast,
        },
        rounds=rounds,
    )
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
        f"turn; {machine()}. *As shipped*: with `fast_products`, as `sunhwan train` runs.\n"
    )
    publish(text, rows, arguments)


if __name__ == "__main__":
    main()
