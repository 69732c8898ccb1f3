"""Dates and times of day in the writings that tables use: how one is read, and written alike."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sunhwan.data.month_names import ENGLISH, MONTH_NUMBERS, month_names

# fmt: off
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# fmt: on
_KOREAN_WEEKDAYS = "월화수목금토일"
_ENGLISH_MONTH = "|".join(dict.fromkeys(name for table in ENGLISH for name in table))
_ANY_MONTH = "|".join(sorted(MONTH_NUMBERS, key=len, reverse=True))
_ANY_WEEKDAY = "|".join((*WEEKDAYS, "Tues", "Thurs", "Thur", *(name[:3] for name in WEEKDAYS)))
_SEP = r"\s*[-/.]\s*"
_YEAR, _MONTH, _DAY = r"(?P<y>\d{4}|\d{2})", r"(?P<m>\d{1,2})", r"(?P<d>\d{1,2})"
_LONG_YEAR, _NAMED = r"(?P<y>\d{4})", rf"(?P<mon>(?:{_ANY_MONTH})\.?)"
_NTH = r"(?:st|nd|rd|th|er|[º°])?"
_OF = r"(?:(?:of|de|del)\s+|d['’])?"
_FIRST = re.compile(r"1(?:er|[º°])")
"""The first of a month, which alone has a mark: 1er mai, 2 mai."""
_AROUND = r"(?:\s*[-/.,]\s*|\s+)"

_DATES = {
    # 2015.1/4 is a quarter, as banks write it.
    "year-month-day": rf"(?!\d{{4}}\s*[-.년]\s*[1-4]/4$){_YEAR}(?:{_SEP}|\s*[년年]\s*)"
    rf"{_MONTH}(?:{_SEP}|\s*[월月]\s*){_DAY}(?:\s*[일日]|\.)?",
    "day-month-year": rf"{_DAY}{_SEP}{_MONTH}{_SEP}{_YEAR}\.?",
    "month-day-year": rf"{_MONTH}{_SEP}{_DAY}{_SEP}{_YEAR}",
    "day name year": rf"{_DAY}{_NTH}(?:{_AROUND})?{_OF}{_NAMED}(?:{_AROUND})?{_OF}'?{_YEAR}",
    "name day year": rf"{_NAMED}(?:{_AROUND})?{_DAY}{_NTH}{_AROUND}'?{_YEAR}",
    "year name day": rf"{_LONG_YEAR}(?:{_AROUND})?{_NAMED}(?:{_AROUND})?{_DAY}",
    "digits": r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",
    "digits and hour": r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?P<H>\d{2})(?:(?P<M>\d{2})(?P<S>\d{2})?)?",
    "year-month": rf"{_LONG_YEAR}(?:\s*[-/]\s*|\s*[년年]\s*){_MONTH}(?:\s*[월月])?",
    "year.month": rf"{_LONG_YEAR}\.\s*{_MONTH}\.?",
    "month-year": rf"{_MONTH}\s*[-/.]\s*{_LONG_YEAR}",
    "digits of a month": r"(?P<y>\d{4})(?P<m>\d{2})",
    "name year": rf"{_NAMED}(?:{_AROUND})?{_OF}'?{_YEAR}",
    "year name": rf"{_LONG_YEAR}(?:{_AROUND})?{_NAMED}",
    "year-quarter": rf"{_LONG_YEAR}(?:[-/. ]?[qQ]|\s*년\s*|\s*[-/. ]\s*(?=[1-4]\s*(?:분기|/4|[qQ]$)))"
    r"(?P<q>[1-4])(?:(?:/4)?(?:\s*분기)?|[qQ])",
    "quarter-year": rf"(?:[qQ](?P<q>[1-4])[-/ ]?|(?P<q2>[1-4])(?:[qQ]|분기)[-/ ]?){_LONG_YEAR}",
    "year-half": rf"{_LONG_YEAR}[-/. ]?[hH](?P<hf>[12])",
    "year-week": rf"{_LONG_YEAR}-?W(?P<w>\d{{2}})(?:-?(?P<wd>[1-7]))?",
    "year": rf"{_LONG_YEAR}\s*(?:년도?|年)",
}
_NUMBERS = {
    "short digits": r"(?P<y>\d{2})(?P<m>\d{2})(?P<d>\d{2})",
    "digits day-month-year": r"(?P<d>\d{1,2})(?P<m>\d{2})(?P<y>\d{4})",
    "digits month-day-year": r"(?P<m>\d{1,2})(?P<d>\d{2})(?P<y>\d{4})",
    "short digits of a month": r"(?P<y>\d{2})(?P<m>\d{2})",
    "short digits and hour": r"(?P<y>\d{2})(?P<m>\d{2})(?P<d>\d{2})(?P<H>\d{2})",
    "digits of a quarter": r"(?P<y>\d{4})[.0]?(?P<q>[1-4])",
    "digits of a week": r"(?P<y>\d{4})(?P<w>\d{2})",
}
_WHOLE_DAYS = tuple(_DATES)[:7]
"""The orders after which a time of day may stand."""

_CLOCK = (
    r"(?:(?P<ap0>오전|오후|[AaPp][Mm])\s*)?(?P<H>\d{1,2})(?P<h>\s*시)?"
    r"(?:(?:(?P<c>:)|(?<=시)\s*|(?<=[T ]\d\d))(?P<M>\d{2}|(?<=\s)\d(?=\s*분)|(?<=시)\d(?=\s*분))(?:\s*분)?"
    r"(?:(?::|(?<=분)\s*|(?<=[T ]\d{4}))(?P<S>\d{2}|(?<=\s)\d(?=\s*초))(?P<f>[.,]\d{1,9})?(?:\s*초)?)?)?"
    r"(?:\s*(?P<ap>[AaPp]\.?[Mm]\b\.?))?"
)
_ZONE = (
    r"(?:\s*(?P<z>Z|UTC|GMT|KST|[+-]\d{2}(?::?\d{2})?))?"
    r"(?:\s*\[?(?P<zone>[A-Z]\w+(?:/[A-Z][\w+-]*)+)\]?)?"
)
_BEFORE = rf"(?:(?P<wd0>{_ANY_WEEKDAY})\.?,?\s+)?"
_AFTER = rf"(?:,?\s*\(?(?P<wd1>{_ANY_WEEKDAY}|[{_KOREAN_WEEKDAYS}](?:요일)?(?![0-9]))\)?)?"
_PATTERNS = {
    name: re.compile(
        _BEFORE + date + _AFTER + rf"(?:(?:\s*T\s*|,?\s+|:|(?<=[일日\)])){_CLOCK}{_ZONE})?"
        if name in _WHOLE_DAYS
        else date,
        re.IGNORECASE,
    )
    for name, date in (_DATES | _NUMBERS).items()
}
LONGEST = 100
"""Characters of a date."""

ORDERS = tuple(_DATES)
"""In which orders the parts of a date are written."""

ORDERS_OF_NUMBERS = tuple(_NUMBERS)
"""Those of plain numbers that are dates only by the evidence of a whole column."""

_OTHER_MONTHS = (
    "jan|ene|gen|feb|fév|fev|mar|mär|maa|apr|avr|abr|mag|mai|mei|jui|jun|giu|jul|lug|aoû|aug|ago|sep|set|"
    "oct|okt|ott|out|nov|dec|déc|dez|dic"
)
_A_YEAR = r"(?<!\d)(?:1[89]|2[01])\d\d(?!\d)"
_LOOKS = re.compile(
    rf"\d+\s*[-/.:]\s*\d+\s*[-/.:]\s*\d+|\d{{1,4}}[-/]\d{{1,4}}|\d{{1,2}}:\d{{2}}"
    r"|\d+\s*(?:[년월시年月日時]|분기)"
    rf"|\d\W*(?:{_ENGLISH_MONTH})\b|\b(?:{_ENGLISH_MONTH})\W*\d|\b\d{{1,2}}[QH]\W?\d{{2}}\b"
    r"|\bFY\W?\d{2}"
    rf"|{_A_YEAR}\D+\d|\d\D+{_A_YEAR}|{_A_YEAR}\W*(?:{_OTHER_MONTHS})|\b(?:{_OTHER_MONTHS})\w*\W*{_A_YEAR}",
    re.IGNORECASE,
)


_PADDED = ("m", "d", "H")
"""Parts that some write with a 0 before a single digit, and others without."""


class DateReading(NamedTuple):
    """A date as it was read: the clock's time where it was written, and how far that is from UTC."""

    local: datetime
    offset: timedelta | None = None
    zone: str = ""


def looks_like_date(text: str) -> bool:
    """Whether a person would take this for a date or a time of day, understood or not."""
    return len(text) <= LONGEST and _LOOKS.search(text) is not None


def read_date(text: str, order: str) -> DateReading | None:
    """Read a date whose parts stand in this order, or None."""
    match = _PATTERNS[order].fullmatch(text.strip()) if len(text) <= LONGEST else None
    return _reading(match, order) if match else None


def orders_of(text: str) -> list[str]:
    """The orders in which this can be read as a date."""
    return [order for order in ORDERS if read_date(text, order) is not None]


def _reading(match: re.Match[str], order: str) -> DateReading | None:
    part = match.groupdict()
    year = int(part["y"])
    if len(part["y"]) == 2:
        year += 1900 if year >= 69 else 2000
    try:
        if week := part.get("w"):
            return DateReading(datetime.fromisocalendar(year, int(week), int(part.get("wd") or 1)))
        quarter = part.get("q") or part.get("q2")
        half = part.get("hf")
        month = 3 * int(quarter) - 2 if quarter else int(part.get("m") or 1)
        month = 6 * int(half) - 5 if half else month
        if part.get("mon"):
            month = MONTH_NUMBERS[part["mon"].rstrip(".").lower()]
        date = datetime(year, month, int(part.get("d") or 1))
        weekday = part.get("wd0") or part.get("wd1")
        if weekday and _weekday(weekday) != date.weekday():
            return None
        if not part.get("H"):
            return DateReading(date)
        return _with_clock(date, part)
    except (ValueError, OverflowError, KeyError):
        return None


def _with_clock(date: datetime, part: dict[str, str | None]) -> DateReading | None:
    hour, minute = int(part["H"] or 0), int(part.get("M") or 0)
    second, fraction = int(part.get("S") or 0), (part.get("f") or "")[1:7]
    half = (part.get("ap") or part.get("ap0") or "").lower()
    if half:
        late = half == "오후" or half[0] == "p"
        if hour > 12 and not late:
            return None
        hour = hour if hour > 12 else hour % 12 + 12 * late
    if hour == 24 and not minute and not second:
        date, hour = date + timedelta(1), 0
    local = date.replace(
        hour=hour, minute=minute, second=second, microsecond=int(f"{fraction:0<6}" or 0)
    )
    zone, mark = part.get("zone") or "", (part.get("z") or "").upper()
    offset = None
    if mark in ("Z", "UTC", "GMT"):
        offset = timedelta(0)
    elif mark == "KST":
        offset, zone = timedelta(hours=9), zone or "Asia/Seoul"
    elif mark:
        digits = mark[1:].replace(":", "")
        size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
        offset = -size if mark[0] == "-" else size
    elif zone:
        offset = local.replace(tzinfo=ZoneInfo(zone)).utcoffset()
    if offset is not None:
        local.replace(tzinfo=timezone(offset)).astimezone(UTC)  # OverflowError beyond the years
    return DateReading(local, offset, zone)


def _weekday(name: str) -> int:
    if name[0] in _KOREAN_WEEKDAYS:
        return _KOREAN_WEEKDAYS.index(name[0])
    return next(n for n, full in enumerate(WEEKDAYS) if full[:3].lower() == name[:3].lower())


@dataclass(frozen=True)
class Writing:
    """How the dates of a column are written: after the last of them, in the widths of all.

    Attributes:
        order: of the parts, one of `ORDERS`.
        sample: a date of the column, with a time of day if any has one.
        widths: the fewest digits of each part over the column.
        months: the names of months.
        late_midnight: whether midnight is hour 24 of the day before.
    """

    order: str
    sample: str
    widths: tuple[tuple[str, int], ...]
    months: tuple[str, ...] = ()
    late_midnight: bool = False

    @classmethod
    def of(cls, texts: Iterable[str], order: str) -> "Writing":
        """The writing of dates that can all be read in this order."""
        sample, widths, names, midnights = "", dict[str, int](), set[str](), set[str]()
        padded = False
        longest = 0
        for text in texts:
            match = _PATTERNS[order].fullmatch(text.strip())
            assert match
            filled = {name: part for name, part in match.groupdict().items() if part}
            if len(filled) >= longest and not (sample and _FIRST.match(text.strip())):
                sample, longest = text.strip(), len(filled)
            for name, part in filled.items():
                widths[name] = min(len(part), widths.get(name, len(part)))
                padded |= part[0] == "0" and name in _PADDED
            names |= {filled["mon"]} if "mon" in filled else set()
            if int(filled.get("H", 1)) in (0, 24):
                midnights.add(filled["H"])
        if not padded and any(widths.get(name) == 1 for name in _PADDED):
            widths |= {name: 1 for name in _PADDED if name in widths}
        return cls(order, sample, tuple(widths.items()), month_names(names), midnights == {"24"})

    def write(self, local: datetime, offset: timedelta | None = None) -> str:
        """Write a date so that it looks like the others."""
        match = _PATTERNS[self.order].fullmatch(self.sample)
        assert match
        if self.late_midnight and local.time() == datetime.min.time():
            local -= timedelta(1)
            hour = "24"
        else:
            hour = ""
        widths = dict(self.widths)
        pieces: list[str] = []
        end = 0
        groups = {name: span for name in match.groupdict() if (span := match.span(name))[0] >= 0}
        for name, (start, stop) in sorted(groups.items(), key=lambda item: item[1]):
            old = self.sample[start:stop]
            new = hour if name == "H" and hour else self._part(name, old, local, offset)
            if new is None:
                continue
            if new.isdecimal() and name != "y":
                new = new.zfill(widths[name])
            pieces += [self.sample[end:start], new]
            end = stop
        return "".join((*pieces, self.sample[end:]))

    def _part(self, name: str, old: str, local: datetime, offset: timedelta | None) -> str | None:
        if name == "y":
            year = local.isocalendar().year if "week" in self.order else local.year
            return f"{year:04}"[-len(old) :]
        if name == "mon":
            return _cased(self.months[local.month - 1], old)
        if name in ("wd0", "wd1"):
            if old[0] in _KOREAN_WEEKDAYS:
                return _KOREAN_WEEKDAYS[local.weekday()] + old[1:]
            full = WEEKDAYS[local.weekday()]
            return _cased(full if old.lower().endswith("day") else full[:3], old)
        if name in ("ap", "ap0"):
            late = local.hour >= 12
            if old[0] == "오":
                return "오후" if late else "오전"
            return re.sub("[APap]", lambda m: _cased("P" if late else "A", m[0]), old, count=1)
        if name == "H":
            twelve = "ap" in dict(self.widths) or "ap0" in dict(self.widths)
            return str((local.hour + 11) % 12 + 1 if twelve else local.hour)
        if name == "f":
            return old[0] + f"{local.microsecond:06}000"[: len(old) - 1]
        if name == "z":
            return _offset(old, offset)
        found = {
            "m": local.month, "d": local.day, "M": local.minute, "S": local.second,
            "hf": (local.month + 5) // 6, "q": (local.month + 2) // 3, "q2": (local.month + 2) // 3,
            "w": local.isocalendar().week, "wd": local.isoweekday(),
        }.get(name)  # fmt: skip
        return None if found is None else str(found)


def _cased(text: str, like: str) -> str:
    return text.upper() if like.isupper() else text.lower() if like.islower() else text


def _offset(old: str, offset: timedelta | None) -> str:
    if offset is None or old[0] not in "+-":
        return old
    minutes = round(abs(offset).total_seconds() / 60)
    colon = ":" if ":" in old else ""
    tail = f"{colon}{minutes % 60:02}" if len(old) > 3 or minutes % 60 else ""
    return f"{'-' if offset < timedelta(0) else '+'}{minutes // 60:02}{tail}"
