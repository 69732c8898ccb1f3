"""Benchmarks: peers measured beside us in one run. `python -m benchmarks.NAME --help`."""
