"""Messages: the sentences of report and page in English and Korean, from one catalogue."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

LANGUAGES = ("en", "ko")

Catalogue = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Part ("report", "page") → key → language → sentence; names in braces are filled in."""


@cache
def catalogue() -> Catalogue:
    """Read the catalogue of the package."""
    text = resources.files("sunhwan.messages").joinpath("catalogue.json").read_text("utf-8")
    found: Catalogue = json.loads(text)
    return found


def message(part: str, key: str, language: str, **values: Any) -> str:
    """The sentence of a key in a language, with values for the names that stand in braces in it."""
    return catalogue()[part][key][language].format(**values)
