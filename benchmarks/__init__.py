"""Benchmarks: peers measured beside us in one run. `python -m benchmarks.NAME --help`."""

import os

# As the command line does, for both sides.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
