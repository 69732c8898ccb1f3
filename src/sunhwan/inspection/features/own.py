"""Features of the user's own, from a file that the user names."""

from pathlib import Path
from typing import Any

import numpy as np

from sunhwan.cells.own import place_of, run_file
from sunhwan.errors import UsageError
from sunhwan.inspection.features.feature import Feature

SAMPLE = 'The "1st" line: f(x) = 한글.\n  # second\n'
"""What a function is tried on."""


def load_feature(spec: str) -> Feature:
    """Run the file of "path/to/file.py:function" and take the function of a text as a feature.

    It gives a number for each character of the text: True and False make a binary feature. The
    first line of its docstring is its description; a ready `Feature` will do as well. UsageError,
    one sentence, when the file cannot be run, has no such function, or it fails.
    """
    path_text, colon, name = spec.rpartition(":")
    if not colon or not path_text.endswith(".py") or not name:
        raise UsageError(f"{spec} names no feature: write FILE.py:FUNCTION, say features.py:rhymes")
    path = Path(path_text)
    found: Any = getattr(run_file(path, "feature", "FUNCTION"), name, None)
    if isinstance(found, Feature):
        return found
    if not callable(found):
        raise UsageError(f"{path} has no function {name!r}: write one that takes a text")

    def guarded(text: str) -> Any:
        try:
            values = found(text)
            return values if isinstance(values, np.ndarray) else list(values)
        except Exception as error:
            raise UsageError(f"the feature {name} fails: {place_of(error, path)}") from None

    tried = guarded(SAMPLE)
    binary = all(isinstance(value, bool | np.bool_) for value in tried)
    description = ((found.__doc__ or "").strip().splitlines() or [f"{name} of {path.name}"])[0]
    made = Feature(name, "binary" if binary else "numeric", guarded, name, description.rstrip("."))
    made.of(SAMPLE)
    return made
