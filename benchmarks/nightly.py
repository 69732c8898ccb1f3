"""A nightly job: `sunhwan predict` on many short rows, killed and continued, by one process and by several.

`python -m benchmarks.nightly [--rows 20000] [--jobs 2] [--json FILE]`

Rows of a CSV file in CP949, Korean and English, are classified by a small model that is trained first.
The job runs whole; again, killed with SIGKILL once it is under way, without `--skip-done`, which must be
refused, and with it, which must end in the same bytes; and, where the machine has the processors, in
several processes, again to the same bytes. Peak memory is that of the whole job's processes together:
of the pages that they share, each has its part (PSS), sampled every half second.
"""

import os
import random
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import arguments_of, command, machine, publish, ran, table

NOUNS = ["영화", "배우", "이야기", "음악", "film", "plot", "music"]
WORDS = {
    "good": ["좋은", "훌륭한", "즐거운", "감동적인", "great", "lovely", "fine"],
    "bad": ["나쁜", "지루한", "형편없는", "최악의", "poor", "dull", "awful"],
}


def write(path: Path, rows: int, last: str, seed: int) -> Path:
    """Rows of an id, a text and the label, or of a store in its place; last: which of the two."""
    rng = random.Random(seed)
    with path.open("w", encoding="cp949", newline="") as file:
        file.write(f"id,review,{last}\n")
        for number in range(rows):
            label = rng.choice(list(WORDS))
            text = (
                f"{rng.choice(NOUNS)} {rng.choice(WORDS[label])} {rng.choice(NOUNS)} "
                f"{rng.randrange(1000)}"
            )
            file.write(f"{number},{text},{label if last == 'label' else f'S{number % 7}'}\n")
    return path


def measured(folder: Path, rows: int, jobs: int) -> list[dict[str, Any]]:
    """All runs of the job, a row each.

    AssertionError: a run ends otherwise than it must, with all that it said; or the bytes are not those of
    the whole run.
    """
    data = write(folder / "train.csv", 2000, "label", 1)
    run = folder / "run"
    settings = ["--steps", 60, "--set", "model.hidden_size=32", "--quiet"]
    subprocess.run(
        command("train", "--task", "classify", data, "--out", run, *settings), check=True
    )
    source = write(folder / "rows.csv", rows, "store", 2)
    found = []

    def job(name: str, out: Path, *options: object, code: int = 0, kill: bool = False) -> None:
        record = out.with_name(f".{out.name}.progress")
        told = ran(
            command("predict", run, source, "--out", out, *options), record.exists if kill else None
        )
        assert kill or told["code"] == code, "\n".join([f"{name}: {told['code']}", *told["said"]])
        found.append({"job": name, **told, "said": told["said"][-1:]})

    whole, again, shared = folder / "whole.csv", folder / "again.csv", folder / "shared.csv"
    job("whole", whole)
    job("killed", again, kill=True)
    if not again.exists():  # else it was done before its first record
        job("without --skip-done", again, code=1)
        job("with --skip-done", again, "--skip-done")
    assert again.read_bytes() == whole.read_bytes()
    if jobs > 1:
        job(f"--jobs {jobs}", shared, "--jobs", jobs)
        assert shared.read_bytes() == whole.read_bytes()
    return found


def main() -> None:
    """Print the table of the runs."""
    parser = arguments_of(__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the job (20,000)")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 4))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), arguments.rows, arguments.jobs)
    rows = [
        [one["job"], one["code"], f"{one['seconds']:.0f}", f"{one['MB']:.0f}", *one["said"]]
        for one in found
    ]
    text = f"{arguments.rows:,} rows; {machine()}; load {os.getloadavg()[0]:.1f}\n\n"
    text += table(["job", "exit code", "seconds", "MB", "what it says"], rows)
    publish(text, found, arguments)


if __name__ == "__main__":
    main()
