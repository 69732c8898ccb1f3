"""Speech: words spoken by a synthesiser, told apart and spelled out, in voices not heard before.

`python -m benchmarks.speech [--minutes 2] [--seed 1] [--keep FOLDER] [--json FILE]`; needs espeak-ng

Forty words, half of them Korean, are spoken by espeak-ng in several voices, at several speeds and
pitches, and white noise is added, 10 to 30 dB below the voice. Training hears eight voices; the test four
others. *classify*: sound → which of the forty words. *translate*: sound → the word's letters, written by
the encoder-decoder with attention; a word is right when every letter is.
"""

import argparse
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import sunhwan
from benchmarks.measure import arguments_of, machine, publish, table
from sunhwan.api import load
from sunhwan.config import Config

WORDS = {
    "en": [
        "apple",
        "bridge",
        "candle",
        "dragon",
        "engine",
        "flower",
        "garden",
        "hammer",
        "island",
        "jacket",
        "kitchen",
        "ladder",
        "mountain",
        "needle",
        "orange",
        "pencil",
        "river",
        "silver",
        "tiger",
        "window",
    ],
    "ko": [
        "사과",
        "바다",
        "나무",
        "하늘",
        "구름",
        "학교",
        "병원",
        "시장",
        "편지",
        "친구",
        "고양이",
        "강아지",
        "토끼",
        "자동차",
        "비행기",
        "도서관",
        "우산",
        "시계",
        "거울",
        "노래",
    ],
}
TRAINING = ("m1", "m2", "m3", "m6", "f1", "f2", "f4", "klatt2")
TEST = ("m4", "m7", "f3", "f5")
TAKES = 4


def speak(language: str, voice: str, word: str, rng: random.Random, path: Path) -> None:
    """One word into a WAV file, at a speed, a pitch and a loudness of noise drawn by chance."""
    import soundfile

    speed, pitch = str(rng.randint(110, 200)), str(rng.randint(25, 75))
    command = ["espeak-ng", "-v", f"{language}+{voice}", "-s", speed, "-p", pitch, "-w"]
    subprocess.run([*command, str(path), word], check=True, capture_output=True)
    sound, rate = soundfile.read(path, dtype="float32")
    loudness = float(np.sqrt(np.square(sound).mean()))
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(len(sound))
    sound = sound + loudness * 10 ** (-rng.uniform(10, 30) / 20) * noise
    soundfile.write(path, (0.5 * sound / np.abs(sound).max()).astype("float32"), rate)


def record(folder: Path, name: str, voices: Sequence[str], seed: int) -> Path:
    """Every word in every voice a few times → a table of file and word."""
    rng = random.Random(f"{seed} {name}")
    lines = ["file\tword"]
    for language, words in WORDS.items():
        for number, word in enumerate(words):
            for voice in voices:
                for take in range(TAKES):
                    file = f"{name}-{language}{number}-{voice}-{take}.wav"
                    speak(language, voice, word, rng, folder / file)
                    lines.append(f"{file}\t{word}")
    path = folder / f"{name}.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def measure(task: str, train: Path, test: Path, minutes: float, seed: int) -> dict[str, Any]:
    """Train for so long, then score the voices that were not heard."""
    config = Config.from_dict(
        {
            "task": {"name": task, "input": "file", "target": "word"},
            "data": {"source": str(train)},
            "training": {"minutes": minutes, "seed": seed, "sample_length": 0},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        result = sunhwan.train(config, Path(folder) / "run", started=begun)
        seconds = time.perf_counter() - begun
        answers = load(result.run).predict_file(test)
        right = [row.split("\t")[1] for row in test.read_text(encoding="utf-8").splitlines()[1:]]
        key = "label" if task == "classify" else "output"
        hits = [a.values[key] == word for a, word in zip(answers, right, strict=True)]
    languages = {word: language for language, words in WORDS.items() for word in words}
    found: dict[str, Any] = {"task": task, "minutes": minutes, "seed": seed, "seconds": seconds}
    for language in WORDS:
        own = [hit for hit, word in zip(hits, right, strict=True) if languages[word] == language]
        found[f"word_accuracy_{language}"] = sum(own) / len(own)
    return found | {"word_accuracy": sum(hits) / len(hits), "words": len(hits)}


def main() -> None:
    parser: argparse.ArgumentParser = arguments_of(__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tasks", nargs="+", default=["classify", "translate"])
    parser.add_argument("--keep", type=Path, help="a folder for the sounds, to hear them")
    options = parser.parse_args()
    if shutil.which("espeak-ng") is None:
        raise SystemExit("benchmarks.speech needs espeak-ng: install it with the system's packages")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        train = record(folder, "train", TRAINING, options.seed)
        test = record(folder, "test", TEST, options.seed)
        rows = [measure(t, train, test, options.minutes, options.seed) for t in options.tasks]
    lines = table(
        ["task", "minutes", "seed", "words heard", "right", "English", "Korean"],
        [
            [
                row["task"], f"{row['minutes']:g}", row["seed"], f"{row['words']:,}",
                f"{row['word_accuracy']:.3f}", f"{row['word_accuracy_en']:.3f}",
                f"{row['word_accuracy_ko']:.3f}",
            ]
            for row in rows
        ],
    )  # fmt: skip
    voices = f"Voices heard in training {', '.join(TRAINING)}; in the test {', '.join(TEST)}."
    publish(f"{lines}\n{voices} One run a row; {machine()}.\n", rows, options)


if __name__ == "__main__":
    main()
