"""What every page is made of: its template, its engine's foundation, its weights, and a run in Node.js."""

import base64
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import nn

from sunhwan.errors import ConfigError
from sunhwan.exporting.html.encoder_parts import PageParts
from sunhwan.exporting.html.packing import packed
from sunhwan.program.operations import Numbers

HERE = Path(__file__).parent


class Answering(NamedTuple):
    """Parts of the page of a task that answers.

    engine, body, scripts: names of files: JavaScript behind `layers.js`, the body, what moves it.
    facts: gathers the arrays of a model and returns what else is known of it (JSON).
    questions, outputs: what the page is compared on, and the function of JavaScript from one to numbers.
    wanted: what a model says to all of them, numbers in the same order.
    """

    engine: tuple[str, ...]
    body: str
    scripts: tuple[str, ...]
    facts: Callable[[PageParts, nn.Module], dict[str, Any]]
    questions: Sequence[Any]
    outputs: str
    wanted: Callable[[nn.Module], npt.NDArray[Any]]


def filled(template: str, **values: str) -> str:
    """A template with its %%WORDS%% replaced; what is put in is not looked at again."""
    return re.sub(r"%%([A-Z]+)%%", lambda found: values[found[1]], source(template))


def framed(
    body: str, *, title: str, made_by: str, weights: str, engine: str, scripts: Sequence[str]
) -> str:
    """A whole page. body, scripts: the names of its files; engine: what they stand on (JavaScript)."""
    return filled(
        "frame.html",
        NAME=title,
        MADE=made_by,
        STYLE=source("page.css"),
        BODY=source(body),
        WEIGHTS=weights,
        ENGINE=engine,
        PAGE="\n".join(map(source, scripts)),
    )


def foundation(facts: str) -> str:
    """Shared code of every engine: products, weights, texts, the choice of a token."""
    compiled = base64.b64encode((HERE / "products.wasm").read_bytes()).decode()
    names = ("products.js", "weights.js", "texts.js", "sampling.js")
    parts = "\n".join(map(source, names))
    return f'const MODEL = {facts};\nconst PRODUCTS_TEXT = "{compiled}";\n{parts}\n'


def run_in_node(node: str, script: str) -> Any:
    """What a script prints, as JSON; ConfigError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.js"
        file.write_text(script, encoding="utf-8")
        done = subprocess.run([node, str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"the page is not written, it fails: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


class Stored(NamedTuple):
    """Weights as a page holds them. facts: where each array begins and ends, how many numbers there are
    of float32 and of float16, the lengths of the code. text: all of them, see `packing`."""

    facts: dict[str, Any]
    text: str


def laid_out(arrays: Mapping[str, Numbers], halves: Container[str]) -> Stored:
    """Arrays in one text; those in `halves` in float16, behind the others."""
    places = dict[str, list[int]]()
    floats, small, start = [np.zeros(0, "<f4")], [np.zeros(0, np.float16)], 0
    for name in sorted(arrays, key=lambda name: name in halves):
        numbers = np.ascontiguousarray(arrays[name]).reshape(-1)
        places[name] = [start, start + numbers.size]
        start += numbers.size
        if name in halves:
            small.append(numbers.astype(np.float16))
        else:
            floats.append(numbers.astype("<f4"))
    all_floats, all_small = np.concatenate(floats), np.concatenate(small)
    text, code = packed(all_floats.view(np.uint8), all_small)
    stored = [len(all_floats), len(all_small)]
    return Stored({"arrays": places, "stored": stored, "code": code}, text)


def in_script(facts: dict[str, Any]) -> str:
    """JSON in which no text ends the script that it stands in."""
    return json.dumps(facts, ensure_ascii=True).replace("<", "\\u003c")


def source(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def node_or_none() -> str | None:
    """The program of Node.js."""
    return shutil.which("node")
