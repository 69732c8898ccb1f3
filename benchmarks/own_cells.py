"""Speed of cells of one's own: a step in plain PyTorch, run as a program by a compiled kernel.

Forward and backward of one layer as it comes, float32, beside the loop over a module that one writes
without this package, and for the LSTM and the GRU beside our hand-written kernels; all in turn in one
process, medians. "First" is the time from the class to the first gradient, tracing included.
With `--writing` instead: tokens a second of writing one text with two layers of each cell, the step a
program in the engine, beside our LSTM.
`python -m benchmarks.own_cells [--writing] [--cells NAME …] [--rounds N] [--threads N] [--json FILE]
[--markdown FILE]`
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import arguments_of, in_turn, machine, publish, table
from sunhwan.cells import CELLS, Cell, HiddenState, LSTMState, State, TwoProductCell
from sunhwan.cells.own import OWN
from sunhwan.config import ModelConfig
from sunhwan.generation import Engine, RowRequest, SamplingFilters
from sunhwan.layers import Recurrent
from sunhwan.models import LanguageModel
from sunhwan.ops import keep_freed_memory

SHAPES = [(64, 100, 512), (32, 64, 256), (16, 256, 128), (32, 64, 64)]
"""N, T, and D = H."""


class OwnLSTM(Cell):
    """The LSTM as one would write it."""

    gates = ("i", "f", "g", "o")
    state_type = LSTMState

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        i, f, g, o = (a + u).chunk(4, -1)
        c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return LSTMState(o.sigmoid() * c.tanh(), c), ()


class OwnGRU(Cell):
    """The GRU as one would write it."""

    gates = ("r", "z", "n")
    state_type = HiddenState
    recurrent_bias = True

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        (a_r, a_z, a_n), (u_r, u_z, u_n) = a.chunk(3, -1), u.chunk(3, -1)
        r, z = (a_r + u_r).sigmoid(), (a_z + u_z).sigmoid()
        n = (a_n + r * u_n).tanh()
        return HiddenState(n + z * (state[0] - n)), ()


class ResetGRU(TwoProductCell):
    """The GRU whose reset comes before the second product."""

    gates = ("r", "z", "n")
    recurrent_gates = ("r", "z")
    state_type = HiddenState

    def initial_extra(self, hidden_size: int) -> dict[str, Tensor]:
        return CELLS["gru_reset_before"].initial_extra(hidden_size)

    def inner(self, a: Tensor, u: Tensor, state: State) -> tuple[Tensor, State]:
        r, z = (a[..., : u.shape[-1]] + u).sigmoid().chunk(2, -1)
        return r * state[0], (z,)

    def outer(self, a: Tensor, w: Tensor, state: State, kept: State) -> tuple[State, State]:
        n = (a.chunk(3, -1)[2] + w).tanh()
        return HiddenState(n + kept[0] * (state[0] - n)), ()


class ProjectingLSTM(OwnLSTM):
    """The LSTM with half as many outputs as units, by a matrix of its own."""

    extra = ("W_m",)

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        return (hidden_size + 1) // 2, hidden_size

    def initial_extra(self, hidden_size: int) -> dict[str, Tensor]:
        return CELLS["lstm_projected"].initial_extra(hidden_size)

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        (m, c), _ = super().pointwise(a, u, state)
        return LSTMState(m @ extra[0], c), ()


class MGU(Cell):
    """The minimal gated unit (Zhou et al. 2016), with the gate behind the product."""

    gates = ("f", "n")
    state_type = HiddenState

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        (a_f, a_n), (u_f, u_n) = a.chunk(2, -1), u.chunk(2, -1)
        f = (a_f + u_f).sigmoid()
        n = (a_n + f * u_n).tanh()
        return HiddenState((1 - f) * state[0] + f * n), ()


class Normed(Cell):
    """An Elman network with layer normalisation of its sum."""

    gates = ("n",)
    state_type = HiddenState

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        s = a + u
        return HiddenState(nn.functional.layer_norm(s, s.shape[-1:]).tanh()), ()


class Pairs(Cell):
    """Units turned in pairs by an angle that their gate sets."""

    gates = ("n", "t")
    state_type = HiddenState

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        n, t = (a + u).chunk(2, -1)
        x, y = state[0].chunk(2, -1)
        cos, sin = t[:, : x.shape[1]].cos(), t[:, : x.shape[1]].sin()
        turned = torch.cat((cos * x - sin * y, sin * x + cos * y), -1)
        return HiddenState(0.5 * turned + 0.5 * n.tanh()), ()


class Attentive(Cell):
    """An update spread over the units by a softmax."""

    gates = ("n", "w")
    state_type = HiddenState

    def pointwise(self, a: Tensor, u: Tensor, state: State, *extra: Tensor) -> tuple[State, State]:
        n, w = (a + u).chunk(2, -1)
        return HiddenState(state[0] + w.softmax(-1) * (n.tanh() - state[0])), ()


class Loop(nn.Module):
    """The usual loop: a module whose parameters are those of a cell, called step by step."""

    def __init__(self, cell: Cell, D: int, H: int) -> None:
        super().__init__()
        self.cell, self.H = cell, H
        fresh = cell.initial_parameters(D, H)
        self.values = nn.ParameterDict(fresh)

    def forward(self, x: Tensor) -> Tensor:
        parameters = dict(self.values.items())
        state = self.cell.zero_state(len(x), self.H)
        outputs = []
        for x_t in x.unbind(1):
            state = self.cell.step(x_t, state, parameters)
            outputs.append(state[0])
        return torch.stack(outputs, 1)


CELLS_OF_ONES_OWN: dict[str, tuple[type[Cell], str]] = {
    "LSTM": (OwnLSTM, "lstm"), "GRU": (OwnGRU, "gru"),
    "GRU, reset before": (ResetGRU, "gru_reset_before"),
    "LSTM, projected": (ProjectingLSTM, "lstm_projected"), "MGU": (MGU, ""),
    "layer norm": (Normed, ""), "pairs": (Pairs, ""), "softmax": (Attentive, ""),
}  # fmt: skip
"""The class, and which of our cells has the same equation."""


def training(model: nn.Module, x: Tensor) -> Callable[[], None]:
    """One pass forward and backward."""

    def run() -> None:
        made = model(x)
        (made[0] if isinstance(made, tuple) else made).sum().backward()

    return run


def measure(name: str, shape: tuple[int, int, int], rounds: int) -> dict[str, Any]:
    """One row: seconds of each side."""
    N, T, H = shape
    kind, ours = CELLS_OF_ONES_OWN[name]
    x = torch.randn(N, T, H)
    begun = time.perf_counter()
    own = training(Recurrent(kind(), H, H), x)
    own()
    first = time.perf_counter() - begun
    sides = {"own": own, "loop": training(Loop(kind(), H, H), x)}
    if ours:
        sides["ours"] = training(Recurrent(CELLS[ours], H, H), x)
    seconds = in_turn(sides, rounds=rounds)
    row: dict[str, Any] = {"cell": name, "N": N, "T": T, "H": H, "first_seconds": first} | {
        f"{side}_seconds": value for side, value in seconds.items()
    }
    row["to_loop"] = seconds["loop"] / seconds["own"]
    row["to_kernel"] = seconds["ours"] / seconds["own"] if ours else None
    return row


WRITERS: dict[str, Cell | str] = {
    "our LSTM": "lstm", "LSTM": OwnLSTM(), "GRU": OwnGRU(), "layer norm": Normed(), "pairs": Pairs(),
    "softmax": Attentive(), "our LSTM with layer norm": "lstm_layer_norm",
    "our GRU, two products": "gru_reset_before", "our projected LSTM": "lstm_projected",
}  # fmt: skip
"""Cells that write; the first is what the others are set beside."""
TOKENS = 128
"""Tokens a call."""


def write(precisions: Sequence[str], H: int, rounds: int) -> list[dict[str, Any]]:
    """A row a cell and precision: tokens a second, and how many weights a token reads."""
    uniforms = torch.rand(TOKENS, dtype=torch.float64)
    request = RowRequest([1], None, uniforms, SamplingFilters())
    rows = []
    for precision in precisions:
        sides, megabytes = {}, {}
        for name, cell in WRITERS.items():
            known = cell if isinstance(cell, str) else f"own_cells.py:{type(cell).__name__}"
            if isinstance(cell, Cell):
                OWN[known] = cell
            config = ModelConfig(
                cell=known, hidden_size=H, num_layers=2, embedding_size=128, input="embedding",
                dropout=0.0,
            )  # fmt: skip
            engine = Engine(LanguageModel(config, 96).eval(), precision)
            sides[name] = partial(engine.run_rows, [request])
            megabytes[name] = engine.sweep(0) / 1e6
        seconds = in_turn(sides, rounds=rounds)
        first = next(iter(seconds.values()))
        rows += [
            {"cell": name, "precision": precision, "tokens_per_second": TOKENS / value,
             "to_lstm": first / value, "megabytes": megabytes[name]}
            for name, value in seconds.items()
        ]  # fmt: skip
    return rows


def writing(arguments: Any) -> None:
    """The table of tokens a second."""
    H = 16 if arguments.quick else 512
    rows = write(("fp32", "int8"), H, arguments.rounds)
    text = table(
        ["cell", "precision", "tokens/s", "× our LSTM", "MB a token"],
        [
            (
                row["cell"],
                row["precision"],
                f"{row['tokens_per_second']:,.0f}",
                f"{row['to_lstm']:.2f}",
                f"{row['megabytes']:.1f}",
            )
            for row in rows
        ],
    )
    text += (
        f"\nOne text, two layers of {H}, 96 tokens; {arguments.threads} threads, medians of "
        f"{arguments.rounds} rounds in turn; {machine()}.\n"
    )
    publish(text, rows, arguments)


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--writing", action="store_true", help="tokens a second of writing a text")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cells", nargs="+", choices=CELLS_OF_ONES_OWN, help="those alone")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    keep_freed_memory()
    if arguments.writing:
        return writing(arguments)
    shapes = [(3, 4, 8)] if arguments.quick else SHAPES
    rows = [
        measure(name, shape, arguments.rounds)
        for name in arguments.cells or CELLS_OF_ONES_OWN
        for shape in shapes
    ]
    header = ["cell", "(N, T, D=H)", "ms", "× our kernel", "× a loop over a module", "first, s"]
    text = table(
        header,
        [
            (
                row["cell"],
                (row["N"], row["T"], row["H"]),
                f"{1000 * row['own_seconds']:.1f}",
                "–" if row["to_kernel"] is None else f"{row['to_kernel']:.2f}",
                f"{row['to_loop']:.1f}",
                f"{row['first_seconds']:.2f}",
            )
            for row in rows
        ],
    )
    text += (
        f"\nForward and backward of one layer, float32, {arguments.threads} threads, medians of "
        f"{arguments.rounds} rounds in turn; {machine()}.\n"
    )
    publish(text, rows, arguments)


if __name__ == "__main__":
    main()
