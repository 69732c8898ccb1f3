"""Features of program text and markup: strings, comments, definitions, tags."""

import re
from collections.abc import Iterator

import numpy as np

from sunhwan.inspection.features.feature import feature
from sunhwan.inspection.features.marks import Mask, among, in_line, last, matches, spans

# Inside a word an apostrophe opens nothing, unless the word is a prefix as in rb'…'.
_STRING = (
    r"(?P<prefix>(?<!\w)[bBfFrRuU]{0,2})(?P<string>"
    r'"""(?:[^\\"]|\\[\s\S]|"(?!""))*(?:"""|\Z)'
    r"|'''(?:[^\\']|\\[\s\S]|'(?!''))*(?:'''|\Z)"
    r'|"(?:[^"\\\n]|\\[\s\S])*"?'
    r"|'(?:[^'\\\n]|\\[\s\S])*'?)"
)
_HASH = re.compile(rf"(?P<comment>#[^\n]*)|{_STRING}")
_SLASHES = re.compile(rf"(?P<comment>//[^\n]*|/\*[\s\S]*?(?:\*/|\Z))|{_STRING}")
_BEGINS_HASH = re.compile(r"^[ \t]*#(?!include|define|undef|if|el|endif|pragma)", re.MULTILINE)
_BEGINS_SLASHES = re.compile(r"^[ \t]*(?://|/\*)", re.MULTILINE)
_DEFINITION = re.compile(
    r"^[ \t]*(?:async +)?(?:def|class|function|fn|func|struct)\b", re.MULTILINE
)
_IMPORT = re.compile(r"^[ \t]*(?:import|from|#include|using|use)\b", re.MULTILINE)
_TAG = re.compile(r"<[a-zA-Z/!?][^<>\n]*")


def _scanned(text: str) -> Iterator[re.Match[str]]:
    """Comments and string literals, each of which hides the other's signs."""
    hashes, slashes = (
        sum(1 for _ in begins.finditer(text)) for begins in (_BEGINS_HASH, _BEGINS_SLASHES)
    )
    return (_SLASHES if slashes > hashes else _HASH).finditer(text)


def _inside(match: re.Match[str]) -> tuple[int, int]:
    """Up to what closes the string, which is no longer inside."""
    start, end = match.span("string")
    opening = match["string"][:3] if match["string"][:3] in ('"""', "'''") else match["string"][:1]
    closed = end - start >= 2 * len(opening) and match["string"].endswith(opening)
    return start, end - closed


@feature("inside a string literal", "문자열 상수 안", "in a string of a program, a docstring too")
def string_literal(text: str) -> Mask:
    """From the opening quote up to the closing one."""
    return spans(text, (_inside(match) for match in _scanned(text) if match["string"]))


@feature("inside triple quotes", "세 겹 따옴표 안", "in a string between three quotes")
def triple_quoted(text: str) -> Mask:
    """From the third of the opening quotes on."""
    found = (m for m in _scanned(text) if m["string"] and m["string"][:3] in ('"""', "'''"))
    return spans(text, ((start + 2, end) for start, end in map(_inside, found)))


@feature("inside a comment", "주석 안", "in a comment: # or, where these are more, // and /*")
def comment(text: str) -> Mask:
    """From the sign that begins it up to the line's end, or to what closes it."""
    return spans(text, (match.span("comment") for match in _scanned(text) if match["comment"]))


@feature(
    "after an equals sign in the line", "같은 줄에서 등호 뒤", "the line has had an equals sign"
)
def after_equals(text: str) -> Mask:
    """Whether = came since the line break."""
    return in_line(among(text, "="), text)


def _rest_of_line(text: str, pattern: re.Pattern[str]) -> Mask:
    """From the end of each match to the end of its line."""
    ends = [match.end() - 1 for match in pattern.finditer(text)]
    mask = np.zeros(len(text), np.bool_)
    mask[ends] = True
    return in_line(mask, text)


@feature("line that defines", "정의하는 줄", "in a line behind def, class, function or struct")
def definition(text: str) -> Mask:
    """From the end of the keyword on."""
    return _rest_of_line(text, _DEFINITION)


@feature("line that imports", "가져오기 줄", "in a line behind import, from or #include")
def imports(text: str) -> Mask:
    """From the end of the keyword on."""
    return _rest_of_line(text, _IMPORT)


@feature("inside a tag", "태그 안", "between < and > as in HTML")
def tag(text: str) -> Mask:
    """From the < on; a line's end ends it."""
    return matches(text, _TAG)


@feature(
    "line that began indented", "들여쓴 줄", "in a line that began with a blank"
)  # fmt: skip
def indented(text: str) -> Mask:
    """From its first blank to its end."""
    newline = last(among(text, "\n"))
    blank = among(text, " \t")
    first = np.minimum(newline + 1, max(len(text) - 1, 0))
    found: Mask = blank[first] & (np.arange(len(text)) > newline)
    return found
