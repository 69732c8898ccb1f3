"""Training speed of our layers against torch.nn, measured in turn.

Forward and backward of one layer, float32, gradients of the input and of all parameters. torch.nn runs
in a process of its own, as it comes.
`python -m benchmarks.layers [--json FILE] [--markdown FILE]`
"""

import torch

from benchmarks.kernels import PEERS, SHAPES, Shape, peer_step, step_of
from benchmarks.measure import apart, arguments_of, in_turn, machine, publish, table
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
    with apart(peer_step, cell, shape) as torch_step:
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


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
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
