"""Sentences of errors and notes in the reader's language; one that the catalogue has not stays English.

They are made in English, wherever something is found. Their sentences are recognised here by the words
that stay the same, so that no code below the command line knows of languages.
"""

import re
from functools import cache

from sunhwan.messages import catalogue

_PLACE = re.compile(r"(.+), (line|row) ([0-9,]+)", re.DOTALL)
_SETTING = re.compile(r"(\[[a-z_]+\]|[a-z_]+\.[a-z_]+) (?:in|of) (.+)", re.DOTALL)
_LENGTH = re.compile(r"([0-9.]+) (day|hour|minute|second)s?")
_MEANT = re.compile(r"(.+)( \(did you mean .+\?\))", re.DOTALL)
_ROLES = ("for the ", "which is no ")
"""Behind these words of a sentence stands what a column or a cell is, which is a word, too."""


def usage_mistake(sentence: str, language: str) -> str:
    """What is wrong with a command line, as click says it, in a language."""
    return _translated("usage", sentence, language)


def mistake(sentence: str, language: str) -> str:
    """The sentence in a language, if the part "mistakes" of the catalogue has it there."""
    return _translated("mistakes", sentence, language)


def note(line: str, language: str) -> str:
    """A line on what was found in the data, in a language: each clause that the part "notes" has."""
    return "; ".join(_translated("notes", clause, language) for clause in line.split("; "))


def _translated(part: str, sentence: str, language: str) -> str:
    if language == "en":
        return sentence
    for pattern, texts, roles in _patterns(part):
        found = pattern.fullmatch(sentence)
        if found:
            filled = [
                (_word(of, language) if role else _part_of(part, of, language)) if of else ""
                for of, role in zip(found.groups(), roles, strict=True)
            ]
            return texts[language].format(*filled)
    return sentence


def place_of(text: str, language: str) -> str:
    """A place in a file, such as a.csv, line 3, in a language; what is none stays."""
    place = _PLACE.fullmatch(text)
    told = catalogue()["places"][place[2]][language] if place else ""
    return told.format(place[1], place[3]) if place else text


def _part_of(part: str, text: str, language: str) -> str:
    """What a sentence quotes: a place, names of orders of a date, or a sentence of its own."""
    if _PLACE.fullmatch(text):
        return place_of(text, language)
    if length := _LENGTH.fullmatch(text):
        return catalogue()["places"][length[2]][language].format(length[1])
    if setting := _SETTING.fullmatch(text):
        source = _word(setting[2], language)
        return catalogue()["places"]["setting"][language].format(setting[1], source)
    if meant := _MEANT.fullmatch(text):
        return meant[1] + _translated("mistakes", meant[2], language)
    orders = text.split(" or ")
    told = [_translated("notes", order, language) for order in orders]
    named = all(order.startswith("--") for order in orders)
    if len(orders) > 1 and (named or all(a != b for a, b in zip(orders, told, strict=True))):
        return catalogue()["places"]["or"][language].join(told)
    return _translated(part, text, language)


def _word(text: str, language: str) -> str:
    """A word of the sentence itself, such as what a column is for."""
    return next((t[language] for t in catalogue()["places"].values() if t["en"] == text), text)


@cache
def _patterns(part: str) -> tuple[tuple[re.Pattern[str], dict[str, str], tuple[bool, ...]], ...]:
    """Of each sentence the fixed words, and its texts; what is filled in stands in braces: {0}, {1} …

    Directly behind another one stands what may have been meant, in brackets, or nothing. The sentence with
    the most fixed words comes first, for another one may have some of them.
    """
    found = []
    for texts in catalogue()[part].values():
        first, *others = re.split(r"\{[0-9]+\}", texts["en"])
        size = len(first) + sum(map(len, others))
        pattern, before = re.escape(first), first or "at the beginning"
        for fixed in others:
            pattern += ("(.*?)" if before else r"( \(.*\?\))?") + re.escape(fixed)
            before = fixed
        roles = tuple(fixed.endswith(_ROLES) for fixed in (first, *others[:-1]))
        found.append((size, re.compile(pattern, re.DOTALL), dict(texts), roles[: len(others)]))
    found.sort(key=lambda one: -one[0])
    return tuple((pattern, texts, roles) for _, pattern, texts, roles in found)
