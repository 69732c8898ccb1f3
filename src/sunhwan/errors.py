"""One exception family. A message is one sentence: what is wrong, where, how to mend it."""


class SunhwanError(Exception):
    """Something the user can mend. The command line prints it and exits with `exit_code`."""

    exit_code = 1


class UsageError(SunhwanError):
    """An argument or a setting is unusable; nothing was started."""

    exit_code = 2


class ConfigError(UsageError):
    """A key of the configuration is unknown or its value out of range; the message names the key."""


class TextError(SunhwanError):
    """A text cannot be read: it names the file and, where there is one, the line and the byte."""


class DataError(SunhwanError):
    """The data is readable but cannot make a batch (too short, empty, ids out of range)."""


class StoreError(SunhwanError):
    """A run folder, model or checkpoint is missing, damaged or locked by another trainer."""


class ShapeError(SunhwanError, ValueError):
    """A tensor has the wrong shape; the message carries the offending sizes."""


class NonFiniteError(SunhwanError):
    """A loss or gradient became infinite or NaN; it names the step, the tensor and the likely cure."""
