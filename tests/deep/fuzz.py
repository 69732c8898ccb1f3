"""Random command lines, files and settings: each ends in an answer or in one sentence, and soon.

    python -m tests.deep.fuzz commands 20000
    python -m tests.deep.fuzz files 10000        of each reader
    python -m tests.deep.fuzz settings 5000

A case is told by its number: `--first 17 1` does the seventeenth again. What fails is printed, and the
exit code is then 1. Nothing is served and no file outside a temporary folder is written.
"""

import argparse
import contextlib
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

CPU, WALL = 10, 60
"""Seconds that a case may take of the processor, and on a clock that others may slow down."""
MEMORY = 8 << 30
"""Bytes of address space beyond which an allocation fails."""


class TooLongError(BaseException):
    """The case did not end in time."""


class Failure(NamedTuple):
    """A case that ended neither in an answer nor in a sentence."""

    kind: str
    number: int
    case: str
    how: str


Case = Callable[[random.Random, Path], tuple[str, Callable[[], None]]]
"""Draws a case: what it is, and what does it. Doing it raises where it went wrong."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """TooLongError inside after so much time of the processor or of the clock."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TooLongError

    signals = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {one: signal.signal(one, late) for one in signals}
    signal.setitimer(signal.ITIMER_PROF, CPU)
    signal.setitimer(signal.ITIMER_REAL, WALL)
    try:
        yield
    finally:
        for one, timer in signals.items():
            signal.setitimer(timer, 0)
            signal.signal(one, before[one])


def run(
    kind: str, draw: Case, numbers: Sequence[int], folder: Path, seed: int = 1
) -> tuple[list[Failure], Counter[str]]:
    """Do the cases of these numbers; what failed, and how often each kind of end came."""
    failures, ends = [], Counter[str]()
    for number in numbers:
        rng = random.Random(f"{seed} {kind} {number}")
        case, do = draw(rng, folder)
        begun = time.process_time()
        try:
            with limited(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                do()
            end = "answer"
        except Refused:
            end = "sentence"
        except TooLongError:
            end = "too long"
            failures.append(Failure(kind, number, case, f"more than {CPU} s"))
        except BaseException:
            end = "traceback"
            failures.append(Failure(kind, number, case, traceback.format_exc()))
        if end in ("answer", "sentence") and time.process_time() - begun > CPU:
            end = "too long"
            failures.append(Failure(kind, number, case, f"{time.process_time() - begun:.0f} s"))
        ends[end] += 1
    return failures, ends


class Refused(Exception):  # noqa: N818
    """The case ended in a sentence."""


class Broken(AssertionError):  # noqa: N818
    """It ended in no sentence, or in a bad one."""


def checked(sentence: str) -> None:
    """Refused, where this is one printable line of bounded length; else Broken."""
    if not sentence.isprintable() or not 10 < len(sentence) < 1200:
        raise Broken(f"no good sentence: {sentence[:300]!r}")
    raise Refused(sentence)


# Random parts

WORDS = (
    "", " ", "-", "--", "0", "1", "-1", "7", "1e999", "-1e999", "nan", "inf", "1" * 5000, "1_000",
    "0x10", "a" * 300, "a" * 5000, "[" * 3000, "{" * 3000, "]", "[1, 2]", '["gru", "lstm"]',
    "{a=1}", "true", "false", "a\nb", "\x1b[31mred", "\x07", "\u202e", "한글", "\udcff", "é",
    "\U0001f600", "..", ".", "./", "~", "*", "?", "[", "**", "%", "%s", "{}", "{0}", "$HOME",
    "none.txt", "no/such/file", "/dev/null", "/dev/zero", "FIFO", "fp16", "int8", "gru", "lstm",
    "irnn,gru", "x.py:C", ":", ".py:", "cell.py:Cell", "cell.py:Gone", "classify", "tag",
    "translate", "forecast", "describe", "text", "label", "json", "tsv", "cpu", "cuda:9", "mps",
    "stdlib.", "2024-01-01", "9" * 30, "-0", "+5", "1.5", ".5", "5.", "1e-320", "0b1", "''", '"',
    '"""', "#", "\t", ",", ";",
)  # fmt: skip

FILES = (
    "text.txt", "table.csv", "table.tsv", "rows.jsonl", "tags.conll", "tune.abc", "series.csv",
    "vectors.txt", "array.npy", "array.npz", "picture.png", "settings.toml", "packed.txt.gz",
    "bomb.gz", "deep.json", "empty", "random.bin", "folder", "run", "run/model", "classifier",
    "fifo", "broken", "link", "cell.py", "nul.txt",
)  # fmt: skip
"""What `furnish` puts into the folder."""


def furnish(folder: Path) -> None:
    """Fill a folder with files of every kind, good ones and bad, and two trained runs."""
    import gzip

    import numpy as np
    from PIL import Image

    from sunhwan.config import Config
    from sunhwan.training import train

    rng = random.Random(1)
    texts = {
        "text.txt": "The quick brown fox. 나는 간다.\n" * 40,
        "table.csv": "text,label\n" + "".join(f'"a {n}, b",{n % 2}\n' for n in range(30)),
        "table.tsv": "text\tlabel\n" + "".join(f"word {n}\t{'xy'[n % 2]}\n" for n in range(30)),
        "rows.jsonl": "".join(f'{{"text": "t {n}", "label": "{n % 3}"}}\n' for n in range(30)),
        "tags.conll": "".join(f"w{n} O\nx B\n\n" for n in range(30)),
        "tune.abc": "".join(f"X:{n}\nM:4/4\nL:1/8\nK:G\nGABc d2e2|\n\n" for n in range(9)),
        "series.csv": "month,sales\n" + "".join(
            f"{2000 + n // 12}-{n % 12 + 1:02},{n % 12 + n / 9}\n" for n in range(96)
        ),
        "vectors.txt": "the 1 2 3\nfox 2 3 4\n",
        "settings.toml": "[model]\nhidden_size = 4\n",
        "deep.json": "[" * 5000,
        "empty": "",
        "nul.txt": "a\0b" * 99,
        "broken": '{"a": \x1b',
        "cell.py": CELL,
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "packed.txt.gz").write_bytes(gzip.compress(texts["text.txt"].encode()))
    (folder / "bomb.gz").write_bytes(gzip.compress(bytes(1 << 22)))
    (folder / "random.bin").write_bytes(rng.randbytes(5000))
    np.save(folder / "array.npy", np.ones((5, 3), np.float32))
    np.savez(folder / "array.npz", x=np.ones((5, 3), np.float32), text=np.array(["a"] * 5))
    Image.new("L", (9, 7), 99).save(folder / "picture.png")
    (folder / "folder").mkdir()
    (folder / "folder" / "a.txt").write_text("some text\n" * 20)
    (folder / "link").symlink_to("nowhere")
    os.mkfifo(folder / "fifo")
    tiny = {
        "model.hidden_size": 4, "training.steps": 2, "training.threads": 1, "data.batch_size": 2,
        "data.block_length": 4, "training.sample_length": 4,
    }  # fmt: skip
    train(Config().override({**tiny, "text.corpus": str(folder / "text.txt")}), folder / "run")
    classify = {**tiny, "task.name": "classify", "text.corpus": str(folder / "table.tsv")}
    train(Config().override(classify), folder / "classifier")


CELL = """
import torch
from sunhwan.cells import Cell as Base, HiddenState

class Cell(Base):
    gates = ("n",)
    state_type = HiddenState
    saved_names = ()

    def pointwise(self, a, u, state):
        return HiddenState(torch.tanh(a + u)), ()
"""


def some_text(rng: random.Random) -> str:
    """A hostile word, a file's name, or a few random characters."""
    choice = rng.random()
    if choice < 0.4:
        return rng.choice(WORDS)
    if choice < 0.75:
        return rng.choice(FILES)
    if choice < 0.85:
        return str(rng.choice((rng.randint(-9, 99), rng.gauss(0, 10), 10 ** rng.randint(0, 40))))
    return "".join(
        chr(rng.choice((rng.randrange(1, 128), rng.randrange(1, 0x3000), rng.randrange(0xAC00, 0xD7A4))))
        for _ in range(rng.randint(1, 12))
    )  # fmt: skip


# Command lines


def commands() -> dict[tuple[str, ...], list[str]]:
    """Every command with its options, asked of the command line itself."""
    import typer.main

    from sunhwan.cli.app import app

    found: dict[tuple[str, ...], list[str]] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                walk(inner, (*path, name))
        else:
            options = [name for one in command.params for name in one.opts if name.startswith("-")]
            found[path] = options

    walk(typer.main.get_command(app), ())
    return found


SHORT: dict[str, tuple[str, ...]] = {
    "train": ("--steps=1", "--set=training.sample_length=3", "-q", "--set=training.threads=1"),
    "compare": ("--steps=1", "--seeds=1", "-q"),
    "tune": ("--steps=1", "--cpu-minutes=0.02", "-q"),
    "sample": ("--length=3",),
    "lab": ("--steps=0",),
}
"""What is added, so that a case which can be done is done soon."""
LONG = ("--all", "--minutes", "--epochs", "--steps", "--length", "--n", "-n")
"""Options that ask for much: they are given small numbers or none."""


def draw_command(rng: random.Random, folder: Path) -> tuple[str, Callable[[], None]]:
    known = commands()
    path = rng.choice(list(known))
    arguments = [*path]
    # Without a text a training reads the whole standard library, which takes its time.
    trains = path[0] in ("train", "compare", "tune")
    least = 1 if trains else 0
    for _ in range(max(least, rng.choice((0, 1, 1, 2, 2, 3)))):
        arguments.append(some_text(rng))
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        option = rng.choice([o for o in known[path] if o != "--all"] or ["--help"])
        if option in LONG:
            arguments += [option, rng.choice(("0", "-1", "1", "2", "x", "nan", "1" * 400))]
        elif option == "--set":
            arguments.append(f"--set={assignment(rng)}")
        else:
            arguments.append(option if rng.random() < 0.3 else f"{option}={some_text(rng)}")
    if rng.random() < 0.1:
        arguments.insert(rng.randint(0, len(arguments)), some_text(rng))
    arguments += SHORT.get(path[0], ())
    if trains and not any(a.startswith("--out") for a in arguments):
        arguments += ["--out", str(folder / f"made-{rng.getrandbits(64):x}")]
    plain = [a.replace("\0", "") for a in arguments]
    return ascii(plain)[:2000], lambda: command(plain)


def command(arguments: list[str]) -> None:
    """Run a command in this process; Refused where it ended in a sentence."""
    from sunhwan.cells import OWN
    from sunhwan.cli import main
    from sunhwan.serve.server import Server

    OWN.clear()
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    stdin = io.TextIOWrapper(io.BytesIO(b"a question\n"), encoding="utf-8")
    argv, run_server = sys.argv, Server.run
    Server.run = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    sys.argv = ["sunhwan", *arguments]
    kept, sys.stdin = sys.stdin, stdin
    code: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.argv, sys.stdin = argv, kept
        Server.run = run_server  # type: ignore[method-assign]
        out.flush()
        err.flush()
    said = err.buffer.getvalue().decode("utf-8", "backslashreplace")  # type: ignore[attr-defined]
    if code not in (0, 1, 2) or "Traceback" in said:
        raise Broken(f"exit code {code}: {said[-2000:]}")
    if "\x1b[31m" in said or "\x07" in said:
        raise Broken(f"raw control characters: {said[:300]!r}")
    if code:
        last = [line for line in said.splitlines() if line.startswith("sunhwan:")]
        if last:
            checked(last[-1])
        raise Refused(said)


# Files


def seeds(folder: Path) -> dict[str, list[bytes]]:
    """Good files of every reader, to be damaged."""
    import wave

    import torch

    from sunhwan.config import Config
    from sunhwan.store import write_tensors

    def content(*names: str) -> list[bytes]:
        return [(folder / name).read_bytes() for name in names]

    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
        file.writeframes(bytes(range(256)) * 8)
    write_tensors(folder / "t.safetensors", {"a": torch.ones(2, 3)}, {"step": 1})
    conllu = "".join(f"{n}\tw{n}\tl\tNOUN\tN\t_\t0\troot\t_\t_\n" for n in range(1, 5)) + "\n"
    return {
        "text": content("text.txt", "packed.txt.gz"),
        "table": content("table.csv", "table.tsv", "rows.jsonl"),
        "series": content("series.csv"),
        "treebank": [*content("tags.conll"), conllu.encode()],
        "tunes": content("tune.abc"),
        "vectors": [*content("vectors.txt"), b"2 3\nthe " + bytes(12) + b"\nfox " + bytes(12)],
        "arrays": content("array.npz", "array.npy"),
        "frames": [*content("array.npy", "array.npz"), b"1,2\n3,4\n", sound.getvalue()],
        "image": content("picture.png"),
        "settings": [Config().to_toml().encode(), b"[model]\nhidden_size = [4, 5]\n"],
        "tensors": content("t.safetensors"),
        "log": content("run/log.jsonl"),
        "config": content("run/model/config.json", "classifier/model/config.json"),
        "tokenizer": content("run/model/tokenizer.json", "classifier/model/tokenizer.json"),
    }


def readers(folder: Path) -> dict[str, tuple[tuple[str, ...], Callable[[Path], Any]]]:
    """By name: the endings of a file's name, and what reads it."""
    from sunhwan import data, text
    from sunhwan.config import Config
    from sunhwan.data.arrays import read_arrays
    from sunhwan.data.clock import following
    from sunhwan.errors import StoreError
    from sunhwan.files import read_json
    from sunhwan.inspection.measures.clipping import clipping
    from sunhwan.serve.routes.training_log import losses
    from sunhwan.store import Run, read_tensors
    from sunhwan.tasks import TASKS
    from sunhwan.tasks.describe.tunes import tune_pairs

    def series(path: Path) -> None:
        found = data.read_series(path)
        following(found.times, 3)
        data.seasonal_period(found.times)

    def log(path: Path) -> None:
        run = Run(folder / "run")
        path.replace(run.log_file)
        json.dumps(losses(run, 0))
        list(run.events())
        clipping(run)

    def config(path: Path) -> None:
        found = json_of(path)
        if isinstance(found, dict):
            Config.from_dict({"task": found.get("settings", {}), "model": found.get("model", {})})

    def tokenizer(path: Path) -> None:
        found = json_of(path)
        TASKS["language_model"].restored(Config.load(folder / "run/config.toml"), found)
        TASKS["classify"].restored(Config.load(folder / "classifier/config.toml"), found)

    def json_of(path: Path) -> Any:
        try:
            return read_json(path)
        except ValueError as error:
            raise StoreError(f"no JSON: {error}") from None

    return {
        "text": ((".txt", ".txt.gz", ".gz"), lambda path: text.load_corpus([path])),
        "table": ((".csv", ".tsv", ".jsonl", ".txt", ".csv.gz"), data.read_table),
        "series": ((".csv", ".tsv", ".jsonl"), series),
        "treebank": ((".conll", ".conllu", ".tsv"), data.read_treebank),
        "tunes": ((".abc",), tune_pairs),
        "vectors": ((".txt", ".bin", ".vec"), text.read_vectors),
        "arrays": ((".npz", ".npy"), read_arrays),
        "frames": ((".npy", ".npz", ".csv", ".wav", ".flac"), data.read_frames),
        "image": ((".png", ".jpg", ".gif"), lambda path: data.read_image(path, 8)),
        "settings": ((".toml",), Config.load),
        "tensors": ((".safetensors",), read_tensors),
        "log": ((".jsonl",), log),
        "config": ((".json",), config),
        "tokenizer": ((".json",), tokenizer),
    }


BITS = (
    b"", b"\0", b"\n", b"\r", b"\t", b",", b'"', b"'", b"[", b"{", b"}", b"]", b":", b"=", b"\\",
    b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x1f\x8b", b"1e999", b"-1", b"nan",
    b"0", b"9" * 30, b"1e-999", b"null", b"true", b"X:1\n", b"K:", b"L:1/0", b"/0", b"%", b"#",
    b"\\u0000", b"\\ud800", b"[[[[[[", b'{"a":', b"_", b"-", b"2024-13-45", b"1/0", b"C/0",
    b"//////////////////", b"\x1b[31m", "한".encode(), b"\xe2\x80\xae", b"e", b".",
)  # fmt: skip


def damaged(rng: random.Random, data: bytes) -> bytes:
    """A file with a few changes, or of its own kind of rubbish."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randint(0, 300))
    if rng.random() < 0.1:
        return b"".join(rng.choices(BITS, k=rng.randint(0, 40)))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.choice((0, 1, 1, 4, 20, 400)))
        some = rng.choice(BITS)
        data = rng.choice(
            (
                data[:at] + some + data[at:],
                data[:at] + some + data[end:],
                data[:at] + data[end:],
                data[:at],
                data[:end] + data[at:],
                data[:at] + rng.randbytes(1) + data[at + 1 :],
                data[:at] + some * rng.choice((10, 1000, 20_000)) + data[at:],
                data[:at] + data[at:end] * rng.choice((2, 50)) + data[end:],
            )
        )
    return data


def draw_file(reader: str, folder: Path) -> Case:
    """Cases of one reader."""
    good, (suffixes, read) = seeds(folder)[reader], readers(folder)[reader]

    def draw(rng: random.Random, folder: Path) -> tuple[str, Callable[[], None]]:
        content, suffix = damaged(rng, rng.choice(good)), rng.choice(suffixes)

        def do() -> None:
            from sunhwan.errors import SunhwanError

            path = folder / f"case{suffix}"
            path.write_bytes(content)
            try:
                read(path)
            except SunhwanError as error:
                checked(str(error))

        return f"{suffix} {content[:400]!r}", do

    return draw


# Settings


def assignment(rng: random.Random) -> str:
    """section.key=value of a setting that there is, or nearly."""
    from sunhwan.config import settings

    one = rng.choice(list(settings()))
    name = one.name if rng.random() < 0.95 else some_text(rng)
    return f"{name}={value_of(rng, one)}"


def value_of(rng: random.Random, one: Any) -> str:
    choice = rng.random()
    if one.choices and choice < 0.8:
        return rng.choice(one.choices)
    if choice < 0.25:
        return some_text(rng)
    if isinstance(one.default, bool):
        return rng.choice(("true", "false"))
    if isinstance(one.default, float):
        return str(rng.choice((0, 0.5, 1, rng.random(), -1, 1e9, 1e-9)))
    if isinstance(one.default, int):
        return str(rng.choice((0, 1, 2, 3, 5, 8, 8, -1, 2**31, 2**63)))
    return f'"{rng.choice(FILES)}"'


DATA = {
    "language_model": "text.txt", "classify": "table.tsv", "tag": "tags.conll", "translate": "table.tsv",
    "describe": "table.csv", "forecast": "series.csv",
}  # fmt: skip


def draw_settings(rng: random.Random, folder: Path) -> tuple[str, Callable[[], None]]:
    """A run of a step on a small file with a few settings at random; and its settings written down."""
    task = rng.choice(list(DATA))
    assignments = [assignment(rng) for _ in range(rng.randint(1, 5))]
    own = ("task.name", "text.corpus", "training.steps", "training.minutes", "training.epochs")
    assignments = [a for a in assignments if not a.startswith(own)]
    name = f"set-{rng.getrandbits(64):x}"

    def do() -> None:
        from sunhwan.config import Config, parse_assignment
        from sunhwan.errors import SunhwanError
        from sunhwan.training import train

        base = {
            "task.name": task, "text.corpus": str(folder / DATA[task]), "training.steps": 1,
            "training.threads": 1, "model.hidden_size": 4, "data.batch_size": 2,
            "data.block_length": 4, "training.sample_length": 3, "model.embedding_size": 3,
        }  # fmt: skip
        try:
            config = Config().override({**base, **dict(map(parse_assignment, assignments))})
            path = folder / "again.toml"
            path.write_text(config.to_toml(), encoding="utf-8")
            if Config.load(path) != config:
                raise Broken("what was written down is not what is read again")
            train(config, folder / name)
        except SunhwanError as error:
            checked(str(error))

    return f"{task} {ascii(assignments)[:1500]}", do


# Running


@contextlib.contextmanager
def workshop() -> Iterator[Path]:
    """A furnished temporary folder, which is the current one."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        furnish(folder)
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def sweep(folder: Path) -> None:
    """Remove the runs that cases have made, so that a disk does not fill."""
    import shutil

    for pattern in ("made-*", "set-*", "runs", "lab"):
        for path in folder.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def main() -> int:
    import resource

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("commands", "files", "settings"))
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", help="of files: one reader alone")
    given = parser.parse_args()
    os.environ["MALLOC_TOP_PAD_"] = str(64 << 10)  # many trainings in one process, none its own
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    numbers = range(given.first, given.first + given.count)
    failed, seen = 0, set[str]()
    with workshop() as folder:
        cases: dict[str, Case] = {"commands": draw_command, "settings": draw_settings}
        if given.kind == "files":
            names = [given.reader] if given.reader else list(readers(folder))
            cases = {name: draw_file(name, folder) for name in names}
        else:
            cases = {given.kind: cases[given.kind]}
        for kind, draw in cases.items():
            total: Counter[str] = Counter()
            for start in range(0, len(numbers), 100):
                failures, ends = run(kind, draw, numbers[start : start + 100], folder, given.seed)
                total += ends
                for one in failures:
                    place = one.how[-300:]  # of equal ones the first is enough
                    if place not in seen:
                        print(f"{one.kind} {one.number}: {one.case}\n{one.how}\n", flush=True)
                    seen.add(place)
                failed += len(failures)
                sweep(folder)
            print(f"{kind}: {dict(total)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
