"""Tunes as texts about their metre and key."""

import re
from fractions import Fraction
from pathlib import Path

from sunhwan.data import Tune, read_tunes
from sunhwan.errors import DataError
from sunhwan.tasks.rows import Columns, Pair, Question

TUNE = Columns(("M", "K"), "tune")
"""What is asked of a tune, by the letters of its fields, and what is answered: L and the body."""

_FIELD = re.compile(r"([A-Za-z]):(.*)")
_CHANGE = re.compile(r"\[[KLM]:")
_KEY = re.compile(r"([A-G])([#b]?) *([A-Za-z]*).*")
_MODES = {"": "", "maj": "", "ion": "", "m": "m", "min": "m", "aeo": "m"}


def tune_pairs(path: Path) -> list[Pair]:
    """The tunes of an ABC file, or of those in a folder, as questions of metre and key.

    The answer is the field L and the body up to its first change of metre, key or L, for the question
    must hold throughout. Fields before the first note count as the header's; other fields of the
    body, such as the names of parts, are left out. DataError: no tune is left.
    """
    files = sorted(path.glob("*.abc")) if path.is_dir() else [path]
    pairs = []
    for tune in (tune for file in files for tune in read_tunes(file)):
        fields, body = _cleaned(tune)
        if body:
            metre, key = metre_of(fields.get("M", "")), key_of(fields["K"])
            length = fields.get("L") or _unit(metre)
            pairs.append(Pair(Question((metre, key), tune.where), f"L:{length}\n{body}"))
    if not pairs:
        raise DataError(f"{path} holds no tune with notes: give .abc files that do")
    return pairs


def whole_tune(number: int, metre: str, key: str, text: str) -> str:
    """A complete tune in ABC notation: its header, and the text that was written for it."""
    head, _, body = text.partition("\n")
    if not re.fullmatch(r"L:\d+/\d+", head):
        head, body = f"L:{_unit(metre)}", text
    lines = (f"X:{number}", f"T:{metre} in {key}", f"M:{metre}", head, f"K:{key}", body.strip("\n"))
    return "\n".join(lines) + "\n"


def metre_of(field: str) -> str:
    """A field M as a fraction: C, common time, is 4/4, and C| is 2/2."""
    return {"C": "4/4", "C|": "2/2", "": "none"}.get(field.strip(), field.strip())


def key_of(field: str) -> str:
    """A field K as its tonic and mode: "G", "Am", "Dmix"; one that names no key as it is."""
    found = _KEY.fullmatch(field.strip())
    if found is None:
        return field.strip()
    mode = found[3][:3].lower()
    return found[1] + found[2] + _MODES.get(mode, mode)


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


def _unit(metre: str) -> str:
    """The length of a note where no field L says it."""
    try:
        return "1/16" if Fraction(metre) < Fraction(3, 4) else "1/8"
    except (ValueError, ZeroDivisionError):
        return "1/8"
