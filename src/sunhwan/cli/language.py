"""Language of the command line: `--language`, or that of this computer."""

import re
from collections.abc import Sequence

from sunhwan.errors import UsageError, did_you_mean, quoted
from sunhwan.messages import LANGUAGES, catalogue, language_of_computer, message

_chosen = ["en"]


def choose_language(arguments: Sequence[str]) -> list[str]:
    """Take the language that `--language` names anywhere, or else that of this computer.

    Gives the other arguments; `inspect`, whose report has a language too, keeps the option.
    """
    named, others, left = language_of_computer(), list[str](), list(arguments)
    _chosen[0] = named  # which a refusal here is told in
    while left:
        argument = left.pop(0)
        if argument == "--":
            others += [argument, *left]
            break
        name, _, value = argument.partition("=")
        if name != "--language":
            others.append(argument)
            continue
        named = value if "=" in argument else left.pop(0) if left else ""
        if others[:1] == ["inspect"]:
            others += ["--language", named]
    if named not in LANGUAGES:
        near = did_you_mean(named, LANGUAGES)
        raise UsageError(f"--language must be {' or '.join(LANGUAGES)}, not {quoted(named)}{near}")
    _chosen[0] = named
    return others


def language() -> str:
    """The language that was chosen."""
    return _chosen[0]


def say(key: str, **values: object) -> str:
    """The message of a key of the catalogue's part "cli"."""
    return message("cli", key, language(), **values)


def noted(line: str) -> str:
    """A line on what was found in the data, in the language that was chosen."""
    from sunhwan.messages.mistakes import note

    return note(line, language())


def named_figure(name: str) -> str:
    """The name of a figure or of a column of a listing; one without a translation as it is."""
    if language() == "en":
        return name
    found = catalogue()["figures"]
    return next((texts[language()] for texts in found.values() if texts["en"] == name), name)


def with_unit(cell: str) -> str:
    """A number of a table with its unit, if it has one, translated."""
    value, space, unit = cell.partition(" ")
    if unit.startswith("("):
        return f"{value}{space}({noted(named_figure(unit[1:].removesuffix(')')))})"
    return f"{value}{space}{named_figure(unit)}"


def summary_of(text: str) -> str:
    """A summary, name and number of each figure between two spaces, with the names translated."""
    parts = re.split(r"(  +)", text)
    return "".join(_figure(part) for part in parts)


def _figure(part: str) -> str:
    found = re.fullmatch(r"(.+) (\S*\d\S*|nan|inf)", part)
    return f"{named_figure(found[1])} {found[2]}" if found else part
