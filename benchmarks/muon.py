"""Speed of Muon's step against that of torch.optim.Muon, whose products are in bfloat16.

One step of one matrix, as a recurrent layer of H units has it, in turn, under `training.fast_products`.
`python -m benchmarks.muon [--json FILE] [--markdown FILE]`
"""

import torch

from benchmarks.measure import arguments_of, in_turn, machine, publish, table
from sunhwan.ops import fast_products
from sunhwan.training.muon import Muon

SHAPES = [(64, 64), (256, 64), (256, 256), (1024, 256), (2048, 512)]


def main() -> None:
    arguments = arguments_of(__doc__).parse_args()
    torch.manual_seed(1)
    rows = []
    for shape in SHAPES:
        sides = {}
        for name, kind in {"ours": Muon, "PyTorch": torch.optim.Muon}.items():
            weight = torch.nn.Parameter(torch.randn(shape))
            weight.grad = torch.randn(shape)
            sides[name] = kind([weight], lr=1e-3, adjust_lr_fn="match_rms_adamw").step
        with fast_products(True):
            seconds = in_turn(sides)
        rows.append((shape, seconds["ours"], seconds["PyTorch"]))
    header = ("matrix", "ours, ms", "PyTorch, ms", "PyTorch / ours")
    shown = [
        (f"{m}×{n}", f"{1e3 * ours:.2f}", f"{1e3 * theirs:.2f}", f"{theirs / ours:.1f}")
        for (m, n), ours, theirs in rows
    ]
    publish(f"{machine()}\n\n{table(header, shown)}", rows, arguments)


if __name__ == "__main__":
    main()
