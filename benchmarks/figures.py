"""Put the tables that the benchmarks wrote into the pages, between their markers.

`python -m benchmarks.figures` after any of these, whose results are kept in benchmarks/results:

    python -m benchmarks.layers --markdown benchmarks/results/layers.md
    python -m benchmarks.cells --markdown benchmarks/results/cells.md
    python -m benchmarks.step --markdown benchmarks/results/step.md
    python -m benchmarks.kernels --markdown benchmarks/results/kernels.md
    python -m benchmarks.routes --cpu --rounds 3 --markdown benchmarks/results/routes.md
    python -m benchmarks.generation --markdown benchmarks/results/generation.md
    python -m benchmarks.products --markdown benchmarks/results/products.md
    python -m benchmarks.bptt_memory --markdown benchmarks/results/bptt_memory.md
    python -m benchmarks.reaches --markdown benchmarks/results/reaches.md
    python -m benchmarks.own_cells --markdown benchmarks/results/own_cells.md
    python -m benchmarks.own_cells --writing --markdown benchmarks/results/own_writing.md
    python -m benchmarks.scan --picture docs/scan.png --markdown benchmarks/results/scan.md
    sunhwan lab memory --cells all --out FOLDER && python -m benchmarks.memory FOLDER
    python -m benchmarks.starts --out FOLDER --markdown benchmarks/results/starts.md
    python -m benchmarks.tinyshakespeare FILE --peers lstm gru \
        --markdown benchmarks/results/tinyshakespeare.md
    python -m benchmarks.corpora --gigabytes 10 --markdown benchmarks/results/corpora.md
    python -m benchmarks.processes --markdown benchmarks/results/processes.md
    python -m benchmarks.classification nsmc TRAIN TEST --minutes 20 --cpu \
        --markdown benchmarks/results/nsmc.md
    python -m benchmarks.classification sms FILE --cpu --json JSON
    python -m benchmarks.classification sentences FILE [TEST] --cpu --json JSON
    python -m benchmarks.classification sentences --beside JSON … \
        --markdown benchmarks/results/sentences.md
    python -m benchmarks.tagging FOLDER --markdown benchmarks/results/tagging.md
    python -m benchmarks.translation FOLDER --markdown benchmarks/results/translation.md
    python -m benchmarks.digits --markdown benchmarks/results/digits.md
    python -m benchmarks.tunes FOLDER --markdown benchmarks/results/tunes.md
    python -m benchmarks.speech --markdown benchmarks/results/speech.md
    python -m benchmarks.forecasting --steps 400 --seeds 1 --origins 8 \
        --markdown benchmarks/results/forecasting.md
    python -m benchmarks.m4_weekly FOLDER --steps 1200 --markdown benchmarks/results/m4_weekly.md
    python -m benchmarks.retail --steps 500 --markdown benchmarks/results/retail.md
    python -m benchmarks.inside --pictures docs --markdown benchmarks/results/inside.md
    python -m benchmarks.horizons --markdown benchmarks/results/horizons.md
    python -m benchmarks.capabilities --markdown benchmarks/results/capabilities.md
    python -m benchmarks.policies --settings 2 --threads 1 --markdown benchmarks/results/policies.md
"""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
READMES = ("README.md", "README.ko.md")
GUIDES = ("docs/guide.md", "docs/guide.ko.md")
SPEED = ("docs/speed.md", "docs/speed.ko.md")
TASKS = ("docs/tasks.md", "docs/tasks.ko.md")
INSIDE = ("docs/inside.md", "docs/inside.ko.md")
PYTORCH = ("docs/pytorch.md", "docs/pytorch.ko.md")
OWN_CELL = ("docs/own-cell.md", "docs/own-cell.ko.md")
CLUSTER = ("docs/cluster.md", "docs/cluster.ko.md")
POLICIES = ("docs/policies.md", "docs/policies.ko.md")

PLACES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "figures": (
        READMES,
        {
            "layers": "`python -m benchmarks.layers`",
            "cells": "`python -m benchmarks.cells`",
            "step": "`python -m benchmarks.step`",
            "tinyshakespeare": (
                "`python -m benchmarks.tinyshakespeare FILE --peers lstm gru`; *third*: the first 80 % "
                "train, the last 10 % validate, what lies between is reported; *usual*: the first 90 % "
                "train, the last 10 % validate and are reported"
            ),
        },
    ),
    "kernels": (
        SPEED,
        {
            "kernels": "`python -m benchmarks.kernels`",
            "routes": "`python -m benchmarks.routes --cpu`: what dispatch chooses, beside all else",
            "generation": "`python -m benchmarks.generation`",
            "products": "`python -m benchmarks.products`",
        },
    ),
    "tasks": (
        TASKS,
        {
            "nsmc": (
                "`python -m benchmarks.classification nsmc TRAIN TEST --minutes 20 --cpu`: Naver film "
                "reviews"
            ),
            "sentences": (
                "`python -m benchmarks.classification sentences FILE [TEST] --cpu`, and "
                "`sms FILE --cpu`: question types (TREC, official test, three seeds), film and customer "
                "reviews (MR and CR, five folds), spam (five folds), beside TF-IDF with logistic regression"
            ),
            "tagging": "`python -m benchmarks.tagging FOLDER`: the Korean treebank GSD",
            "translation": "`python -m benchmarks.translation FOLDER`: Tatoeba, English to Korean",
            "digits": "`python -m benchmarks.digits`: handwritten digits described",
            "tunes": "`python -m benchmarks.tunes FOLDER`: the Nottingham tunes",
            "speech": "`python -m benchmarks.speech`: words spoken by a synthesiser",
            "forecasting": (
                "`python -m benchmarks.forecasting --steps 400 --seeds 1 --origins 8`: eight origins, a "
                "tenth of the series apart, each model of what lies before its own"
            ),
            "m4_weekly": (
                "`python -m benchmarks.m4_weekly FOLDER --steps 1200 --set data.batch_size=96 "
                "task.context=52 training.validations=4`: the weekly series of the M4 competition"
            ),
            "retail": (
                "`python -m benchmarks.retail --steps 500 --set data.batch_size=96 "
                "training.validations=3`: made sales, promotions known ahead"
            ),
        },
    ),
    "inside": (
        INSIDE,
        {
            "inside": "`python -m benchmarks.inside`: units of a language model of program text",
            "horizons": "`python -m benchmarks.horizons`: how far the gradient reaches, by cell",
        },
    ),
    "scan": (SPEED, {"scan": "![time by length](scan.png)"}),
    "own_cells": (OWN_CELL, {"own_cells": "`python -m benchmarks.own_cells`"}),
    "own_writing": (OWN_CELL, {"own_writing": "`python -m benchmarks.own_cells --writing`"}),
    "capabilities": (PYTORCH, {"capabilities": ""}),
    "policies": (
        POLICIES,
        {"policies": "`python -m benchmarks.policies --settings 2 --threads 1`"},
    ),
    "corpora": (GUIDES, {"corpora": "`python -m benchmarks.corpora --gigabytes 10`"}),
    "processes": (CLUSTER, {"processes": "`python -m benchmarks.processes`"}),
    "bptt_memory": (GUIDES, {"bptt_memory": ""}),
    "starts": (GUIDES, {"starts": "", "reaches": "`python -m benchmarks.reaches`: other tasks"}),
    "memory": (GUIDES, {"memory": "![recall after a delay, by cell](memory.png)"}),
}
"""By marker: the pages that have it, and the results that go there, each with its heading."""


def main() -> None:
    for marker, (pages, results) in PLACES.items():
        tables = [
            f"{heading}\n\n{path.read_text(encoding='utf-8').strip()}\n".lstrip()
            for name, heading in results.items()
            if (path := RESULTS / f"{name}.md").exists()
        ]
        block = f"<!-- {marker} -->\n\n" + "\n".join(tables) + f"\n<!-- /{marker} -->"
        for page in pages:
            text = (ROOT / page).read_text(encoding="utf-8")
            new, count = re.subn(
                rf"<!-- {marker} -->.*<!-- /{marker} -->",
                block.replace("\\", r"\\"),
                text,
                flags=re.DOTALL,
            )
            if count != 1:
                raise SystemExit(f"{page} has {count} places for {marker} instead of one")
            (ROOT / page).write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
