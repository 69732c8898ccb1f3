"""Settings of forecasting."""

from dataclasses import dataclass

from sunhwan.config import TaskConfig, TaskSettings, setting


@dataclass(frozen=True)
class ForecastConfig(TaskConfig):
    """What is asked: which steps of the past are read, and how many of the future."""

    season: int = setting(
        0,
        "the steps of a season; 1: none; 0: guessed from the times",
        low=0,
        high=10**6,
    )
    horizon: int = setting(0, "how many steps ahead; 0: a season", low=0, high=10**6)
    context: int = setting(0, "how many steps of the past are read; 0: auto", low=0, high=10**6)


SETTINGS = TaskSettings(ForecastConfig)
