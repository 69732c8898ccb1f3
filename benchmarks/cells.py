"""Training speed of every cell against the loop that one writes without this package.

Forward and backward of one layer, float32, gradients of the input and of all parameters. The loop
is `for x_t in x: state = cell.step(x_t, state, parameters)`, the same operations in plain PyTorch
under autograd; beside it torch.nn where it has the cell. The last row is a cell of one's own that has
no backward step: it is derived.
`python -m benchmarks.cells [--cells a,b] [--json FILE] [--markdown FILE]`
"""

from pathlib import Path

import torch
from torch import Tensor

from benchmarks.measure import arguments_of, in_turn, machine, publish, table
from sunhwan.cells import CELLS, own_cell
from sunhwan.errors import ConfigError
from sunhwan.layers import Recurrent

OWN = f"{Path(__file__).parents[1] / 'examples' / 'own_cell.py'}:MGU"


def measure(name: str, shape: tuple[int, int, int], rounds: int) -> dict[str, object]:
    """One row: milliseconds a sequence of ours, of the plain loop, of torch.nn."""
    N, T, H = shape
    layer = Recurrent(own_cell(name) if ".py:" in name else name, H, H)
    (one,) = layer.stack
    x = torch.randn(N, T, H, requires_grad=True)
    gradient = torch.randn(N, T, layer.output_size)

    def finish(output: Tensor, module: torch.nn.Module) -> None:
        module.zero_grad(set_to_none=True)
        x.grad = None
        output.backward(gradient)  # type: ignore[no-untyped-call]

    def ours() -> None:
        finish(layer(x)[0], layer)

    def plain_loop() -> None:
        state = one.initial_state(N)
        parameters = one.parameters_of_cell
        outputs = []
        for t in range(T):
            state = one.cell.step(x[:, t], state, parameters)
            outputs.append(state[0])
        finish(torch.stack(outputs, 1), layer)

    sides = {"ours": ours, "loop": plain_loop}
    try:
        theirs = layer.to_torch()
        sides["torch"] = lambda: finish(theirs(x)[0], theirs)
    except ConfigError:
        pass
    seconds = in_turn(sides, rounds=rounds)
    return {
        "cell": name.rpartition(":")[2],
        "kernel": layer.explain().split(", ")[1].split(":")[0],
        "tokens_per_second": N * T / seconds["ours"],
        "ratio_to_loop": seconds["loop"] / seconds["ours"],
        "ratio_to_torch": seconds["torch"] / seconds["ours"] if "torch" in seconds else None,
    }


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--cells", default=",".join([*CELLS, OWN]), help="names or FILE.py:CLASS")
    parser.add_argument("--shape", default="16,256,128", help="N,T,H with D = H")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    N, T, H = map(int, arguments.shape.split(","))
    rows = [measure(name, (N, T, H), arguments.rounds) for name in arguments.cells.split(",")]
    text = table(
        ["cell", "kernel", "tokens/s", "× plain loop", "× torch.nn"],
        [
            (
                row["cell"],
                row["kernel"],
                f"{row['tokens_per_second']:,.0f}",
                f"{row['ratio_to_loop']:.1f}",
                "" if row["ratio_to_torch"] is None else f"{row['ratio_to_torch']:.2f}",
            )
            for row in rows
        ],
    )
    text += (
        f"\nForward and backward of one layer, (N, T, D = H) = ({N}, {T}, {H}), float32; medians of "
        f"{arguments.rounds} rounds measured in turn; {machine()}.\n"
    )
    publish(text, rows, arguments)


if __name__ == "__main__":
    main()
