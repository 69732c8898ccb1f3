"""Fast random strings out of the corners of Unicode, and slow plain versions of the laws."""

import random
import unicodedata

RANGES = (
    (0x20, 0x7E),
    (0x00, 0x1F),
    (0x80, 0x24F),
    (0x300, 0x36F),  # combining marks
    (0x900, 0x97F),  # Devanagari, with composition exclusions
    (0x1100, 0x11FF),  # conjoining jamo, modern and old
    (0x1100, 0x1112),
    (0x1161, 0x1175),
    (0x11A7, 0x11C3),
    (0x2000, 0x206F),  # spaces, ZWJ, line and paragraph separators
    (0x3131, 0x318E),
    (0xAC00, 0xD7A3),
    (0xD800, 0xDFFF),
    (0xE000, 0xF8FF),
    (0xF900, 0xFAFF),
    (0xFFF0, 0xFFFF),
    (0x1F1E6, 0x1FAFF),
    (0x10FFF0, 0x10FFFF),
)
BITS = (
    *(" ", " ", "\n", "\n\n", "\r", "\r\n", "\0", "\t", "\x85", "\u2028", "\u3000"),
    *("e\u0301", "q\u0323\u0307", "q\u0307\u0323", "\u212b", "\ufeff", "\ufffd"),
    *(
        "각",
        "가",
        "\u1100",
        "\u1161",
        "\u11a8",
        "가\u11a8",
        "각\u11a8",
        "\u1100가",
        "가\u0301\u11a8",
    ),
    *("👩\u200d👩\u200d👧", "🇰🇷", "\ud83d\ude00", "\ude00\ud83d", "<unk>", "<eos>", "the", "word"),
)


def random_text(rng: random.Random, longest: int = 24) -> str:
    pieces = []
    for _ in range(rng.randrange(longest)):
        if rng.random() < 0.4:
            pieces.append(rng.choice(BITS))
        else:
            pieces.append(chr(rng.randint(*rng.choice(RANGES))))
    text = "".join(pieces)
    return unicodedata.normalize("NFD", text) if rng.random() < 0.2 else text


def plain_normalize(text: str) -> str:
    """What `normalize` must do, one character at a time."""
    text = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def plain_letters(text: str) -> list[str]:
    """The letters of Hangul syllables, every other character as it is."""
    return [
        letter
        for character in text
        for letter in (
            unicodedata.normalize("NFD", character)
            if "\uac00" <= character <= "\ud7a3"
            else character
        )
    ]


def plain_join(letters: list[str]) -> str:
    """Syllables out of letters by the composition of NFC, applied to two characters at a time."""
    joined: list[str] = []
    for letter in letters:
        if joined and "\u1100" <= joined[-1] <= "\ud7a3":
            pair = unicodedata.normalize("NFC", joined[-1] + letter)
            if len(pair) == 1 and "\uac00" <= pair <= "\ud7a3":
                joined[-1] = pair
                continue
        joined.append(letter)
    return "".join(joined)
