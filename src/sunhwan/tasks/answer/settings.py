"""Settings of question answering: those of all tasks."""

from sunhwan.config import TaskSettings

SETTINGS = TaskSettings()
