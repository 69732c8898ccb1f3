"""The table and the picture of a finished `sunhwan lab memory`, for the documentation.

`python -m benchmarks.memory FOLDER` reads results.json there, writes
benchmarks/results/memory.md and draws docs/memory.png.
"""

import argparse
import json
from dataclasses import fields
from pathlib import Path

from benchmarks.figures import RESULTS, ROOT
from benchmarks.measure import table
from sunhwan.lab.figures import draw_memory
from sunhwan.lab.memory import Settings, horizons, read_points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    settings = Settings(**{f.name: found["settings"][f.name] for f in fields(Settings)})
    points = read_points(folder, settings)
    rows = []
    for one in sorted(horizons(points), key=lambda h: (h.task, -(h.delay or 0), h.cell)):
        mine = [p for p in points if (p.task, p.cell) == (one.task, one.cell)]
        steps = {p.delay: p.steps for p in mine if p.solved}
        rows.append(
            (
                one.task,
                one.cell,
                one.delay or "none",
                "not reached" if one.failed is None else one.failed,
                f"{steps[one.delay]:,}" if one.delay else "",
                f"{sum(p.seconds for p in mine):,.0f}",
            )
        )
    header = [
        "task",
        "cell",
        "longest delay solved",
        "first that failed",
        "steps it took",
        "s in all",
    ]
    text = table(header, rows)
    text += (
        f"\n{settings.hidden_size} hidden units, at most {settings.steps:,} steps of "
        f"{settings.batch_size} sequences at each of two step sizes, seed {settings.seed}.\n"
    )
    print(text)
    (RESULTS / "memory.md").write_text(text, encoding="utf-8")
    draw_memory(points, settings, ROOT / "docs" / "memory.png")


if __name__ == "__main__":
    main()
