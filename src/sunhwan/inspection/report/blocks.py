"""Blocks of a report: paragraphs, headings, pictures, tables and coloured text, for the template."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

MORE, LESS, AMOUNT = (230, 120, 20), (118, 86, 214), (210, 60, 90)
"""The colours of values above and below 0, and of amounts, laid thinly over the page's own."""

DEEPEST = 0.75


class Painting(NamedTuple):
    """A name, and a value −1 … 1 for each piece of a text, NaN where there is none.

    signed: whether the values lie around 0; else they are amounts.
    """

    name: str
    values: Values
    signed: bool


def around_zero(name: str, values: Values, centre: float | None = 0.0) -> Painting:
    """Values around a centre (None: their mean), the deepest colour where the largest 2 % begin."""
    real = values[~np.isnan(values)]
    if not len(real):
        return Painting(name, values, True)
    middle = real.mean() if centre is None else centre
    reach = max(float(np.quantile(np.abs(real - middle), 0.98)), 1e-12)
    return Painting(name, np.clip((values - middle) / reach, -1, 1), True)


def amounts(name: str, values: Values, most: float) -> Painting:
    """Values from 0 on, the deepest colour from `most` on."""
    return Painting(name, np.clip(values / most, 0, 1), False)


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; kind: its class in the style sheet."""

    text: str
    kind: str = ""
    block: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str
    block: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Picture:
    """A picture by its name, with its caption."""

    name: str
    caption: str
    block: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Table:
    """A table that scrolls in itself; numbers: the columns to be set flush right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int]
    block: ClassVar[str] = "table"


@dataclass(frozen=True)
class ColouredText:
    """A text in the colours of the first painting, and a choice of the others where there are any.

    label: of the choice. mark: the piece to be framed.
    """

    pieces: Sequence[str]
    paintings: Sequence[Painting]
    label: str
    mark: int | None = None
    block: ClassVar[str] = "text"

    def style(self, place: int) -> str:
        """The style of a piece, "" for one without a colour."""
        if not self.paintings or np.isnan(self.paintings[0].values[place]):
            return ""
        value, signed = float(self.paintings[0].values[place]), self.paintings[0].signed
        red, green, blue = (MORE if value > 0 else LESS) if signed else AMOUNT
        depth = round(DEEPEST * abs(value), 2)
        return f"background:rgba({red},{green},{blue},{depth})" if depth else ""

    @property
    def data(self) -> str:
        """Whether each painting is signed, and its values in percent, as JSON."""
        values = [
            [one.signed, [_percent(v) for v in one.values.tolist()]] for one in self.paintings
        ]
        return json.dumps(values, separators=(",", ":"))


Block = Paragraph | Heading | Picture | Table | ColouredText


def _percent(value: float) -> int | None:
    return None if np.isnan(value) else round(100 * value)
