"""Golden models: which ones there are, how each is trained, and what it is asked.

All texts and tables are made here. What `v1` holds was made by the first version that promised to
read it for ever.
"""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image

from sunhwan.cells import CELLS
from tests.tasks.cases import named_places, numbers, reviews, rooms, seasons, spoken, weather


class Golden(NamedTuple):
    """One model: its task, the file it learns from, its settings, and questions for it."""

    task: str
    write: Callable[[Path], Path]
    settings: Mapping[str, object]
    questions: tuple[Any, ...] = ()


def rhymes(folder: Path) -> Path:
    """A short text of our own, Korean and English."""
    rng = random.Random(1)
    who, does = ("나는", "너는", "the cat", "the moon"), ("웃고", "걷고", "sings", "sleeps")
    where = ("산에서", "강에서", "at sea", "by night")
    lines = [" ".join(map(rng.choice, (who, does, where))) for _ in range(50)]
    path = folder / "rhymes.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def pairs(folder: Path) -> Path:
    """Pairs of syllables, and whether they are the same."""
    lines = ["question,passage,same"]
    for number in range(48):
        first, second = "가나다라"[number % 4], "가나다라"[number // 4 % 4]
        lines.append(f"{first},{second},{'yes' if first == second else 'no'}")
    return _table(folder / "pairs.csv", lines)


def sounds(folder: Path) -> Path:
    """Files of vectors, low and high."""
    rng, lines = np.random.default_rng(1), ["path\tlabel"]
    for number in range(12):
        tone = np.sin(np.arange(4 + number % 3)[:, None] * (1.0, 2.5)[number % 2]) * [5.0, 300.0]
        np.save(folder / f"{number}.npy", (tone + rng.normal(size=tone.shape)).astype("f4"))
        lines.append(f"{number}.npy\t{('low', 'high')[number % 2]}")
    return _table(folder / "sounds.tsv", lines)


def captions(folder: Path) -> Path:
    """Small images with a bright half, and what they show."""
    rng, lines = np.random.default_rng(1), ["image\tcaption"]
    for number in range(12):
        image = rng.integers(0, 60, (6, 6))
        upper = bool(number % 2)
        image[slice(0, 3) if upper else slice(3, 6)] += 150
        PIL.Image.fromarray(image.astype(np.uint8)).save(folder / f"{number}.png")
        lines.append(f"{number}.png\t{'위' if upper else '아래'}")
    return _table(folder / "captions.tsv", lines)


def tunes(folder: Path) -> Path:
    """Tunes of a few notes in two metres and keys."""
    rng, lines = random.Random(1), []
    for number in range(16):
        key, notes = (("G", "GABd"), ("Am", "ABce"))[number % 2]
        metre, bar = (("4/4", 8), ("6/8", 6))[number // 2 % 2]
        body = "|".join("".join(rng.choice(notes) for _ in range(bar)) for _ in range(2))
        lines += [f"X:{number + 1}", f"M:{metre}", "L:1/8", f"K:{key}", f"{body}|", ""]
    return _table(folder / "tunes.abc", lines)


def _table(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


SMALL = {
    "model.hidden_size": 4, "model.num_layers": 1, "model.embedding_size": 3, "model.dropout": 0.1,
    "data.batch_size": 4, "data.block_length": 12, "training.steps": 30, "training.threads": 1,
    "training.sample_length": 8, "training.validations": 2, "training.learning_rate": 0.02,
    "training.fast_products": False,
}  # fmt: skip
"""What all have in common, unless they say otherwise."""

VOCABULARIES = ("characters", "jamo", "words")


def _text(**settings: object) -> Golden:
    return Golden("language_model", rhymes, {k.replace("__", "."): v for k, v in settings.items()})


LATER = ("elman_sigmoid",)
"""Cells that came after `v1`: they stand behind, so that each keeps its settings."""

MODELS: dict[str, Golden] = {
    **{
        f"cells/{cell}": _text(
            model__cell=cell,
            text__vocabulary=VOCABULARIES[place % 3],
            model__num_layers=1 + place % 2,
        )
        for place, cell in enumerate([*(name for name in CELLS if name not in LATER), *LATER])
    },
    "texts/bytes": _text(text__vocabulary="bytes", model__hidden_size=2),
    "texts/subwords": _text(
        text__vocabulary="subwords", text__max_size=280, model__hidden_size=2, model__cell="gru"
    ),
    "texts/tied": _text(model__tied=True, model__cell="gru"),
    "texts/one_hot": _text(model__input="one-hot", model__bias=False),
    "texts/adaptive": _text(
        text__vocabulary="words", model__softmax="adaptive", model__softmax_cutoffs=5
    ),
    "texts/two_cells": _text(
        model__cell=["gru", "lstm"],
        model__hidden_size=[3, 4],
        model__num_layers=2,
        model__learned_initial_state=False,
    ),
    **{
        f"texts/{connection}": _text(
            model__connection=connection, model__num_layers=3, model__layer_norm=True
        )
        for connection in ("residual", "highway", "dense")
    },
    "tasks/answer": Golden(
        "answer",
        rooms,
        {"model.letter_size": 2},
        (
            ("Ann is in the hall now. Bob naps.", "Where is Ann?"),
            ("민수: 지금 부엌에 있다.", "민수: ?"),
        ),
    ),
    "tasks/classify": Golden("classify", reviews, {}, ("the 사과 7", "a cow", "")),
    "tasks/classify_linear": Golden(
        "classify", reviews, {"model.linear": "ngrams"}, ("the 사과 7", "a cow", "")
    ),
    "tasks/classify_pair": Golden(
        "classify",
        pairs,
        {
            "model.pooling": "attention",
            "task.input": ["question", "passage"],
            "task.target": "same",
        },
        (("가", "가"), "나\t다"),
    ),
    "tasks/classify_frames": Golden("classify", sounds, {"model.pooling": "concat"}),
    "tasks/tag": Golden(
        "tag",
        named_places,
        {"model.output_layer": "crf", "model.letter_size": 3},
        ("김 민수가 New York", "", ("Bo", "오늘")),
    ),
    "tasks/tag_softmax": Golden(
        "tag", named_places, {"model.cell": "gru", "model.letter_size": 2}, ("이 영희가 Oslo",)
    ),
    "tasks/tag_raw": Golden(
        "tag",
        spoken,
        {"model.letter_size": 2, "task.target": "upos,lemma", "training.steps": 60},
        ("Bo don't. Ann will!", ("we", "did")),
    ),
    "tasks/translate": Golden("translate", numbers, {}, ("2 1", "4", "")),
    "tasks/translate_dot": Golden(
        "translate",
        numbers,
        {
            "model.attention": "dot",
            "model.direction": "forward",
            "model.input_feeding": True,
            "text.vocabulary": "words",
        },
        ("2 1", "4 0 3"),
    ),
    "tasks/describe": Golden("describe", weather, {}, (("30", "0"), "-5\t20")),
    "tasks/describe_images": Golden("describe", captions, {"task.image_size": 3}),
    "tasks/describe_tunes": Golden("describe", tunes, {"model.cell": "gru"}, (("4/4", "G"),)),
    "tasks/forecast": Golden(
        "forecast", seasons, {}, ([[float(n % 4 + n), 900 - 2.5 * n] for n in range(24)],)
    ),
}
"""By the folder they stand in; asked nothing else, the files they learned from are asked."""

STOP = 9
"""The step at which the runs were stopped."""

RUNS: dict[str, Golden] = {
    "stopped/language_model": _text(
        model__cell="lstm",
        text__vocabulary="jamo",
        training__steps=16,
        training__validate_every=4,
        training__optimizer="muon",
        training__learning_rate=0.002,
        data__reset_probability=0.2,
    ),
    "stopped/classify": Golden(
        "classify",
        reviews,
        {
            "training.steps": 16,
            "training.validate_every": 4,
            "training.optimizer": "adamw",
            "text.validation_share": 0.3,
        },
        ("the 사과 7",),
    ),
}
"""Stopped runs, whose resumption must go on as if they had never stopped."""
