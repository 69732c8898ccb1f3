"""Layout: what a forecaster reads of a file, as it was found in training and is kept with the model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sunhwan.data import Series
from sunhwan.data.calendar import Calendar
from sunhwan.data.series_columns import Wanted
from sunhwan.tasks.forecast.settings import ForecastConfig

MOST_WORDS = 50
"""Different cells of a static column beyond which it is not read."""


def wanted_of(settings: ForecastConfig) -> Wanted:
    """The columns that the settings name."""
    return Wanted(
        time=settings.time,
        targets=(settings.target,) if settings.target else (),
        inputs=settings.input,
        future=settings.future,
        group=settings.group,
        dates=settings.dates,
        zone=settings.zone,
        rows=settings.steps == "rows",
    )


@dataclass(frozen=True)
class Layout:
    """Columns and inputs that are read of a file.

    Attributes:
        targets: the columns that are forecast; none: all but the others.
        inputs: columns that are read beside each, of the past alone; means, deviations: of the
            training rows of these, and then of `future`.
        cycles: of the calendar.
        future: columns that are known ahead. group: columns that name the series of a long table.
        static: columns of words, each with those that were seen in training.
        longer: seasons beside the main one, in steps.
        gaps: whether the model is told which values are missing.
        drawn: whether the scale of a window is drawn to that of its series.
        calendar: of the training file; None: that of each file. order: of the parts of a date.
        on_clock: whether days are those of the clock that is written where it changes, else of UTC.
        zone: of that clock in training, "" where it never changed.
        writings, currencies: of columns whose numbers were not plain in training: how they were written,
            and their currency or "%".
    """

    targets: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    cycles: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    static: tuple[tuple[str, tuple[str, ...]], ...] = ()
    longer: tuple[int, ...] = ()
    gaps: bool = False
    drawn: bool = False
    calendar: Calendar | None = None
    order: str = ""
    on_clock: bool = False
    zone: str = ""
    writings: tuple[tuple[str, str], ...] = ()
    currencies: tuple[tuple[str, str], ...] = ()

    @property
    def features(self) -> int:
        """How many numbers a step has: see `Window.inputs`."""
        beside = len(self.inputs) + len(self.future) + sum(len(words) for _, words in self.static)
        return 4 + 2 * len(self.cycles) + beside + int(self.gaps) + 2 * len(self.longer)

    @property
    def columns(self) -> dict[str, list[int]]:
        """Which of these numbers belong together, by what they tell."""
        names = ["the series"] * 2 + ["how far ahead"] * 2
        names += [f"time of {cycle}" for cycle in self.cycles] * 2 + list(self.future)
        names += [name for name, words in self.static for _ in words] + list(self.inputs)
        names += ["gaps"] * self.gaps
        names += [f"{longer} steps before" for longer in self.longer for _ in range(2)]
        return {name: [n for n, own in enumerate(names) if own == name] for name in names}

    def wanted(self, settings: ForecastConfig) -> Wanted:
        """The columns of a file that is read by a trained model."""
        return replace(
            wanted_of(settings),
            time=settings.time if self.drawn else "",
            targets=self.targets,
            inputs=self.inputs,
            future=self.future,
            group=self.group,
            joined=not self.group,
            order=self.order,
            usual_zone=self.zone,
            writings=self.writings,
            currencies=self.currencies,
        )

    def words(self, series: Series) -> NDArray[np.float32]:
        """The words of a series as 0 and 1, a column for each that was seen in training."""
        cells = dict((*series.key, *series.static))
        return np.array(
            [float(cells.get(name) == word) for name, words in self.static for word in words],
            dtype=np.float32,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        values = asdict(self)
        calendar = values.pop("calendar")
        static = [[name, list(words)] for name, words in self.static]
        lists = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        slots = {**calendar, "slots": list(calendar["slots"])} if calendar else None
        pairs = {name: [list(pair) for pair in values[name]] for name in ("writings", "currencies")}
        pairs = {name: some for name, some in pairs.items() if some}
        lists = {
            name: some for name, some in lists.items() if name not in ("writings", "currencies")
        }
        return {**lists, "static": static, "calendar": slots, **pairs}

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """What `to_dict` gave, by this version or an earlier one; KeyError, TypeError, ValueError."""

        def texts(name: str) -> tuple[str, ...]:
            return tuple(map(str, values.get(name, ())))

        def pairs(name: str) -> tuple[tuple[str, str], ...]:
            return tuple((str(column), str(told)) for column, told in values.get(name, ()))

        static = tuple((str(n), tuple(map(str, words))) for n, words in values.get("static", ()))
        calendar = values.get("calendar")
        if calendar is not None:
            calendar = Calendar(**{**calendar, "slots": tuple(map(int, calendar["slots"]))})
        return cls(
            targets=texts("targets"),
            inputs=texts("inputs"),
            means=tuple(map(float, values["means"])),
            deviations=tuple(map(float, values["deviations"])),
            cycles=texts("cycles"),
            future=texts("future"),
            group=texts("group"),
            static=static,
            longer=tuple(map(int, values.get("longer", ()))),
            gaps=bool(values.get("gaps", False)),
            drawn=bool(values.get("drawn", False)),
            calendar=calendar,
            order=str(values.get("order", "")),
            on_clock=bool(values.get("on_clock", False)),
            zone=str(values.get("zone", "")),
            writings=pairs("writings"),
            currencies=pairs("currencies"),
        )


def words_of(files: Sequence[Series]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The columns that name series or stay the same in each, with their cells, the rarer ones left out."""
    found: dict[str, dict[str, None]] = {}
    for series in files:
        for name, cell in (*series.key, *series.static):
            found.setdefault(name, {})[cell] = None
    # Where each series has a word of its own, the words say nothing of others.
    return tuple(
        (name, tuple(cells))
        for name, cells in found.items()
        if 1 < len(cells) <= min(MOST_WORDS, len(files) - 1)
    )
