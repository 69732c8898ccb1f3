"""The kernels against the reference on very many shapes: `python -m tests.kernels.many --shapes 2000`."""

import argparse
import sys
import time

import torch

from sunhwan.cells import CELLS
from tests.kernels.errors import Record, check
from tests.kernels.problems import shapes, usable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", type=int, default=2000, help="of each cell")
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    failed = False
    for name in arguments.cells.split(","):
        record, begun = Record(), time.perf_counter()
        for shape in shapes(name, arguments.shapes, arguments.seed):
            check(shape, usable(), record)
        record.close()
        failed |= bool(record.failures)
        print(
            f"{name}: {arguments.shapes} shapes, {', '.join(usable())}: float64 at most "
            f"{record.double:.2g} of what is allowed; float32 {record.middle:.2f} times the error of "
            f"the reference in the middle, {max(record.single):.1f} at most, {record.seldom:.2%} "
            f"above 2; {len(record.failures)} failures, {time.perf_counter() - begun:.0f} s",
            flush=True,
        )
        for failure in record.failures[:20]:
            print("  ", failure)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
