"""Classification on files of one's own: a model by default beside TF-IDF, on texts that were held out.

`python -m benchmarks.classification nsmc TRAIN TEST [--minutes 5 20] [--seeds 1] [--json FILE]`
`python -m benchmarks.classification sms FILE [--minutes 2] [--folds 0 1 2 3 4]`
`python -m benchmarks.classification sentences FILE [TEST] [--folds 0 1 2 3 4] [--cpu] [--beside JSON …]`

nsmc: Naver film reviews, the official training and test files (id, document, label). sms: one file
without a header, label and message; the hash of a message tells its fold, so that the same message is
never on both sides. sentences: a label and a tokenised sentence a line, as the sets TREC, MR and CR come;
without a test file each fold is a fifth of the lines, shuffled with seed 0. Of several folds or seeds the
mean stands below them. --beside puts the rows of files that --json wrote before those of this run, or
makes the table of them alone where no file is named.

Minutes are those of `sunhwan train --minutes`, validation and start-up included; with --cpu those that the
process has the processor, for machines that are shared. Training keeps its own validation rows apart, the
test file is read once. The rival, logistic regression on TF-IDF features, learns from all training rows.
"""

import csv
import json
import random
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import sunhwan
from benchmarks.measure import arguments_of, machine, processor_time, publish, split_by_hash, table
from sunhwan.api import load
from sunhwan.config import Config, parse_assignment
from sunhwan.tasks import Classify
from sunhwan.tasks.classify.task import REGRESSION

FOLDS = 5


def measure(
    train: Path, test: Path, minutes: float, seed: int, settings: list[str]
) -> dict[str, Any]:
    """Train for so long, then score the test file once, beside the rival."""
    config = Config.from_dict(
        {
            "task": {"name": "classify"},
            "data": {"source": str(train)},
            "training": {"minutes": minutes, "seed": seed},
        }
    ).override(dict(map(parse_assignment, settings)))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        result = sunhwan.train(config, Path(folder) / "run", started=begun)
        seconds = time.perf_counter() - begun
        task = load(result.run)
        assert isinstance(task, Classify)
        review = task.review(test)
        rivals = task.baselines(task.read(train), review.data, review.scores).methods
    return {
        "minutes": minutes, "seed": seed, "seconds": seconds, "steps": result.steps,
        **review.scores.to_dict(), "calibration_error": review.values["calibration_error"],
        "tfidf": rivals[REGRESSION],
    }  # fmt: skip


def folds(file: Path, folder: Path) -> list[tuple[Path, Path]]:
    """Lines of a label and a sentence → training and test files of each fold."""
    rows = lines_of(file)
    random.Random(0).shuffle(rows)
    return [
        written(
            folder / str(fold),
            [row for place, row in enumerate(rows) if place % FOLDS != fold],
            rows[fold::FOLDS],
        )
        for fold in range(FOLDS)
    ]


def lines_of(file: Path) -> list[list[str]]:
    """Label and sentence of each line, in UTF-8 or else Latin-1."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = file.read_text(encoding="latin-1")
    return [line.split(" ", 1) for line in text.split("\n") if line.strip()]


def written(folder: Path, *sides: list[list[str]]) -> tuple[Path, Path]:
    """Training and test files of rows of label and text."""
    folder.mkdir()
    train, test = folder / "train.tsv", folder / "test.tsv"
    for path, rows in zip((train, test), sides, strict=True):
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter="\t").writerows([["label", "text"], *rows])
    return train, test


def splits(
    data: str, files: list[Path], folder: Path, asked: list[int]
) -> dict[int, tuple[Path, Path]]:
    """The training and test files of a set, by the number of the split."""
    if data == "sms":
        names = ("label", "text")
        return {
            fold: split_by_hash(files[0], folder / str(fold), names, "2", 1 / FOLDS, fold)
            for fold in asked
        }
    if data == "sentences" and len(files) == 1:
        found = folds(files[0], folder)
        return {fold: found[fold] for fold in asked}
    if data == "sentences":
        return {0: written(folder / "official", *map(lines_of, files))}
    return {0: (files[0], files[1])}


def mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean of what `line` shows, of runs that differ in fold or seed."""
    figures = ("seconds", "accuracy", "macro_f1", "calibration_error")
    return {
        **rows[0],
        **{name: fmean(row[name] for row in rows) for name in figures},
        "examples": sum(row["examples"] for row in rows),
        "tfidf": {name: fmean(row["tfidf"][name] for row in rows) for name in figures[1:3]},
    }


def line(row: dict[str, Any], split: object, seed: object) -> list[object]:
    """The cells of a row of the table."""
    return [
        row["data"], split, f"{row['minutes']:g}", seed, f"{row['seconds']:.0f}",
        f"{row['examples']:,}",
        f"{row['accuracy']:.4f}", f"{row['tfidf']['accuracy']:.4f}",
        f"{row['macro_f1']:.4f}", f"{row['tfidf']['macro_f1']:.4f}",
        f"{row['calibration_error']:.4f}",
    ]  # fmt: skip


def main() -> None:
    parser = arguments_of(__doc__.splitlines()[0])
    parser.add_argument("data", choices=("nsmc", "sms", "sentences"))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--minutes", nargs="+", type=float)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--folds", nargs="+", type=int, default=list(range(FOLDS)))
    parser.add_argument(
        "--cpu", action="store_true", help="minutes of the processor, on one thread"
    )
    parser.add_argument("--set", nargs="*", default=[], dest="settings")
    parser.add_argument("--beside", nargs="*", default=[], type=Path, metavar="JSON")
    options = parser.parse_args()
    minutes = options.minutes or {"nsmc": [5, 20], "sms": [2], "sentences": [3]}[options.data]
    with tempfile.TemporaryDirectory() as folder, processor_time(options.cpu):
        rows = [row for file in options.beside for row in json.loads(file.read_text("utf-8"))]
        rows += [
            {"data": options.files[0].stem, "split": place}
            | measure(train, test, budget, seed, options.settings)
            for place, (train, test) in (
                splits(options.data, options.files, Path(folder), options.folds).items()
                if options.files
                else ()
            )
            for budget in minutes
            for seed in options.seeds
        ]
    header = [
        "data", "split", "minutes", "seed", "seconds", "test rows", "accuracy", "TF-IDF", "macro F1",
        "TF-IDF", "calibration error",
    ]  # fmt: skip
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["data"], row["minutes"]), []).append(row)
    shown = []
    for group in groups.values():
        shown += [line(row, row["split"], row["seed"]) for row in group]
        if len(group) > 1:
            shown.append(line(mean(group), "mean", f"of {len(group)}"))
    lines = table(header, shown)
    clock_said = "; seconds of the processor" if options.cpu else ""
    publish(f"{lines}\nOne run a row but for means; {machine()}{clock_said}.\n", rows, options)


if __name__ == "__main__":
    main()
