"""Messages: the sentences of report and page in English and Korean, from one catalogue."""

import json
import locale
import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

LANGUAGES = ("en", "ko")

Catalogue = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Part ("report", "page", "cli", …) → key → language → sentence; names in braces are filled in."""


@cache
def catalogue() -> Catalogue:
    """Read the catalogue of the package."""
    text = resources.files("sunhwan.messages").joinpath("catalogue.json").read_text("utf-8")
    found: Catalogue = json.loads(text)
    return found


def language_of_computer() -> str:
    """The language of messages that this computer is set to, as far as we know it."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    named = next((os.environ[name] for name in names if os.environ.get(name)), "")
    named = named or locale.getlocale()[0] or ""
    return "ko" if named.lower().startswith("ko") else "en"


def message(part: str, key: str, language: str, **values: Any) -> str:
    """The sentence of a key in a language, with values for the names that stand in braces in it."""
    return catalogue()[part][key][language].format(**values)
