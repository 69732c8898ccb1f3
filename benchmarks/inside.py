"""What single hidden units of a language model keep track of, and how long looking inside takes.

`python -m benchmarks.inside --minutes 10` trains on the source of Python's standard library, then
looks inside; `--run FOLDER` takes a run that is there. Then a network of two layers of 512 units,
hardly trained, reads a text of 1 MB: the time is that of any model of its size.
"""

import tempfile
import time
from pathlib import Path

from benchmarks.measure import arguments_of, machine, publish, table, train_apart
from sunhwan.inspection.measures.probes import ProbeResult
from sunhwan.inspection.report.build import inspect
from sunhwan.inspection.report.contents import Report
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.pictures import png
from sunhwan.inspection.report.write import pictures_of
from sunhwan.store import Run
from sunhwan.text import load_corpus

SIZE = 1_000_000


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--minutes", default="10", help="of training")
    parser.add_argument("--run", type=Path, help="a run to look into, instead of training one")
    parser.add_argument("--pictures", type=Path, help="a folder for the pictures of the pages")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = arguments.run or Path(scratch, "run")
        if not arguments.run:
            train_apart("stdlib", run, ["--minutes", arguments.minutes, "--seed", "1"])
        began = time.perf_counter()
        report = inspect(run)
        seconds = time.perf_counter() - began
        large = time_large(Path(scratch))
    if arguments.pictures:
        draw(report, arguments.pictures)
    text = f"{probes_table(report)}\n{said(report, run, seconds, large)}\n"
    rows = {"report": report.to_dict()["probes"], "seconds": seconds, "large": large}
    publish(text, rows, arguments)


def draw(report: Report, folder: Path) -> None:
    """The pictures of the pages in English and Korean."""
    for language, ending in (("en", ""), ("ko", ".ko")):
        figures = pictures_of(report, Phrases(language, report.about.directions))
        for name in ("flow", "probes"):
            (folder / f"inside-{name}{ending}.png").write_bytes(png(figures[name]))


def probes_table(report: Report) -> str:
    """The features that a unit passed with."""
    assert report.probes is not None
    header = ["feature", "unit", "held-out score", "chance", "precision", "recall", "AUC"]
    found = [_row(one) for one in report.probes.results if one.passed]
    return table(header, found)


def _row(one: ProbeResult) -> tuple[str, ...]:
    unit = f"layer {one.layer + 1} {one.field}[{one.index}]"
    told = one.found
    rates = ("", "", "")
    if told is not None:
        rates = (f"{told.precision:.2f}", f"{told.recall:.2f}", f"{told.auc:.3f}")
    return one.feature, unit, f"{one.score:.2f}", f"{one.chance:.2f}", *rates


def said(report: Report, run: Path, seconds: float, large: float) -> str:
    """What the table is of."""
    config, probes = Run.open(run).config(), report.probes
    assert probes is not None
    trained = [e["seconds"] for e in Run.open(run).events() if e["event"] == "validation"]
    passed = sum(one.passed for one in probes.results)
    sizes = " + ".join(map(str, config.model.sizes))
    return (
        f"`{config.model.cells[0]}`, {sizes} units, {max(trained) / 60:.0f} minutes on "
        f"{' '.join(config.text.corpus)}, seed {config.training.seed}; {passed} of "
        f"{len(probes.results)} features passed, on {probes.tokens:,} characters kept for "
        f"validation, half to choose the unit and half to score it. All of `sunhwan inspect`: "
        f"{seconds:.0f} s; of two layers of 512 units and a text of 1 MB: {large:.0f} s. {machine()}."
    )


def time_large(scratch: Path) -> float:
    """Seconds to look into 2 × 512 units over 1 MB of text."""
    text = "".join(document.text for document in load_corpus("stdlib").documents)
    file = scratch / "text.txt"
    file.write_text(text[:SIZE], encoding="utf-8")
    settings = ("model.hidden_size=512", "model.num_layers=2", "data.block_length=100")
    options = [part for setting in settings for part in ("--set", setting)]
    train_apart(str(file), scratch / "large", ["--steps", "20", *options])
    began = time.perf_counter()
    inspect(scratch / "large", [file])
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
