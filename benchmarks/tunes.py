"""Tunes drawn from a model that learned a folder of ABC files, and how many are tunes as asked.

`python -m benchmarks.tunes FOLDER [--minutes 3] [--seeds 1] [--count 100] [--temperature 0.6]`

The metre and key of each tune are those of a random tune of the folder, and the tune itself is judged
beside the drawn one. music21 is the judge, with nothing of this project in it:

- parses: it reads the text as ABC and finds notes;
- metre: no other one is written, and at least 3/4 of the bars between the first and the last have
  its length (what is too long for a bar music21 makes a bar of its own);
- key: it finds no other key signature than asked, and the key that it hears in the notes (by the
  profiles of Aarden and Essen) is the one asked, or has its scale (the relative major or minor).
"""

import json
import random
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import arguments_of, describing, machine, publish, table, train_apart


class Verdict(NamedTuple):
    """What music21 says of a tune: see above. bars: the share of bars as long as the metre says."""

    parses: bool = False
    metre: bool = False
    key: bool = False
    scale: bool = False
    bars: float = 0.0


def judge(tune: str, metre: str, key: str) -> Verdict:
    """Of a complete tune in ABC notation, of which this metre and key were asked."""
    import music21

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            score = music21.converter.parse(tune, format="abc")
            notes = [n for n in score.flatten().notes if not isinstance(n, music21.harmony.Harmony)]
            heard = music21.stream.Stream(notes).analyze("key") if notes else None
        # The parser ends in one of many kinds of exceptions where a text is no tune.
        except Exception:
            return Verdict()
    if heard is None:
        return Verdict()
    bar = music21.meter.TimeSignature(metre).barDuration.quarterLength
    measures = list(score.recurse().getElementsByClass("Measure"))[1:-1]
    full = [abs(_length(measure) - bar) < 1e-3 for measure in measures]
    bars = sum(full) / len(full) if full else 0.0
    asked = music21.key.Key(
        key.removesuffix("m").replace("b", "-"), "minor" if key.endswith("m") else "major"
    )
    signatures = {k.sharps for k in score.recurse().getElementsByClass("KeySignature")}
    kept = signatures <= {asked.sharps}
    return Verdict(
        parses=True,
        metre=re.findall(r"M:(.*)", tune) == [metre] and bars >= 3 / 4,
        key=kept and (heard.tonic.name, heard.mode) == (asked.tonic.name, asked.mode),
        scale=kept and heard.sharps == asked.sharps,
        bars=bars,
    )


def _length(measure: Any) -> float:
    """Of the notes and rests of a bar, chord symbols aside, in quarters."""
    import music21

    sounding = [n for n in measure.notesAndRests if not isinstance(n, music21.harmony.Harmony)]
    return float(sum(n.duration.quarterLength for n in sounding))


def written(folder: Path, questions: Path, seed: int, arguments: Any) -> tuple[float, list[str]]:
    """Train in a process of its own, then draw a tune to each question: CPU seconds, and the tunes."""
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        sunhwan = [sys.executable, "-m", "sunhwan"]
        used = train_apart(str(folder), run, describing(seed, arguments))
        drawing = ["--temperature", str(arguments.temperature), "--seed", str(seed), "--json"]
        said = subprocess.run(
            [*sunhwan, "predict", str(run), str(questions), *drawing],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return used, [json.loads(line)["tune"] for line in said.splitlines()]


def main() -> None:
    from sunhwan.tasks.describe.tunes import tune_pairs, whole_tune

    parser = arguments_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, help="a budget; left out, the default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--set", action="append", default=[], help="passed on to sunhwan train")
    parser.add_argument("--keep", type=Path, help="a file for the tunes of the last seed")
    arguments = parser.parse_args()
    pairs = random.Random(0).choices(tune_pairs(arguments.folder), k=arguments.count)
    asked = [(metre, key) for metre, key in (pair.question.cells for pair in pairs)]
    real = [whole_tune(1, *cells, pair.answer) for cells, pair in zip(asked, pairs, strict=True)]
    sides = [("the folder's own", 0.0, real)]
    with tempfile.TemporaryDirectory() as scratch:
        questions = Path(scratch) / "questions.tsv"
        questions.write_text("".join("\t".join(cells) + "\n" for cells in asked), encoding="utf-8")
        for seed in arguments.seeds:
            used, tunes = written(arguments.folder, questions, seed, arguments)
            sides.append((f"drawn, seed {seed}", used, tunes))
    if arguments.keep:
        arguments.keep.write_text("\n".join(sides[-1][2]), encoding="utf-8")
    results: list[dict[str, Any]] = []
    for who, used, tunes in sides:
        verdicts = [judge(tune, *cells) for tune, cells in zip(tunes, asked, strict=True)]
        both = sum(verdict.metre and verdict.scale for verdict in verdicts)
        results.append({"who": who, "cpu": used, "both": both, **_totals(verdicts)})
    columns = ("parses", "metre", "key", "scale", "both")
    rows = [
        (r["who"], f"{r['cpu']:.0f}", *(r[name] for name in columns), f"{100 * r['bars']:.0f} %")
        for r in results
    ]
    header = [
        "tunes",
        "CPU seconds",
        "parse",
        "metre",
        "key heard",
        "scale heard",
        "metre and scale",
        "bars",
    ]
    text = table(header, rows) + f"\nOf {arguments.count} tunes each; {machine()}.\n"
    publish(text, results, arguments)


def _totals(verdicts: list[Verdict]) -> dict[str, float]:
    """How many tunes pass each test, and the mean share of full bars of those that parse."""
    passed = {name: sum(getattr(v, name) for v in verdicts) for name in Verdict._fields[:-1]}
    return {**passed, "bars": sum(v.bars for v in verdicts) / max(passed["parses"], 1)}


if __name__ == "__main__":
    main()
