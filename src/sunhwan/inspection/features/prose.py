"""Features of any text: quotes, brackets, lines, words, sentences and numbers."""

import re

import numpy as np

from sunhwan.inspection.features.feature import feature
from sunhwan.inspection.features.marks import (
    Counts,
    Logs,
    Mask,
    among,
    before,
    each,
    in_line,
    last,
    since,
    spans,
)

# An apostrophe inside a word is no quotation mark.
_APOSTROPHE = r"(?<=\w)['’](?=\w)"
_QUOTED = re.compile(
    r'"""[\s\S]*?(?:"""|\Z)'
    r"|'''[\s\S]*?(?:'''|\Z)"
    r'|"[^"\n]*"?'
    r"|“[^”\n]*”?"
    r"|「[^」\n]*」?|『[^』\n]*』?"
    rf"|(?<!\w)'(?:[^'\n]|{_APOSTROPHE})*'?"
    rf"|‘(?:[^’\n]|{_APOSTROPHE})*’?"
)
_BRACKETS = re.compile(r"[()\[\]{}]|\n[ \t]*(?=\n)")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_CLOSING = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』"}
_URL = re.compile(r"\b(?:https?|ftp)://([^\s<>\"]*)|\bwww\.([^\s<>\"]*)")


@feature("inside quotation marks", "따옴표 안", "a quotation mark was opened and not yet closed")
def quoted(text: str) -> Mask:
    """From the opening mark up to the closing one; a line's end closes all but triple ones."""

    def inside(match: re.Match[str]) -> tuple[int, int]:
        start, end = match.span()
        closed = end - start > 1 and text[end - 1] == _CLOSING[text[start]]
        return start, end - closed

    return spans(text, map(inside, _QUOTED.finditer(text)))


def _depths(text: str, kinds: str) -> Counts:
    """How many brackets of these kinds are open, none behind an empty line."""
    steps = np.zeros(len(text), np.int64)
    open_: list[str] = []
    for match in _BRACKETS.finditer(text):
        found, depth = match[0], sum(kind in kinds for kind in open_)
        if found[0] == "\n":
            open_ = []
        elif found in "([{":
            open_.append(found)
        elif _PAIRS[found] in open_:
            # What was opened inside and never closed ends with it.
            while open_.pop() != _PAIRS[found]:
                pass
        steps[match.end() - 1] += sum(kind in kinds for kind in open_) - depth
    return np.cumsum(steps)


@feature("inside parentheses", "소괄호 안", "a ( was opened and not yet closed")
def parenthesised(text: str) -> Mask:
    """Whether a parenthesis is open."""
    return _depths(text, "(") > 0


@feature("inside square brackets", "대괄호 안", "a [ was opened and not yet closed")
def bracketed(text: str) -> Mask:
    """Whether a square bracket is open."""
    return _depths(text, "[") > 0


@feature("inside braces", "중괄호 안", "a { was opened and not yet closed")
def braced(text: str) -> Mask:
    """Whether a brace is open."""
    return _depths(text, "{") > 0


@feature("bracket depth", "괄호 깊이", "how many brackets of any kind are open", "numeric")
def depth(text: str) -> Counts:
    """The number of open brackets."""
    return _depths(text, "([{")


@feature("position in the line", "줄 안의 위치", "characters since the last line break", "numeric")
def position(text: str) -> Counts:
    """0 at a line break."""
    return since(among(text, "\n"))


@feature("at the start of a line", "줄의 첫머리", "nothing but blanks since the last line break")
def line_start(text: str) -> Mask:
    """From the line break up to the first character that is no blank."""
    found: Mask = last(~each(text, str.isspace)) <= last(among(text, "\n"))
    return found


@feature(
    "indentation", "들여쓰기", "how many blanks the line begins with, as far as read", "numeric"
)
def indentation(text: str) -> Counts:
    """0 at a line break, then one more for each blank before the first other character."""
    newline = among(text, "\n")
    counts = np.cumsum(~newline & (last(~among(text, " \t\n")) <= last(newline)))
    return counts - np.where(last(newline) >= 0, counts[last(newline)], 0)


@feature(
    "lines since an empty one",
    "빈 줄 다음 줄 수",
    "line breaks since the last empty line, as log(1 + n)",
    "numeric",
)
def lines_since_empty(text: str) -> Logs:
    """0 in the empty line."""
    newline = among(text, "\n")
    lines = np.cumsum(newline)
    empty = last(newline & (before(newline)))
    found: Logs = np.log1p(lines - np.where(empty >= 0, lines[empty], 0))
    return found


@feature("inside a word", "단어 안", "a letter, a digit or _")
def word(text: str) -> Mask:
    """Which characters make words."""
    return each(text, lambda character: character.isalnum() or character == "_")


@feature("start of a word", "단어의 첫 글자", "the first character of a word")
def word_start(text: str) -> Mask:
    """In a word, and not before."""
    inside = word(text)
    return inside & ~before(inside)


@feature("position in the word", "단어 안의 위치", "characters of the word so far", "numeric")
def position_in_word(text: str) -> Counts:
    """1 at a word's first character, 0 outside."""
    return since(~word(text))


@feature("digit", "숫자", "a digit")
def digit(text: str) -> Mask:
    """Digits of any script."""
    return each(text, str.isdigit)


@feature("capital letter", "대문자", "an upper-case letter")
def capital(text: str) -> Mask:
    """Upper case."""
    return each(text, str.isupper)


@feature("run of capitals", "이어진 대문자", "an upper-case letter after another")
def capitals(text: str) -> Mask:
    """From the second capital on."""
    upper = capital(text)
    return upper & before(upper)


@feature("capitalised word", "대문자로 시작한 단어", "in a word that began with a capital")
def capitalised(text: str) -> Mask:
    """The whole of such a word, as far as read."""
    inside = word(text)
    begin = last(word_start(text))
    found: Mask = inside & capital(text)[np.maximum(begin, 0)]
    return found


@feature("blank", "빈칸", "a space, a tab or a line break")
def blank(text: str) -> Mask:
    """White space."""
    return each(text, str.isspace)


def _sentence_end(text: str) -> Mask:
    """A blank behind . ! or ?, also with a quotation mark or bracket between them."""
    ended, closing = among(text, ".!?。"), among(text, ")" + "".join(_CLOSING.values()))
    after = ended | (closing & before(ended))
    return blank(text) & before(after)


@feature(
    "position in the sentence",
    "문장 안의 위치",
    "characters since a sentence ended, as log(1 + n)",
    "numeric",
)
def position_in_sentence(text: str) -> Logs:
    """0 at the blank behind the end of a sentence or in an empty line."""
    newline = among(text, "\n")
    found: Logs = np.log1p(since(_sentence_end(text) | newline & before(newline)))
    return found


@feature("after a comma in the line", "같은 줄에서 쉼표 뒤", "the line has had a comma")
def after_comma(text: str) -> Mask:
    """Whether a comma came since the line break."""
    return in_line(among(text, ","), text)


@feature("after a colon in the line", "같은 줄에서 쌍점 뒤", "the line has had a colon")
def after_colon(text: str) -> Mask:
    """Whether a colon came since the line break."""
    return in_line(among(text, ":"), text)


@feature("line after a colon", "쌍점으로 끝난 줄의 다음 줄", "the line before ended in a colon")
def line_after_colon(text: str) -> Mask:
    """The whole line, from the line break behind the colon on."""
    newline = among(text, "\n")
    opened = newline & before(among(text, ":"))
    found: Mask = (last(opened) == last(newline)) & (last(opened) >= 0)
    return found


@feature("inside a web address", "웹 주소 안", "in an address that began with :// or www.")
def web_address(text: str) -> Mask:
    """From what begins it on, for before that it could be another word."""
    return spans(text, (match.span(match.lastindex or 0) for match in _URL.finditer(text)))
