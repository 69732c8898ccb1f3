"""Tunes as texts: read from ABC, in eighths, asked by metre and key."""

import re
from fractions import Fraction
from pathlib import Path

from sunhwan.data import Tune, read_tunes
from sunhwan.errors import DataError, quoted
from sunhwan.tasks.common.columns import Columns
from sunhwan.tasks.common.questions import Pair, Question

TUNE = Columns(("M", "K"), "tune")
"""What is asked of a tune, by the letters of its fields, and what is answered: its body."""

_FIELD = re.compile(r"([A-Za-z]):(.*)")
_CHANGE = re.compile(r"\[[KLM]:")
_NOTE = re.compile(r"([A-Ga-gxz][,']*)([0-9]*)(/*)([0-9]*)")
_SILENT = re.compile(r"(\"[^\"\n]*\"|![^!\n]*!|\[[A-Za-z]:[^]\n]{0,999}+\])")
"""Names of chords, decorations and fields, whose letters are no notes; each within a line."""
_DIGITS, _HALVES = 6, 12
"""Digits of a length, and how often it is halved, at most."""
_KEY = re.compile(r"([A-G])([#b]?) *([A-Za-z]*).*")
_MODES = {"maj": "", "ion": "", "m": "m", "min": "m", "aeo": "m"}
_MODES |= {mode: mode for mode in ("dor", "phr", "lyd", "mix", "loc", "exp")}


def tune_pairs(path: Path) -> list[Pair]:
    """The tunes of an ABC file, or of all in a folder and its folders, as questions of metre and key.

    The answer is the body in eighths (`in_eighths`), up to its first change of metre, key or L, for
    the question must hold throughout. Fields before the first note count as the header's; other
    fields of the body, such as the names of parts, are left out. DataError: no tune is left.
    """
    files = sorted(filter(_is_abc, path.rglob("*"))) if path.is_dir() else [path]
    pairs = []
    for tune in (tune for file in files for tune in read_tunes(file)):
        fields, body = _cleaned(tune)
        if body:
            metre, key = metre_of(fields.get("M", "")), key_of(fields["K"])
            try:
                unit = _length(fields.get("L", "")) or _unit(metre)
                pairs.append(Pair(Question((metre, key), tune.where), in_eighths(body, unit)))
            except ValueError as error:
                raise DataError(f"{tune.where}: {error}: mend or remove the tune") from None
    if not pairs:
        raise DataError(f"{path} holds no tune with notes: give .abc files that do")
    return pairs


def _is_abc(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(".abc") and path.is_file()


def in_eighths(body: str, unit: Fraction) -> str:
    """A tune's body whose lengths count in `unit`, a field L, with lengths that count in eighths.

    So tunes that sound alike look alike, and a bar of a metre has one length. ValueError: a note's
    length is none.
    """
    scale = unit / Fraction(1, 8)

    def scaled(note: re.Match[str]) -> str:
        pitch, over, slashes, under = note.groups()
        too_long = max(len(over), len(under)) > _DIGITS or len(slashes) > _HALVES
        if too_long or (under and not int(under)):
            raise ValueError(f"the note {quoted(note[0])} has no length that can be")
        below = int(under) if under else 2 ** len(slashes)
        length = Fraction(int(over or 1), below) * scale
        top = "" if length.numerator == 1 else str(length.numerator)
        return pitch + top + (f"/{length.denominator}" if length.denominator > 1 else "")

    parts = _SILENT.split(body)
    return "".join(
        part if place % 2 else _NOTE.sub(scaled, part) for place, part in enumerate(parts)
    )


def whole_tune(number: int, metre: str, key: str, body: str) -> str:
    """A complete tune in ABC notation: a header, and a body in eighths."""
    return f"X:{number}\nT:{metre} in {key}\nM:{metre}\nL:1/8\nK:{key}\n{body.strip()}\n"


def metre_of(field: str) -> str:
    """A field M as a fraction: C, common time, is 4/4, and C| is 2/2."""
    return {"C": "4/4", "C|": "2/2", "": "none"}.get(field.strip(), field.strip())


def key_of(field: str) -> str:
    """A field K as its tonic and mode: "G", "Am", "Dmix"; one that names no key as it is."""
    found = _KEY.fullmatch(field.strip())
    if found is None:
        return field.strip()
    # What is no mode, such as clef=treble or bass, is no part of the key.
    return found[1] + found[2] + _MODES.get(found[3][:3].lower(), "")


def _cleaned(tune: Tune) -> tuple[dict[str, str], str]:
    """The fields of a tune and its body, as `tune_pairs` says."""
    fields = dict(tune.fields)
    notes: list[str] = []
    for line in map(str.strip, tune.body.split("\n")):
        field = _FIELD.fullmatch(line)
        if field is None:
            notes.append(line)
        elif not notes:
            fields[field[1]] = field[2].strip()
        elif field[1] in "KLM":
            break
    body = "\n".join(notes).replace("\\\n", " ")
    change = _CHANGE.search(body)
    if change:
        body = body[: change.start()]
    lines = (" ".join(line.rstrip("\\").split()) for line in body.split("\n"))
    return fields, "\n".join(line for line in lines if line)


def _length(field: str) -> Fraction | None:
    """The length that a field L says; None where it is empty. ValueError: it says none."""
    found = _fraction(field)
    if found is None and field.strip():
        raise ValueError(f"the field L, {quoted(field)}, is no length such as 1/8")
    return found


def _unit(metre: str) -> Fraction:
    """The length that notes count in where no field L says it."""
    return Fraction(1, 16 if (_fraction(metre) or 1) < Fraction(3, 4) else 8)


def _fraction(text: str) -> Fraction | None:
    """A fraction more than 0, such as 6/8 or 1; None where the text is none."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})(?:/([1-9][0-9]{0,5}))?", text.strip())
    return Fraction(int(found[1]), int(found[2] or 1)) if found else None
