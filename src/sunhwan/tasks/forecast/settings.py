"""Settings of forecasting."""

from dataclasses import dataclass

from sunhwan.config import TaskConfig, TaskSettings, setting


@dataclass(frozen=True)
class ForecastConfig(TaskConfig):
    """Task settings of forecasting: steps of the past that are read, steps of the future, columns."""

    season: int = setting(
        0,
        "the steps of a season; 1: none; 0: as the times suggest, else as the values repeat",
        low=0,
        high=10**6,
    )
    horizon: int = setting(0, "how many steps ahead; 0: a season", low=0, high=10**6)
    context: int = setting(0, "how many steps of the past are read; 0: auto", low=0, high=10**6)
    leave_out: int = setting(
        0,
        "the last steps of each series that are not looked at in training: for rolling origins",
        low=0,
        high=10**6,
    )
    time: str = setting("", "column of the times; empty: found")
    group: tuple[str, ...] = setting(
        (), "columns that together name the series of a long table; empty: found"
    )
    future: tuple[str, ...] = setting((), "columns that are known ahead, such as promotions")
    dates: str = setting(
        "",
        "of dates such as 03/04/2024: what comes first; empty: by evidence",
        choices=("", "day-first", "month-first", "year-first"),
    )
    zone: str = setting(
        "", "whose clock the times show, or its days are counted on, such as Europe/Berlin"
    )
    steps: str = setting(
        "",
        "what a step is; rows: each row, whatever its time; empty: a step of the calendar",
        choices=("", "rows"),
    )


SETTINGS = TaskSettings(ForecastConfig)
