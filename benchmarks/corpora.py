"""A text larger than memory: its token file, training on it, and a second start.

`python -m benchmarks.corpora [--gigabytes 1] [--folder FOLDER] [--minutes 0.5]`

The text is made, Korean and English sentences drawn at random, in files of a gigabyte; it and the token
file need about four times its size of disk under FOLDER; both are removed at the end. Memory is that of all
processes of a command together; pages of the mapped token file, which the system takes back when it needs
them, are counted.
"""

import os
import random
import signal
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import arguments_of, command, machine, publish, ran, table

NOUNS = [
    "바람",
    "시냇물",
    "등불",
    "언덕",
    "편지",
    "river",
    "lantern",
    "letter",
    "harbour",
    "meadow",
]
VERBS = ["지나간다", "기다린다", "흔들린다", "돌아온다", "waits", "returns", "trembles", "passes"]
PIECE = 2**26
"""Bytes that are joined at once."""


def write(folder: Path, gigabytes: float) -> int:
    """Files of a gigabyte at most; the bytes written."""
    rng = random.Random(1)
    lines = [
        f"{rng.choice(NOUNS)} {rng.choice(NOUNS)} {rng.choice(VERBS)} {rng.randrange(10**4)}, "
        f"{rng.choice(NOUNS)} {rng.choice(VERBS)}.\n".encode()
        for _ in range(50_000)
    ]
    count = PIECE * len(lines) // sum(map(len, lines))
    wanted, written = int(gigabytes * 1e9), 0
    while written < wanted:
        with (folder / f"{written // 10**9:03}.txt").open("wb") as file:
            size = 0
            while size < 10**9 and written + size < wanted:
                size += file.write(b"".join(rng.choices(lines, k=count)))
        written += size
    return written


def to_first_step(run: Path, train: list[object]) -> dict[str, Any]:
    """A training that is killed once its log tells of a step."""
    log = run / "log.jsonl"
    return ran(
        command(*train),
        lambda: log.exists() and '"event": "step"' in log.read_text(encoding="utf-8"),
    )


def main() -> None:
    """Print the table of the commands."""
    parser = arguments_of(__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, help="where there is room (a temporary folder)")
    parser.add_argument("--minutes", type=float, default=0.5, help="of training (0.5)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        corpus = Path(made) / "corpus"
        corpus.mkdir()
        size = write(corpus, arguments.gigabytes)
        os.environ["SUNHWAN_CACHE"] = str(Path(made) / "cache")
        settings = ["--set", "text.vocabulary=characters", "--quiet"]
        train = ["train", corpus, *settings, "--out"]
        first, second = Path(made) / "first", Path(made) / "second"
        budget = ["--minutes", arguments.minutes]
        found = [
            {"what": "tokenize", **ran(command("tokenize", corpus, *settings))},
            {"what": "train", **ran(command(*train, first, *budget))},
            {"what": "train again, to the first step", **to_first_step(second, [*train, second])},
        ]
    for one in found:
        assert one["code"] == (-signal.SIGKILL if "again" in one["what"] else 0), one
    rows = [[one["what"], f"{one['seconds']:.1f}", f"{one['MB']:.0f}"] for one in found]
    speed = size / 1e6 / found[0]["seconds"]
    text = table(["command", "seconds", "MB of memory"], rows)
    text += f"\n{size / 1e9:.1f} GB of text, tokenized at {speed:.0f} MB/s; {machine()}.\n"
    publish(text, found, arguments)


if __name__ == "__main__":
    main()
