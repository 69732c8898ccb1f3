"""A tune in a given metre and key, drawn from a model that learned some tunes in ABC notation.

    python examples/write_tunes.py my_tunes/ --metre 6/8 --key G --number 3 --steps 0 > new.abc

Without a folder it learns the few bars below, and writes more of their kind.
"""

import argparse
import tempfile
from pathlib import Path

import sunhwan
from sunhwan.training import Reporter

# A metre, a key and two phrases of our own for each; a tune is some of its phrases in a row.
PHRASES = {
    ("2/4", "G"): ("G2 B2|d2 B2|", "c2 A2|G4|"),
    ("2/4", "D"): ("D2 F2|A2 F2|", "G2 E2|D4|"),
    ("3/4", "G"): ("G2 B2 d2|d4 B2|", "c2 A2 F2|G6|"),
    ("3/4", "D"): ("D2 F2 A2|A4 F2|", "G2 E2 C2|D6|"),
}
ORDERS = ("aabb", "abab", "abba", "aaab", "abbb", "aaaa", "bbaa", "baab")


def few_tunes() -> str:
    """The phrases in all orders, as an ABC file."""
    tunes = []
    for metre, key in PHRASES:
        for order in ORDERS:
            body = "".join(PHRASES[metre, key]["ab".index(phrase)] for phrase in order)
            head = f"X:{len(tunes) + 1}\nT:{order}\nM:{metre}\nL:1/8\nK:{key}"
            tunes.append(f"{head}\n{body}\n")
    return "\n".join(tunes)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tunes", nargs="?", type=Path, help="an .abc file, or a folder of them")
    parser.add_argument("--metre", default="3/4")
    parser.add_argument("--key", default="D")
    parser.add_argument("--number", type=int, default=2, help="so many tunes")
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=300, help="0: as is usual for so many tunes")
    options = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "few.abc")
        file.write_text(few_tunes(), encoding="utf-8")
        config = sunhwan.Config.from_dict(
            {
                "task": {"name": "describe"},
                "data": {"source": str(options.tunes or file)},
                "training": {"steps": options.steps, "sample_length": 0},
            }
        )
        run = sunhwan.train(config, Path(scratch, "run"), reporter=Reporter()).run
        predictor = sunhwan.load(run)
    asked = [(options.metre, options.key)]
    drawing = {"n": options.number, "temperature": options.temperature, "seed": options.seed}
    for answer in predictor.predict(asked, **drawing):
        print(answer.text)


if __name__ == "__main__":
    main()
