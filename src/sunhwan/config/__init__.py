"""The configuration: sections of settings ↔ TOML. Every setting says what it means and what it may be."""

from sunhwan.config.configuration import Config, with_source
from sunhwan.config.listing import Setting, settings
from sunhwan.config.sections import (
    TEMPERATURE,
    DataConfig,
    ModelConfig,
    TaskConfig,
    TextConfig,
    TrainingConfig,
    Value,
    setting,
)
from sunhwan.config.task_settings import TaskSettings, own, task_settings
from sunhwan.config.values import parse_assignment, read_toml

__all__ = [
    "TEMPERATURE",
    "Config",
    "DataConfig",
    "ModelConfig",
    "Setting",
    "TaskConfig",
    "TaskSettings",
    "TextConfig",
    "TrainingConfig",
    "Value",
    "own",
    "parse_assignment",
    "read_toml",
    "setting",
    "settings",
    "task_settings",
    "with_source",
]
