"""A cell of one's own: one class, checked against the laws, trained, and writing.

    python examples/own_cell.py
    sunhwan check-cell examples/own_cell.py:MGU
    sunhwan train korean --cell examples/own_cell.py:MGU --minutes 1

The walk-through is docs/own-cell.md.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from torch import Tensor

import sunhwan
from sunhwan.cells import Cell, HiddenState, own_cell
from sunhwan.laws import check


class MGU(Cell):
    r"""Minimal gated unit (Zhou, Wu, Zhang and Zhou 2016), its gate after the recurrent product.

    .. math::
        f_t &= \sigma(x_t W_x^f + h_{t-1} W_h^f + b^f) \\
        n_t &= \tanh(x_t W_x^n + f_t \odot (h_{t-1} W_h^n) + b^n) \\
        h_t &= (1 - f_t) \odot h_{t-1} + f_t \odot n_t

    f is the share of the new. Its bias starts at -1, so that a new network remembers.
    Shapes: x (N, D), h (N, H), W_x (D, 2H), W_h (H, 2H), b (2H), blocks in the order f, n.
    """

    gates = ("f", "n")
    state_type = HiddenState
    saved_names = ("f", "n")

    def initial_bias(self, hidden_size: int) -> Tensor:
        b = super().initial_bias(hidden_size)
        b[:hidden_size] = -1.0
        return b

    def pointwise(self, a: Tensor, u: Tensor, state: HiddenState) -> tuple:
        a_f, a_n = a.chunk(2, -1)
        u_f, u_n = u.chunk(2, -1)
        f = torch.sigmoid(a_f + u_f)
        n = torch.tanh(a_n + f * u_n)
        return HiddenState((1 - f) * state.h + f * n), (f, n)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="korean", help="a file, a folder, a built-in")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--prompt", default="")
    options = parser.parse_args(arguments)

    verdicts = check(MGU(), "MGU")
    for verdict in verdicts:
        if verdict.passed is False:
            print(f"{verdict.law}: {verdict.detail}")
    print(f"{sum(v.passed is True for v in verdicts)} laws hold")

    name = own_cell(f"{__file__}:MGU")  # as --cell does; settings name a cell by its file
    config = sunhwan.Config.from_dict(
        {
            "text": {"corpus": options.corpus},
            "model": {"cell": name, "hidden_size": options.hidden_size},
            "training": {"steps": options.steps, "sample_length": 0},
        }
    )
    with tempfile.TemporaryDirectory() as scratch:
        result = sunhwan.train(config, Path(scratch, "run"))
        if result.best is not None:
            print(f"{name}: loss {result.best.loss:.4f} after {result.steps} steps")
        language = sunhwan.load(result.run)
        (sample,) = language.sample(options.prompt, length=120, temperature=0.5)
        print(options.prompt + sample.text)


if __name__ == "__main__":
    main()
