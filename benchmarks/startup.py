"""Start-up in seconds: help and imports, each in fresh interpreters, the best of several.

python -m benchmarks.startup
"""

import argparse
import subprocess
import sys
import time

CASES = {
    "python": ["-c", "pass"],
    "sunhwan --help": ["-m", "sunhwan", "--help"],
    "import sunhwan": ["-c", "import sunhwan"],
    "import torch": ["-c", "import torch"],
    "sunhwan.Recurrent": ["-c", "import sunhwan; sunhwan.Recurrent"],
    "sunhwan.load": ["-c", "import sunhwan; sunhwan.load"],
    "sunhwan.train": ["-c", "import sunhwan; sunhwan.train"],
}
HELP, BEYOND_TORCH = 0.3, 0.2
"""What is promised: of `sunhwan --help`, and of `sunhwan.Recurrent` beyond `import torch`."""


def seconds(arguments: list[str]) -> float:
    """One start."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Measure in turns, so that a busy moment hits all alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="starts of each")
    times = parser.parse_args().times
    best = {name: float("inf") for name in CASES}
    for _ in range(times):
        for name, arguments in CASES.items():
            best[name] = min(best[name], seconds(arguments))
    for name, found in best.items():
        print(f"{name:20} {found:6.2f} s")
    beyond = best["sunhwan.Recurrent"] - best["import torch"]
    kept = best["sunhwan --help"] <= HELP and beyond <= BEYOND_TORCH
    print(
        f"sunhwan.Recurrent beyond torch: {beyond:.2f} s; promised {BEYOND_TORCH} and {HELP} of help"
    )
    sys.exit(not kept)


if __name__ == "__main__":
    main()
