"""English to Korean from a few thousand pairs, with and without attention.

`python -m benchmarks.translation FOLDER [--minutes 8] [--seeds 1] [--picture FILE] [--json FILE]`

FOLDER holds Tatoeba's pairs as kor.txt: English, Korean, attribution. A tenth of the English sentences, by
their hash, is the test: all translations of a sentence are on one side. The two models differ in
`model.attention` alone; each trains for so many minutes, start-up and validation included, keeps its
own validation rows apart, and reads the test once, by beam search. chrF is the figure to look at;
BLEU is over characters, for a Korean word is stem and endings in one.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import sunhwan
from benchmarks.measure import arguments_of, machine, publish, split_by_hash, table
from sunhwan.api import load
from sunhwan.config import Config, parse_assignment
from sunhwan.data import read_table
from sunhwan.plots import draw_attention
from sunhwan.tasks import Task

HELD_OUT = 0.1


def measure(
    train: Path,
    test: Path,
    attention: str,
    budget: dict[str, float],
    seed: int,
    settings: list[str],
) -> tuple[dict[str, Any], Task]:
    """Train within a budget, then score the test file once."""
    config = Config.from_dict(
        {
            "task": {"name": "translate"},
            "data": {"source": str(train)},
            "model": {"attention": attention},
            "training": {"seed": seed, **budget},
        }
    ).override(dict(map(parse_assignment, settings)))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        result = sunhwan.train(config, Path(folder) / "run", started=begun)
        seconds = time.perf_counter() - begun
        predictor = load(result.run)
    review = predictor.review(test)
    found = {"attention": attention, "seed": seed, "seconds": seconds, "steps": result.steps}
    found["parameters"] = sum(p.numel() for p in predictor.model.parameters())
    return {**found, **review.scores.to_dict(), **review.values}, predictor


def draw(predictor: Task, test: Path, path: Path) -> str:
    """Where the longest answer that is right looked; the sentence comes back."""
    rows = read_table(test).rows
    answers = predictor.predict(row.values["english"] for row in rows)
    right = [a for a, row in zip(answers, rows, strict=True) if a.text == row.values["korean"]]
    best = max(right or answers, key=lambda answer: len(answer.text))
    assert best.alignment is not None
    source, target, weights = best.alignment
    draw_attention(source, target, weights.numpy(), path)
    return f"{best.values['input']} → {best.text}"


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--steps", type=int, help="a budget in steps instead of minutes")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--attention", nargs="+", default=["additive", "none"])
    parser.add_argument("--picture", type=Path, help="a PNG of where one answer looked")
    parser.add_argument("--set", nargs="*", default=[], dest="settings")
    options = parser.parse_args()
    budget = {"steps": options.steps} if options.steps else {"minutes": options.minutes}
    results, drawn = [], ""
    with tempfile.TemporaryDirectory() as folder:
        train, test = split_by_hash(
            options.folder / "kor.txt", Path(folder), ("english", "korean"), "1", HELD_OUT
        )
        for seed in options.seeds:
            for attention in options.attention:
                found, predictor = measure(train, test, attention, budget, seed, options.settings)
                results.append(found)
                if options.picture and not drawn and attention != "none":
                    drawn = draw(predictor, test, options.picture)
    header = [
        "attention", "seed", "seconds", "steps", "parameters", "test pairs", "chrF", "BLEU",
        "exact", "nats per token",
    ]  # fmt: skip
    rows = [
        [
            r["attention"], r["seed"], f"{r['seconds']:.0f}", f"{r['steps']:,}",
            f"{r['parameters']:,}", f"{r['examples']:,}", f"{r['chrf']:.1f}", f"{r['bleu']:.1f}",
            f"{r['exact_by_beam_search']:.3f}", f"{r['loss']:.3f}",
        ]
        for r in results
    ]  # fmt: skip
    names = ", ".join(f"{name} `{how}`" for name, how in results[0]["signatures"].items())
    text = f"{table(header, rows)}\nOne run a row; {machine()}; sacrebleu: {names}.\n"
    publish(text, results, options)
    if drawn:
        print(f"The picture: {drawn}")


if __name__ == "__main__":
    main()
