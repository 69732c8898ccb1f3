"""Series that come with statsmodels."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from sunhwan.data.series import Series
from sunhwan.errors import UsageError


class BuiltInSeries(NamedTuple):
    """A series that needs no file: what it is and how to get it."""

    description: str
    load: Callable[[], Series]


def load_built_in(name: str) -> Series:
    """A series by its name in `BUILT_IN_SERIES`.

    Raises:
        UsageError: there is no such series, or statsmodels is not installed.
    """
    if name not in BUILT_IN_SERIES:
        raise UsageError(
            f"There is no built-in series {name!r}; there are {', '.join(BUILT_IN_SERIES)}."
        )
    return BUILT_IN_SERIES[name].load()


def _frame(name: str) -> Any:
    try:
        from statsmodels import datasets
    except ImportError as error:
        raise UsageError(
            f"The series {name!r} comes with statsmodels ({error}); pip install 'sunhwan[series]'."
        ) from None
    return getattr(datasets, name).load_pandas().data


def _co2() -> Series:
    monthly = _frame("co2")["co2"].resample("MS").mean().interpolate()
    return _series("co2", monthly.index.strftime("%Y-%m"), "co2", monthly)


def _sunspots() -> Series:
    yearly = _frame("sunspots")
    return _series("sunspots", yearly["YEAR"].astype(int), "sunspots", yearly["SUNACTIVITY"])


def _elnino() -> Series:
    years = _frame("elnino").set_index("YEAR")
    months = [f"{int(year)}-{month:02}" for year in years.index for month in range(1, 13)]
    return _series("elnino", months, "temperature", years.to_numpy().ravel())


def _series(name: str, times: Any, column: str, values: Any) -> Series:
    array = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    description = BUILT_IN_SERIES[name].description
    return Series(name, tuple(map(str, times)), (column,), array, f"built in: {description}")


BUILT_IN_SERIES: Mapping[str, BuiltInSeries] = MappingProxyType(
    {
        "co2": BuiltInSeries(
            "monthly mean of CO2 in the air at Mauna Loa, in ppm, 1958-2001, 5 months without a "
            "measurement filled in (Keeling and Whorf)",
            _co2,
        ),
        "elnino": BuiltInSeries(
            "monthly temperature of the sea off Peru in degrees Celsius, 1950-2010 (NOAA)", _elnino
        ),
        "sunspots": BuiltInSeries("yearly number of sunspots, 1700-2008 (NOAA)", _sunspots),
    }
)
