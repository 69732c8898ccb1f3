"""Encodings: which one bytes are in, where that is certain."""

import re
import unicodedata
from collections import Counter
from typing import NamedTuple

_SAMPLE = 1 << 16  # bytes looked at for the places of NUL; a multiple of 4
# The marks of UTF-32 come first: the little-endian one begins with that of UTF-16.
_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_CONTROLS = re.compile("[\x01-\x08\x0b\x0e-\x1f\x7f]")

_FREQUENT = frozenset(
    "가각간갈감값강같개거건걸검것게겠겨결경계고곳공과관구국그글금기긴길까께꾸끝나난날남낱내너넘네년노누눈느는늘니다단달답당대더던데델도돌동되된두둘뒤드든들"
    "듯등디따때또라락란람랑래러런렇레려력로록루르른를름리린림마막만많말망맞매머먹며면명몇모못무문물므미바반받방배버번벡벨별보본볼봐봤부분비빠사산살상새생서"
    "선설성세소속손수순스습시신실심싶쓰씁씩아안않알았앞애야어억언얼없엇었에여역연열였영예오온올와왔요용우운울웃워원위유으은을음의이인일읽임입있자작잘장재저"
    "적전절점정제져졌조종좋죠주준줄중증지직진질집짜짝째차창찾책처천철첫체최추출층치친코크큰큼타태터토트파편평포표풀프필하학한할함합해했행호화확환회후휘히힘"
)
"""The 300 syllables that are nine tenths of all in Korean prose."""
_OF_COLUMNS = frozenset("값량률율액판균측별총품번층점명월목군읍북업종현황형")
"""Others that names of columns have, as 판매량 and 금액."""

_WESTERN = tuple(
    map(
        frozenset,
        (
            "àâæçèéêëîïôùûüœ",  # French, Dutch
            "äöüßéèà",  # German
            "áéíóúñüçïàèò",  # Spanish, Catalan
            "áâãàçéêíóôõúü",  # Portuguese
            "àèéìíîòóùú",  # Italian
            "åäöæøéèü",  # Danish, Finnish, Norwegian, Swedish
            "áðéíóúýþæö",  # Icelandic
        ),
    )
)
_MARKS_OF_PROSE = frozenset("¡¿«»°§£€“”‘’–—…•©®™½¼¾²³·ºª´\xa0\xad×÷±„‚")
_ALONE = frozenset("àèéôü")  # ü: short for "you" in messages
_ODD = (
    r"(?<=[a-zA-Z])[^\w\s\x00-\x7f’‘´·\xad–—…](?=[a-zA-Z])",  # a mark inside a word
    r"(?<=[a-zA-Z])[‚„]",
    r"(?<=[a-z])[À-ÖØ-ÞŒ](?=[a-z\W])",  # a capital inside a word
    "ã(?=[a-df-hj-np-rt-z])|õ(?!e)",  # so never in Portuguese
)


class Guess(NamedTuple):
    """An encoding: its name for people, its name for Python, and whether it is certain."""

    name: str
    codec: str
    certain: bool = True


def recognise(data: bytes) -> Guess:
    """The encoding of the bytes; its name is "" where nothing is known of it.

    A byte-order mark decides; else UTF-8 where it decodes, or UTF-16 or UTF-32 by the places of
    the NUL bytes; else CP949 where most characters are usual Korean syllables, and Latin-1 or
    cp1252 where what is not ASCII are the letters of one western language, inside its words. A file
    all of whose other bytes are pairs of a syllable is no western text, however short.
    """
    wide = _wide(data)
    if wide is not None:
        return wide
    if _decodes(data, "utf-8"):
        return Guess("UTF-8", "utf-8-sig")
    in_pairs = _is_in_pairs(data)
    if not in_pairs and _is_damaged_utf8(data):
        return Guess("", "")
    text = _decoded(data, "cp949")
    korean = None if text is None else _korean(text, alone=in_pairs)
    if in_pairs or (korean and korean.certain):
        return korean or Guess("CP949", "cp949", False)
    text = _decoded(data, "cp1252")
    if text is not None and _is_western(text):
        plain = re.search(rb"[\x80-\x9f]", data) is None
        return Guess("Latin-1", "latin-1") if plain else Guess("cp1252", "cp1252")
    return korean or Guess("", "")


def is_wide(data: bytes) -> bool:
    """Whether a text that begins so may be UTF-16 or UTF-32, for it has their mark or NUL bytes."""
    return data.startswith(tuple(mark for mark, _ in _MARKS)) or 0 in data[:_SAMPLE]


def _wide(data: bytes) -> Guess | None:
    """UTF-16 or UTF-32 where the byte-order mark or the places of the NUL bytes tell so."""
    for mark, name in _MARKS:
        if data.startswith(mark) and (name == "UTF-16" or _decodes(data, name)):
            return Guess(name, name)
    sample = data[:_SAMPLE]
    if len(sample) < 8 or 0 not in sample or sample.count(0) == len(sample):
        return None
    for name in ("UTF-32LE", "UTF-32BE"):
        text = _decoded(data, name)
        if text is not None and text.count("\0") < len(sample) / 20:
            return Guess(name, name, _is_plausible(text))
    if not _decodes(data, "utf-8") and (korean := _wide_korean(data)):
        return korean
    even, odd = (sample[parity::2].count(0) / (len(sample) // 2) for parity in (0, 1))
    # Bytes that are UTF-8 as well need strong evidence, because NUL is a legal character.
    needed = 0.4 if _decodes(data, "utf-8") else 0.02
    for name, nulls, others in (("UTF-16LE", odd, even), ("UTF-16BE", even, odd)):
        if nulls >= needed and others <= 0.05 * nulls:
            text = _decoded(data, name)
            if text is not None:
                return Guess(name, name, _is_plausible(text))
    return None


def _wide_korean(data: bytes) -> Guess | None:
    """UTF-16 of Korean, whose syllables such as 가 (U+AC00) have a NUL byte at the other place."""
    for name in ("UTF-16LE", "UTF-16BE"):
        text = _decoded(data, name)
        korean = None if text is None or "\0" in text else _korean(text)
        if korean:
            return Guess(name, name, korean.certain)
    return None


def _is_plausible(text: str) -> bool:
    """Whether every character is one that a text has: assigned, and none of the rarer controls."""
    return not any(
        character in "\0\x7f"
        or (unicodedata.category(character) in ("Cc", "Cn", "Co") and character not in "\t\n\f\r")
        for character in set(text)
    )


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether more characters beyond ASCII are right UTF-8 than wrong, or the end is cut short."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end == len(data) and error.reason == "unexpected end of data":
            return True
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = sum(n for c, n in Counter(text).items() if not c.isascii()) - wrong
    return right >= wrong


_PAIRS = re.compile(rb"(?:[\0-\x7f]++|[\xb0-\xc8][\xa1-\xfe])*+")
_INSIDE = re.compile(rb"(?<=[A-Za-z])[\x80-\xff]+(?=[A-Za-z])")


def _is_in_pairs(data: bytes) -> bool:
    """Whether the bytes beyond ASCII are pairs, each a syllable of KS X 1001.

    Not where all of them stand between letters, as ÇÃ in SITUAÇÃO.
    """
    return bool(_PAIRS.fullmatch(data)) and not _INSIDE.sub(b"", data).isascii()


def _korean(text: str, *, alone: bool = False) -> Guess | None:
    """CP949, certain or not, of what was decoded as such; None: it is no Korean.

    alone: whether it can hardly be anything else, so that fewer syllables are certain.

    Chinese and Japanese encodings decode too, but to rare syllables and Chinese characters.
    """
    if _CONTROLS.search(text):
        return None
    frequent = usual = rare = foreign = 0
    for character, n in Counter(text).items():
        if "가" <= character <= "힣":
            frequent += n * (character in _FREQUENT or (alone and character in _OF_COLUMNS))
            in_standard = _encodes(character, "euc_kr")
            usual, rare = usual + n * in_standard, rare + n * (not in_standard)
        elif not character.isascii() and character.isalpha() and not "ㄱ" <= character <= "ㆎ":
            foreign += n
    syllables = usual + rare
    if not syllables or foreign > syllables:
        return None
    certain = (
        frequent >= (0.5 * syllables if alone else max(3, 0.6 * syllables))
        and rare <= 1 + 0.05 * syllables
        and foreign <= 0.2 * syllables
    )
    if not certain and 2 * rare > syllables:
        return None
    return Guess("CP949", "cp949", certain)


def _is_western(text: str) -> bool:
    """Whether what was decoded as cp1252 is such a text.

    The letters beyond ASCII belong to one language, are few, and stand beside other letters; other
    characters are those of prose and never inside a word, but for an apostrophe.
    """
    if _CONTROLS.search(text) or "\0" in text:
        return False
    counts = Counter(text.lower())
    letters = {c: n for c, n in counts.items() if not c.isascii() and c.isalpha() and c not in "ºª"}
    total = sum(letters.values())
    plain = sum(n for c, n in counts.items() if c.isascii() and c.isalpha())
    if plain < 3 or 2 * total > plain:
        return False
    others = {c for c in counts if not c.isascii() and c not in letters}
    if not others <= _MARKS_OF_PROSE:
        return False
    if not any(sum(letters.get(c, 0) for c in known) >= 0.99 * total for known in _WESTERN):
        return False
    odd = sum(
        match.group().lower() not in _ALONE
        for match in re.finditer(r"(?<![^\W\d_])[^\W\d_a-zA-Zºª](?![^\W\d_])", text)
    )
    odd += sum(len(re.findall(pattern, text)) for pattern in _ODD)
    return odd <= 0.02 * (total + sum(counts[c] for c in others))


def _decodes(data: bytes, codec: str) -> bool:
    return _decoded(data, codec) is not None


def _decoded(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _encodes(character: str, codec: str) -> bool:
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
