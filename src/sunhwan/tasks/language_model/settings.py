"""Settings of the language model: those of all tasks, and a text to read."""

from sunhwan.config import TaskSettings

SETTINGS = TaskSettings(source="text.corpus")
