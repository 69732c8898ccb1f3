"""Built-in passages with questions: who is where, in Korean and English, generated from a seed."""

import random
from collections.abc import Iterator
from typing import NamedTuple

BUILT_IN_PASSAGES = ("rooms",)


class MadeQuestion(NamedTuple):
    """A passage, a question about it, the answer, and the number of the sentence that says so."""

    passage: str
    question: str
    answer: str
    evidence: int


class _Language(NamedTuple):
    people: tuple[str, ...]
    places: tuple[str, ...]
    things: tuple[str, ...]
    stands: str
    holds: str
    asks: str


LANGUAGES = (
    _Language(
        ("민수", "영희", "철수", "지우", "하나", "도윤", "서연", "예준"),
        ("부엌", "마당", "거실", "학교", "시장", "도서관", "공원", "병원"),
        ("사과", "책", "우산", "연필", "모자", "공"),
        "{who}: 지금 {place}에 있다.", "{who}: {thing} 하나를 들고 있다.", "{who}: 어디에 있나?",
    ),
    _Language(
        ("Ann", "Bob", "Carl", "Dora", "Eve", "Finn", "Gina", "Hugo"),
        ("kitchen", "garden", "hall", "school", "market", "library", "park", "office"),
        ("apple", "book", "pencil", "ball", "hat", "umbrella"),
        "{who} is in the {place} now.", "{who} holds the {thing}.", "Where is {who}?",
    ),
)  # fmt: skip


def made_questions(count: int, seed: int = 1) -> Iterator[MadeQuestion]:
    """Passages of six sentences: four people at a place each, two with a thing; two may share a place."""
    rng = random.Random(seed)
    for number in range(count):
        words = LANGUAGES[number % 2]
        people = rng.sample(words.people, 4)
        places = [rng.choice(words.places) for _ in people]
        told = [words.stands.format(who=w, place=p) for w, p in zip(people, places, strict=True)]
        asked = rng.randrange(4)
        holders = rng.sample(words.people, 2)
        told += [words.holds.format(who=w, thing=rng.choice(words.things)) for w in holders]
        order = rng.sample(range(6), 6)
        yield MadeQuestion(
            " ".join(told[place] for place in order),
            words.asks.format(who=people[asked]),
            places[asked],
            order.index(asked),
        )
