"""Edit scripts: what turns a word into its lemma, as a label that other words can share.

The rules of lemmas of UDPipe 2 (Straka 2018, "UDPipe 2.0 Prototype at CoNLL 2018 UD Shared Task"): the
longest part that word and lemma have in common stays, whatever it is; what is kept, left out and put in
before it is counted from the word's beginning, what is behind it from the end. A Korean syllable is
edited letter by letter, so that 난다 → 나+ㄴ다 and 간다 → 가+ㄴ다 are one script.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher

FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
"""The letters that can end a syllable, in the order of their code points from U+11A8 on."""

_DOWN = {ord(letter): 0x11A8 + place for place, letter in enumerate(FINALS)}
_UP = {code: chr(letter) for letter, code in _DOWN.items()}
_LONE = re.compile("[\u1100-\u11ff]")
_SYLLABLE = re.compile("[가-힣]")


def split_script(token: str, words: Sequence[str]) -> str:
    """The script that makes these words, with spaces between, of a token; what they are cut of is cut
    from its end."""
    if "".join(words) == token:
        back = [part for word in words[1:] for part in (" ", len(_letters(word)))]
        return json.dumps(["as is", [], back])
    return edit_script(token, " ".join(words), lower=False)


def edit_script(word: str, lemma: str, lower: bool | None = None) -> str:
    """The script that makes this lemma of this word: JSON of a list.

    lower: whether it edits the word in lower case; None: where the lemma is.

    ["lower" or "as is", edits from the start, edits at the end]; an edit is a number of letters to keep,
    below 0 to leave out, or letters to put in. ["whole", lemma] where the two have nothing in common.
    """
    lower = lemma == lemma.lower() if lower is None else lower
    a, b = _letters(word.lower() if lower else word), _letters(lemma)
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    middle = matcher.find_longest_match()
    if middle.size:
        front: list[int | str] = []
        back: list[int | str] = []
        passed = False
        for kind, start, end, first, last in matcher.get_opcodes():
            if not passed and kind == "equal" and start == middle.a:
                passed = True
                continue
            edits = back if passed else front
            if kind == "equal":
                edits.append(end - start)
            else:
                edits += [start - end] * (end > start) + [b[first:last]] * (last > first)
        script = json.dumps(["lower" if lower else "as is", front, back], ensure_ascii=False)
        if passed and edited(word, script) == lemma:
            return script
    return json.dumps(["whole", lemma], ensure_ascii=False)


def edited(word: str, script: str) -> str | None:
    """What a script makes of a word; None where the word is too short for it, or letters that belong
    into a syllable would stand alone."""
    how, *parts = json.loads(script)
    if how == "whole":
        return str(parts[0])
    front, back = parts
    letters = _letters(word.lower() if how == "lower" else word)
    behind = len(letters) - _read(back)
    if _read(front) > behind:
        return None
    before = _applied(front, letters)
    after = _applied(back, letters[behind:])
    made = _composed(before + letters[_read(front) : behind] + after)
    return made if made and not (set(_LONE.findall(made)) - set(word)) else None


def is_script(script: object) -> bool:
    """Whether a text is a script, from any source."""
    try:
        how, *parts = json.loads(str(script))
        if how == "whole":
            return len(parts) == 1 and isinstance(parts[0], str)
        front, back = parts
        edits = [*front, *back]
    except (ValueError, TypeError):
        return False
    return how in ("lower", "as is") and all(type(edit) in (int, str) for edit in edits)


def _read(edits: list[int | str]) -> int:
    """How many letters of the word edits go over."""
    return sum(abs(edit) for edit in edits if not isinstance(edit, str))


def _applied(edits: list[int | str], letters: str) -> str:
    made, place = "", 0
    for edit in edits:
        if isinstance(edit, str):
            made += edit
            continue
        made += letters[place : place + max(edit, 0)]
        place += abs(edit)
    return made


def _letters(text: str) -> str:
    """Korean syllables as their letters; a letter that stands alone as one that ends a syllable."""
    apart = _SYLLABLE.sub(lambda found: unicodedata.normalize("NFD", found[0]), text)
    return apart.translate(_DOWN)


def _composed(letters: str) -> str:
    return unicodedata.normalize("NFC", letters).translate(_UP)
