"""Put the tables that the benchmarks wrote into the READMEs, between their markers.

`python -m benchmarks.figures` after `python -m benchmarks.layers --markdown
benchmarks/results/layers.md` and `python -m benchmarks.tinyshakespeare FILE --peers lstm gru
--markdown benchmarks/results/tinyshakespeare.md` (and with `--minutes 5.2`, `…_long.md`).
"""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
TITLES = {
    "layers": "`python -m benchmarks.layers`",
    "tinyshakespeare": "`python -m benchmarks.tinyshakespeare FILE --peers lstm gru`",
    "tinyshakespeare_long": "`python -m benchmarks.tinyshakespeare FILE --minutes 5.2`",
}


def main() -> None:
    tables = [
        f"{title}\n\n{path.read_text(encoding='utf-8').strip()}\n"
        for name, title in TITLES.items()
        if (path := RESULTS / f"{name}.md").exists()
    ]
    block = "<!-- figures -->\n\n" + "\n".join(tables) + "\n<!-- /figures -->"
    for readme in (ROOT / "README.md", ROOT / "README.ko.md"):
        text = readme.read_text(encoding="utf-8")
        new, count = re.subn(
            r"<!-- figures -->.*<!-- /figures -->", lambda _: block, text, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"{readme.name} has {count} places for figures instead of one")
        readme.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
