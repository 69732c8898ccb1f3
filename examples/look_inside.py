"""Train a small model on lines with quotations in them, and find the hidden unit that knows them.

python examples/look_inside.py --steps 400
python examples/look_inside.py --run runs/notes notes.txt
"""

import argparse
import random
import tempfile
from pathlib import Path

import numpy as np

import sunhwan
from sunhwan.inspection import gradient_flow, probe, subject_of, trace
from sunhwan.store import load_model

TELLING = ["누가", "she", "또", "he", "오늘", "again", "그때", "they"]
SAYING = ["alas", "아이고", "oh", "그래", "well", "정말", "never", "좋아"]
BARS = "▁▂▃▄▅▆▇█"


def lines(count: int, seed: int = 1) -> str:
    """Words of one kind, and of another between quotation marks: to go on, one must know where."""
    rng = random.Random(seed)
    parts = []
    for _ in range(count):
        told = " ".join(rng.choices(TELLING, k=rng.randint(4, 10)))
        said = " ".join(rng.choices(SAYING, k=rng.randint(6, 14)))
        parts.append(f'{told} "{said}" {rng.choice(TELLING)}\n')
    return "".join(parts)


def train(folder: Path, steps: int) -> tuple[Path, Path]:
    """A run, and a text that it has not seen."""
    file, other = folder / "lines.txt", folder / "other.txt"
    file.write_text(lines(600), encoding="utf-8")
    other.write_text(lines(300, seed=2), encoding="utf-8")
    config = sunhwan.Config.from_dict(
        {
            "text": {"corpus": str(file), "vocabulary": "characters"},
            "model": {"cell": "lstm", "hidden_size": 32, "num_layers": 1},
            "data": {"batch_size": 16, "block_length": 48},
            "training": {"steps": steps, "sample_length": 0},
        }
    )
    return sunhwan.train(config, folder / "run").run, other


def bars(values: np.ndarray) -> str:
    """A bar a number, from the lowest to the highest."""
    low, high = float(values.min()), float(values.max())
    places = (values - low) / max(high - low, 1e-9) * (len(BARS) - 1)
    return "".join(BARS[round(place)] for place in places.tolist())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?", type=Path, help="with --run: what the model shall read")
    parser.add_argument("--run", type=Path, help="a language model that is there")
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args(arguments)
    if options.run and not options.text:
        parser.error("--run needs a text to read")

    with tempfile.TemporaryDirectory() as scratch:
        run, file = options.run, options.text
        if not run:
            run, file = train(Path(scratch), options.steps)
        subject = subject_of(load_model(run).task)
        passages = subject.read(file)

    for curve in gradient_flow(subject, passages, lags=60, count=16).curves:
        reach = "more than 60" if curve.horizon is None else curve.horizon
        print(f"layer {curve.layer} {curve.field}: the gradient reaches {reach} steps back")
    found = probe(subject, passages, limit=20_000)
    for one in found.results[:8]:
        known = "known" if one.passed else "no more than chance"
        print(f"{one.feature}: {one.field}{one.index} {one.score:.2f} ({one.chance:.2f}), {known}")
    best = found.best("inside quotation marks") if not options.run else found.results[0]
    (passage,) = subject.windows(passages, 70, 1)
    seen = trace(subject, passage, stack=best.stack, layer=best.layer)
    print(f"{best.feature}, unit {best.field}{best.index}:")
    print("".join("⏎" if piece == "\n" else piece for piece in seen.pieces))
    print(bars(best.sign * seen.values[best.field][:, best.index]))


if __name__ == "__main__":
    main()
