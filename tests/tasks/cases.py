"""A tiny case of every task, for the laws that all tasks obey."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sunhwan.data.built_in_passages import made_questions
from sunhwan.tasks.answer.passage_words import sentences_of

NOUNS = {"fruit": ["apple", "pear", "사과", "배"], "animal": ["dog", "cow", "소", "토끼"]}


class Case(NamedTuple):
    """How to train a task in a moment: the files it writes, settings, and questions to ask."""

    write: Callable[[Path], Path]
    settings: dict[str, object]
    questions: tuple[object, ...]


def reviews(folder: Path) -> Path:
    """Texts and labels, Korean and English."""
    rng = random.Random(1)
    lines = ["text\tlabel"]
    for number in range(60):
        label = ("fruit", "animal")[number % 2]
        lines.append(f"the {rng.choice(NOUNS[label])} {number}\t{label}")
    path = folder / "reviews.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def numbers(folder: Path) -> Path:
    """Digits and their Korean names."""
    rng = random.Random(1)
    lines = ["source\ttarget"]
    for _ in range(60):
        digits = [rng.randrange(5) for _ in range(rng.randint(1, 4))]
        lines.append(f"{' '.join(map(str, digits))}\t{' '.join('영일이삼사'[d] for d in digits)}")
    path = folder / "numbers.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def weather(folder: Path) -> Path:
    """Numbers and what a Korean says of them."""
    rng = random.Random(1)
    lines = ["temperature,rain,설명"]
    for _ in range(60):
        degrees, rain = rng.uniform(-10, 35), rng.choice((0, 0, 3, 20))
        said = f"{'덥고' if degrees > 12 else '춥고'} {'비' if rain else '맑음'}"
        lines.append(f"{degrees:.1f},{rain},{said}")
    path = folder / "weather.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def named_places(folder: Path) -> Path:
    """A CoNLL file of names of people and places in the scheme BIO, Korean and English."""
    people = [("김", "민수가"), ("이", "영희가"), ("Ann", "Lee"), ("Bo",)]
    places = [("서울에",), ("New", "York"), ("부산", "항에"), ("Oslo",)]
    lines = []
    for number in range(60):
        for kind, words in (("PER", people[number % 4]), ("LOC", places[number // 4 % 4])):
            lines += [f"{word} {'I' if n else 'B'}-{kind}" for n, word in enumerate(words)]
            lines.append(f"{('오늘', 'again', '또')[number % 3]} O")
        lines.append("")
    path = folder / "names.conll"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def spoken(
    folder: Path, count: int = 60, seed: int = 1, *, name: str = "spoken.conllu", text: bool = True
) -> Path:
    """CoNLL-U of short sentences as they are written: full stops, and don't as do and n't."""
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        noun, verb = rng.choice(("Ann", "Bo", "we", "they")), rng.choice(("do", "did", "will"))
        end, negated = rng.choice(".!"), rng.random() < 0.5
        rows = [("1", noun, "PRON", "_")]
        if negated:
            rows += [("2-3", f"{verb}n't", "_", "SpaceAfter=No"), ("2", verb, "VERB", "_")]
            rows += [("3", "n't", "PART", "_"), ("4", end, "PUNCT", "_")]
        else:
            rows += [("2", verb, "VERB", "SpaceAfter=No"), ("3", end, "PUNCT", "_")]
        if text:
            lines.append(f"# text = {noun} {rows[1][1]}{end}")
        for number, form, upos, misc in rows:
            lemma = {"did": "do", "n't": "not"}.get(form, form.lower())
            lemma = "_" if "-" in number else lemma
            lines.append("\t".join((number, form, lemma, upos, *"_____", misc)))
        lines.append("")
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def seasons(folder: Path) -> Path:
    """Twenty years of quarters of two series that rise, each in its own unit."""
    rng = random.Random(1)
    lines = ["분기,사과,pear"]
    for quarter in range(80):
        rise = 0.5 * quarter + (3, -1, 0, -2)[quarter % 4]
        noisy = [rise + rng.gauss(0, 0.3) for _ in range(2)]
        lines.append(f"{2002 + quarter // 4}Q{quarter % 4 + 1},{noisy[0]},{900 + 20 * noisy[1]}")
    path = folder / "seasons.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rooms(folder: Path) -> Path:
    """Passages of who is where, questions and answers, Korean and English."""
    rows = []
    for number, made in enumerate(made_questions(60, seed=5)):
        words = made.passage.split()
        told = [" ".join(words[k] for k in places) for places in sentences_of(words)]
        # Some rows are short: the one sentence that says it.
        passage = " ".join(told[made.evidence : made.evidence + 1 + number % 2])
        rows.append(f"{passage}\t{made.question}\t{made.answer}\t{told[made.evidence]}")
    path = folder / "rooms.tsv"
    header = "passage\tquestion\tanswer\tevidence"
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


SMALL = {"model.hidden_size": 5, "model.embedding_size": 4, "data.batch_size": 7}

CASES: dict[str, Case] = {
    "answer": Case(
        rooms,
        {**SMALL, "model.letter_size": 4},
        (
            ("Ann is in the hall now. Bob naps.", "Where is Ann?"),
            ("민수: 지금 부엌에 있다.", "민수: ?"),
        ),
    ),
    "classify": Case(reviews, SMALL, ("the 사과 7", "a cow", "")),
    "forecast": Case(
        seasons, SMALL, tuple([[n % k, n * k] for n in range(10 * k)] for k in (3, 4, 2))
    ),
    "tag": Case(named_places, SMALL, ("김 민수가 New York", "", ("Bo", "오늘"))),
    "describe": Case(weather, SMALL, (("30", "0"), "-5\t20", ("12.5", "1e1"))),
    "translate": Case(numbers, SMALL, ("2 1", "4", "")),
}
"""By the name of the task; the language model has tests of its own for all of this."""
