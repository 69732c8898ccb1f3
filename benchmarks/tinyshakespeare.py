"""Loss on a text against time: `sunhwan train` as shipped, and plain PyTorch beside it.

`python -m benchmarks.tinyshakespeare FILE [--minutes 1.3] [--peers lstm gru] [--seeds 1]`

Two splits of the characters. *third*: the first 80 % train, the last 10 % validate, and the 10 % between
are reported. *usual*: the first 90 % train, and the last 10 % validate and are reported; the shipped
settings were chosen on these. What is reported is scored whole with the state carried.
Times count from the start of the process, imports included; CPU seconds are those of the process.
The peer is the loop that people write: embedding 64 → one layer of 256 (nn.LSTM or nn.GRU) →
linear; Adam 2e-3 with cosine decay, gradient norm clipped at 1, N = 32, T = 64, state carried.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import arguments_of, machine, publish, table, train_apart


class Split(NamedTuple):
    """The files of a split: what trains, what validates and what is reported."""

    name: str
    train: Path
    validation: Path
    reported: Path


def split_of(name: str, text: str, folder: Path) -> Split:
    """A split of a text, in files of its own."""
    ends = {"third": (0.8, 0.9), "usual": (0.9, 0.9)}[name]
    first, last = (int(len(text) * end) for end in ends)
    parts = {"train": text[:first], "between": text[first:last], "last": text[last:]}
    folder.mkdir()
    files = {part: folder / f"{part}.txt" for part in parts}
    for part, written in parts.items():
        files[part].write_text(written, encoding="utf-8")
    reported = files["between"] if parts["between"] else files["last"]
    return Split(name, files["train"], files["last"], reported)


def ours(split: Split, minutes: float, seed: int, extra: list[str]) -> dict[str, Any]:
    """Train with the shipped defaults in a process of its own, then score the reported text."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        begun = time.perf_counter()
        sunhwan = [sys.executable, "-m", "sunhwan"]
        options = ["--minutes", str(minutes), "--seed", str(seed), *extra]
        options += ["--validation", str(split.validation)]
        used = train_apart(str(split.train), run, options)
        seconds = time.perf_counter() - begun
        scores = json.loads(
            subprocess.run(
                [*sunhwan, "evaluate", str(run), str(split.reported), "--json", "--no-baselines"],
                check=True,
                capture_output=True,
            ).stdout
        )
        log = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
        curve = [
            (event["seconds"], event["loss"])
            for event in map(json.loads, log)
            if event["event"] == "validation"
        ]
    return {
        "who": "sunhwan train",
        "seconds": seconds,
        "cpu": used,
        "loss": scores["loss"],
        "curve": curve,
    }


def peer(kind: str, split: Split, minutes: float, seed: int) -> dict[str, Any]:
    """The plain loop, in a process of its own too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.tinyshakespeare", str(split.train), "--as-peer"]
    command += [kind, "--reported", str(split.reported), "--minutes", str(minutes)]
    done = subprocess.run(
        [*command, "--seeds", str(seed)], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    took, loss = json.loads(done.stdout)
    return {
        "who": f"nn.{kind.upper()} loop",
        "seconds": seconds,
        "cpu": used,
        "loss": loss,
        "curve": [(took, loss)],
    }


def run_peer(
    kind: str, train: Path, reported: Path, minutes: float, seed: int
) -> tuple[float, float]:
    """Seconds and loss of the plain loop; the learning rate follows the clock."""
    begun = time.perf_counter()
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(seed)
    text, other = train.read_text(encoding="utf-8"), reported.read_text(encoding="utf-8")
    characters = sorted(set(text + other))
    index = {character: i for i, character in enumerate(characters)}
    ids, held_out = (
        torch.tensor([index[character] for character in part]) for part in (text, other)
    )
    N, T = 32, 64
    length = len(ids) // N
    streams = ids[: N * length].view(N, length)
    embedding = nn.Embedding(len(characters), 64)
    layer = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](64, 256, batch_first=True)
    output = nn.Linear(256, len(characters))
    network = nn.ModuleList((embedding, layer, output))
    adam = torch.optim.Adam(network.parameters(), 2e-3)
    state, step, reserve = None, 0, 8.0

    def validate() -> float:
        total, carried = 0.0, None
        with torch.no_grad():
            for start in range(0, len(held_out) - 1, 4096):
                x = held_out[start : start + 4096][: len(held_out) - 1 - start]
                y, carried = layer(embedding(x.unsqueeze(0)), carried)
                target = held_out[start + 1 : start + 1 + len(x)]
                total += functional.cross_entropy(output(y[0]), target, reduction="sum").item()
        return total / (len(held_out) - 1)

    while (share := (time.perf_counter() - begun) / (60 * minutes - reserve)) < 1:
        adam.param_groups[0]["lr"] = (
            2e-3 * min(1, (step + 1) / 100) * (1 + math.cos(math.pi * share)) / 2
        )
        start = step * T % (length - T)
        if start < T:
            state = None
        block = streams[:, start : start + T + 1]
        y, state = layer(embedding(block[:, :-1]), state)
        state = tuple(s.detach() for s in state) if kind == "lstm" else state.detach()
        loss = functional.cross_entropy(output(y).flatten(0, 1), block[:, 1:].flatten())
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        step += 1
    return time.perf_counter() - begun, validate()


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=1.3)
    parser.add_argument("--peers", nargs="*", default=[], choices=["lstm", "gru"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--set", action="append", default=[], help="passed on to sunhwan train")
    parser.add_argument(
        "--splits", nargs="+", default=["third", "usual"], choices=["third", "usual"]
    )
    parser.add_argument("--as-peer", choices=["lstm", "gru"], help=argparse.SUPPRESS)
    parser.add_argument("--reported", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    minutes = arguments.minutes
    if arguments.as_peer:
        files = arguments.file, arguments.reported
        print(json.dumps(run_peer(arguments.as_peer, *files, minutes, arguments.seeds[0])))
        return
    text = arguments.file.read_text(encoding="utf-8")
    extra = [part for setting in arguments.set for part in ("--set", setting)]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.splits:
            split = split_of(name, text, Path(folder) / name)
            for seed in arguments.seeds:
                sides = [ours(split, minutes, seed, extra)]
                sides += [peer(kind, split, minutes, seed) for kind in arguments.peers]
                for result in sides:
                    results.append({"split": name, "seed": seed, "minutes": minutes, **result})
                    print(f"{result['who']}, {name}, seed {seed}: {result['loss']:.4f}")
    rows = [
        (
            r["who"],
            r["split"],
            r["minutes"],
            r["seed"],
            f"{r['seconds']:.0f}",
            f"{r['cpu']:.0f}",
            f"{r['loss']:.4f}",
            f"{r['loss'] / math.log(2):.4f}",
        )
        for r in results
    ]
    header = [
        "",
        "split",
        "minutes asked",
        "seed",
        "seconds",
        "CPU seconds",
        "nats/character",
        "bits/character",
    ]
    text = table(header, rows) + f"\nOne run a row; {machine()}.\n"
    publish(text, results, arguments)


if __name__ == "__main__":
    main()
