"""Settings of rating."""

from dataclasses import dataclass

from sunhwan.config import TaskConfig, TaskSettings, setting


@dataclass(frozen=True)
class RateConfig(TaskConfig):
    """What is asked, and in which unit it is learned."""

    unit: float = setting(1.0, "what the numbers are divided by for the network", low=1e-9)


SETTINGS = TaskSettings(RateConfig)
