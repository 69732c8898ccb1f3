"""Speed of exported pages in headless Chromium, with products in WebAssembly and in JavaScript by turns.

Tokens a second that a page of a language model writes, and that its panel learns from.
`python -m benchmarks.pages [--json FILE] [--markdown FILE]`
"""

import os
import shutil
import tempfile
from pathlib import Path

from benchmarks.measure import arguments_of, processor, publish, table
from sunhwan.config import Config
from sunhwan.exporting import export
from sunhwan.models import LanguageModel
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import build_vocabulary

PAGES = {"1 × 512": ["512"], "2 × 512": ["512", "512"]}
MEASURE = """
    const measured = (tokens, run) => {
        run();
        let best = 0;
        for (const begun = performance.now(); performance.now() - begun < 1500;) {
            const start = performance.now();
            run();
            best = Math.max(best, 1000 * tokens / (performance.now() - start));
        }
        return best;
    };
"""
WRITE = f"""([count]) => {{
    {MEASURE}
    const state = begin(), said = new Float32Array(TOKENS.length), none = new Set();
    let token = 0;
    return measured(count, () => {{
        for (let n = 0; n < count; n++) token = chosen(step(state, token, said), none, 0);
    }});
}}"""
LEARN = f"""([cell, units]) => {{
    {MEASURE}
    const words = vocabularyOf(LESSON.en.repeat(20));
    const train = trainer(network([[cell, units]], words.size, 0), 16, 32);
    fresh(train);
    let position = 0;
    return measured(512, () => {{
        learn(train, words.ids, position += 32, 0.01);
        carry(train.block);
    }});
}}"""


def speeds(folder: Path, rounds: int = 3) -> list[list[str]]:
    """A row for each page: tokens a second in WebAssembly and in JavaScript, in the best stretches of each.

    A stretch is 5 to 20 tokens, or a step of training: so what else the machine does counts little.
    """
    from playwright.sync_api import sync_playwright

    vocabulary = build_vocabulary("characters", ["".join(map(chr, range(32, 97)))])
    tasks: dict[str, list[tuple[str, str, list[object]]]] = {}
    for cell in ("lstm", "gru"):
        for shape, sizes in PAGES.items():
            settings = {"cell": [cell], "hidden_size": 512, "num_layers": len(sizes)}
            settings |= {"embedding_size": 64, "input": "embedding", "dropout": 0.0}
            config = Config().override({f"model.{name}": value for name, value in settings.items()})
            model = LanguageModel(config.model, len(vocabulary))
            file = f"{cell}{len(sizes)}.html"
            export(LanguageModelTask(config, vocabulary, model), folder / file, "html")
            tasks[file] = [(f"writes, {cell} {shape}", WRITE, [20 // len(sizes) ** 2])]
    tasks["lstm1.html"] += [
        (f"learns, {cell} 1 × {units}", LEARN, [cell, units])
        for cell, units in (("gru", 64), ("lstm", 128))
    ]
    rows = []
    with sync_playwright() as playwright:
        path = os.environ.get("SUNHWAN_BROWSER") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for file, measured in tasks.items():
            pages = [browser.new_page() for _ in range(2)]
            for page, hash in zip(pages, ("", "#js"), strict=True):
                page.goto((folder / file).as_uri() + hash)
            for name, script, arguments in measured:
                found = [
                    [page.evaluate(script, arguments) for page in pages] for _ in range(rounds)
                ]
                best = [max(side) for side in zip(*found, strict=True)]
                rows.append([name, *(f"{speed:,.0f}" for speed in best)])
                print(*rows[-1], flush=True)
            for page in pages:
                page.close()
        browser.close()
    return rows


def main() -> None:
    """Print and publish the table."""
    arguments = arguments_of(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = speeds(Path(folder))
    text = table(["page", "tokens/s, WebAssembly", "tokens/s, JavaScript"], rows)
    text += "\nBest stretches of 3 rounds by turns in headless Chromium, one core, "
    load = f"load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    text += f"weights in float16 made float32; {processor()}, {load}.\n"
    publish(text, rows, arguments)


if __name__ == "__main__":
    main()
